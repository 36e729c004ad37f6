//! A started native plugin.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use plugbay_abi::host::Instance;
use plugbay_abi::{Buffer, Error, Kind};
use plugbay_core::codec::{Codec, CodecCall};
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use plugbay_core::{
    CallError, CallErrorKind, Context, Description, Kind as _, Plugin, PluginStats, Policy,
    Provider, Reason, Refusal, StartPlugin,
};
use plugbay_registry::Swap;
use tokio::runtime::Handle;

use crate::blocking::Blocking;
use crate::bulkhead::Bulkhead;
use crate::calls::{Calls, from_guest};
use crate::code::{Code, Life, Living, StepError};
use crate::ledger::Ledger;

/// What all calls of one plugin share.
struct Shared {
    life: Arc<Life>,
    policy: Policy,
    tokio: Handle,
    /// Bounds its handlers. Its codecs are called on their callers' own threads, without bound.
    handlers: Arc<Bulkhead>,
    /// Serves all calls at once.
    instance: Serving,
    instantiations: AtomicU64,
    discarded: AtomicU64,
}

/// The instance that serves: the first one, until a panic may have left it half changed.
///
/// The first is kept to the end even if it serves no more: so nearly every call finds it without
/// counting a reference.
struct Serving {
    first: Arc<Living>,
    replaced: AtomicBool,
    /// The first one, too, as long as it was not replaced.
    current: Swap<Living>,
}

impl Serving {
    fn new(first: Arc<Living>) -> Self {
        let current = Swap::from_arc(Arc::clone(&first));
        Self { first, replaced: AtomicBool::new(false), current }
    }

    /// Lends it to a call.
    #[inline]
    fn peek<T>(&self, call: impl FnOnce(&Living) -> T) -> T {
        // A call that has not heard of the replacement yet is as one that began before it.
        if self.replaced.load(Ordering::Relaxed) {
            self.current.peek(|instance| call(instance))
        } else {
            call(&self.first)
        }
    }

    fn load(&self) -> Arc<Living> {
        self.current.load()
    }

    fn replace(&self, instance: Living) {
        self.current.store(Arc::new(instance));
        self.replaced.store(true, Ordering::Relaxed);
    }
}

/// A started native plugin.
pub(crate) struct NativePlugin {
    shared: Arc<Shared>,
    description: Arc<Description>,
}

impl NativePlugin {
    /// Makes the instance and asks it whether it can serve. Blocks for at most twice the policy's
    /// `init`.
    pub(crate) fn start(code: Code, start: StartPlugin, tokio: Handle) -> Result<Self, Refusal> {
        let life = Arc::new(Life {
            code,
            ledger: Ledger::new(start.identity.label(), &start.policy, start.observer),
            config: start.config.to_string(),
            bound: start.policy.init,
        });
        let instance = life.create().map_err(|error| {
            let reason = match error {
                StepError::Own(_) => Reason::Init,
                StepError::Hung(_) => Reason::InitDeadline,
            };
            Refusal::new(reason, format!("init: {error}"))
        })?;
        let instance = Arc::new(instance);
        instance
            .health(start.policy.init)
            .map_err(|error| Refusal::new(Reason::Unhealthy, format!("health: {error}")))?;
        let Policy { instances, queue, .. } = start.policy;
        let shared = Shared {
            handlers: Bulkhead::new(life.label(), instances, queue),
            life,
            policy: start.policy,
            tokio,
            instance: Serving::new(instance),
            instantiations: AtomicU64::new(1),
            discarded: AtomicU64::new(0),
        };
        Ok(Self { shared: Arc::new(shared), description: start.description })
    }
}

impl Shared {
    fn label(&self) -> &Arc<str> {
        self.life.label()
    }

    /// Names the failure; after a panic the instance is replaced.
    fn failed(&self, error: Error) -> CallError {
        if error.kind == Kind::Panicked {
            self.discarded.fetch_add(1, Ordering::Relaxed);
            match self.life.create() {
                Ok(instance) => {
                    self.instantiations.fetch_add(1, Ordering::Relaxed);
                    self.instance.replace(instance);
                }
                Err(error) => {
                    let plugin = &**self.label();
                    tracing::error!(plugin, %error, "no new instance after a panic");
                }
            }
        }
        from_guest(error, self.label())
    }

    fn convert(
        &self,
        context: &Context<'_>,
        convert: impl FnOnce(&Instance, &Calls<'_>) -> Result<Buffer, Error>,
    ) -> Result<Vec<u8>, CallError> {
        let calls = Calls::during(&self.life.ledger, context);
        // The answer is taken where it is: its four words were just written, and the processor
        // waits when they are moved two at a time. Each change of the result would move them.
        self.instance.peek(|living| match living.call(|instance| convert(instance, &calls)) {
            Ok(answer) => {
                calls.outcome(Ok(()))?;
                self.bounded(answer.len())?;
                Ok(answer.into_vec())
            }
            Err(error) => calls.outcome(Err(self.failed(error))),
        })
    }

    fn bounded(&self, size: usize) -> Result<(), CallError> {
        if size as u64 <= self.policy.output {
            return Ok(());
        }
        let message =
            format!("expected an answer of at most {} bytes, found {size}", self.policy.output);
        Err(CallError::new(CallErrorKind::Output, message).of(self.label()))
    }
}

impl Plugin for NativePlugin {
    fn provide(&self, capability: u32) -> Option<Provider> {
        let described = self.description.capabilities.get(capability as usize)?;
        let calls = NativeCalls { shared: Arc::clone(&self.shared), capability };
        match &*described.kind {
            Codec::NAME => Some(Provider::new::<Codec>(Arc::new(calls))),
            Handler::NAME => Some(Provider::new::<Handler>(Arc::new(calls))),
            _ => None,
        }
    }

    fn calls_others(&self) -> bool {
        // Which functions of the host a native plugin uses cannot be told beforehand.
        true
    }

    fn health(&self, within: Duration) -> Result<(), CallError> {
        let shared = &self.shared;
        shared.instance.load().health(within).map_err(|error| match error {
            StepError::Own(error) => shared.failed(error),
            StepError::Hung(hung) => {
                let message = format!("health: {hung}");
                CallError::new(CallErrorKind::Deadline, message).of(shared.label())
            }
        })
    }

    fn shutdown(&self) {
        if let Err(error) = self.shared.instance.load().shutdown() {
            let plugin = &**self.shared.label();
            tracing::warn!(plugin, %error, "no answer to the last call");
        }
    }

    fn stats(&self) -> PluginStats {
        PluginStats {
            instances: 1,
            instantiations: self.shared.instantiations.load(Ordering::Relaxed),
            discarded: self.shared.discarded.load(Ordering::Relaxed),
            waiting: self.shared.handlers.waiting().into(),
            limited: self.shared.life.ledger.limited(),
            metrics: self.shared.life.ledger.metrics.snapshot(),
            ..PluginStats::default()
        }
    }
}

/// One capability.
struct NativeCalls {
    shared: Arc<Shared>,
    capability: u32,
}

impl CodecCall for NativeCalls {
    fn encode(&self, context: &Context<'_>, document: &[u8]) -> Result<Vec<u8>, CallError> {
        let convert = |instance: &Instance, calls: &Calls<'_>| {
            instance.encode(calls, self.capability, document)
        };
        self.shared.convert(context, convert)
    }

    fn decode(&self, context: &Context<'_>, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        let convert =
            |instance: &Instance, calls: &Calls<'_>| instance.decode(calls, self.capability, bytes);
        self.shared.convert(context, convert)
    }
}

impl HandlerCall for NativeCalls {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        let (shared, capability) = (Arc::clone(&self.shared), self.capability);
        let blocking = Blocking {
            tokio: shared.tokio.clone(),
            bulkhead: Arc::clone(&shared.handlers),
            deadline: shared.policy.deadline,
            grace: Duration::ZERO,
        };
        // Nothing ends native code in this process, so its deadline is of no use to the call.
        blocking.call(context, move |context, _| handle(&shared, capability, context, &request))
    }
}

fn handle(
    shared: &Shared,
    capability: u32,
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, CallError> {
    let calls = Calls::during(&shared.life.ledger, context);
    let params: Vec<(&str, &str)> =
        request.params.iter().map(|(name, value)| (&**name, &**value)).collect();
    let headers: Vec<(&str, &[u8])> =
        request.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
    let borrowed = plugbay_abi::Request {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        params: &params,
        headers: &headers,
        body: &request.body,
    };
    let answer =
        shared.instance.load().call(|instance| instance.handle(&calls, capability, borrowed));
    let response = calls.outcome(answer.map_err(|error| shared.failed(error)))?;
    let fields: usize = response.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    shared.bounded(response.body.len() + fields)?;
    if !(200..=599).contains(&response.status) {
        let message = format!("expected a status from 200 to 599, found {}", response.status);
        let error = CallError::new(CallErrorKind::Contract, message);
        return Err(error.of(shared.label()));
    }
    Ok(Response { status: response.status, headers: response.headers, body: response.body })
}

impl fmt::Debug for NativePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativePlugin").field(self.shared.label()).finish()
    }
}
