//! A started native plugin.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay_abi::host::Instance;
use plugbay_abi::{Buffer, Error, Kind};
use plugbay_core::codec::{Codec, CodecCall, CodecFuture};
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use plugbay_core::{
    CallError, CallErrorKind, Context, Description, Kind as _, Plugin, PluginStats, Policy,
    Provider, Reason, Refusal, StartPlugin,
};
use tokio::runtime::Handle;

use crate::blocking::Blocking;
use crate::bulkhead::Bulkhead;
use crate::calls::{Calls, from_guest};
use crate::code::{Code, Life, Living, StepError};
use crate::ledger::Ledger;
use crate::serving::Serving;

/// What all calls of one plugin share.
struct Shared {
    life: Arc<Life>,
    policy: Policy,
    tokio: Handle,
    /// Bounds its handlers.
    handlers: Arc<Bulkhead>,
    /// Bounds its codecs where nobody lends a thread. Apart from its handlers, which may wait for
    /// them. On their callers' own threads they are called without bound.
    codecs: Arc<Bulkhead>,
    /// Serves all calls at once.
    instance: Serving,
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
            made: AtomicU64::new(0),
        });
        let instance = life.create(start.policy.init).map_err(|error| {
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
            codecs: Bulkhead::new(life.label(), instances, queue),
            instance: Serving::new(Arc::clone(&life), instance),
            life,
            policy: start.policy,
            tokio,
        };
        Ok(Self { shared: Arc::new(shared), description: start.description })
    }
}

impl Shared {
    fn label(&self) -> &Arc<str> {
        self.life.label()
    }

    fn convert(
        &self,
        context: &Context<'_>,
        convert: impl Fn(&Instance, &Calls<'_>) -> Result<Buffer, Error>,
    ) -> Result<Vec<u8>, CallError> {
        let calls = Calls::during(&self.life.ledger, context);
        // The answer is taken where it is: its four words were just written, and the processor
        // waits when they are moved two at a time. Each change of the result would move them.
        let convert = |living: Option<&Living>| {
            let Some(living) = living else { return Err(Failed::Empty) };
            match living.call(|instance| convert(instance, &calls)) {
                Ok(answer) => {
                    calls.outcome(Ok(())).map_err(Failed::Call)?;
                    self.bounded(answer.len()).map_err(Failed::Call)?;
                    Ok(answer.into_vec())
                }
                Err(error) => Err(self.failed(&calls, living, error)),
            }
        };
        self.instance.peek(convert).or_else(|failed| self.settle(context, failed, convert))
    }

    /// Names the failure.
    #[cold]
    fn failed(&self, calls: &Calls<'_>, living: &Living, error: Error) -> Failed {
        let panicked = error.kind == Kind::Panicked;
        match calls.outcome::<()>(Err(from_guest(error, self.label()))) {
            Err(error) if panicked => Failed::Panicked(error, living.number()),
            Err(error) => Failed::Call(error),
            Ok(()) => Failed::Empty,
        }
    }

    /// What comes of a failure: after a panic the instance is replaced; if there was none, the call
    /// is made once there is.
    #[cold]
    fn settle<T>(
        &self,
        context: &Context<'_>,
        failed: Failed,
        again: impl FnOnce(Option<&Living>) -> Result<T, Failed>,
    ) -> Result<T, CallError> {
        let within = self.left(context);
        let failed = match failed {
            Failed::Empty => match again(Some(&*self.instance.revived(within)?)) {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            },
            failed => failed,
        };
        Err(match failed {
            Failed::Call(error) => error,
            Failed::Panicked(error, number) => {
                self.instance.replace(number, within);
                error
            }
            Failed::Empty => CallError::new(CallErrorKind::Unavailable, "expected an instance"),
        })
    }

    /// How long a call of this context may take, from now on.
    fn left(&self, context: &Context<'_>) -> Duration {
        let now = Instant::now();
        let ends = context.ends(now, self.policy.deadline);
        ends.map_or(self.policy.deadline, |ends| ends.saturating_duration_since(now))
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
        let living = shared.instance.revived(within)?;
        living.health(within).map_err(|error| match error {
            StepError::Own(error) => {
                if error.kind == Kind::Panicked {
                    shared.instance.replace(living.number(), within);
                }
                from_guest(error, shared.label())
            }
            StepError::Hung(hung) => {
                let message = format!("health: {hung}");
                CallError::new(CallErrorKind::Deadline, message).of(shared.label())
            }
        })
    }

    fn shutdown(&self) {
        let last = self.shared.instance.current().map(|living| living.shutdown());
        if let Some(Err(error)) = last {
            let plugin = &**self.shared.label();
            tracing::warn!(plugin, %error, "no answer to the last call");
        }
    }

    fn stats(&self) -> PluginStats {
        PluginStats {
            instances: self.shared.instance.current().is_some().into(),
            instantiations: self.shared.life.made.load(Ordering::Relaxed),
            discarded: self.shared.instance.discarded(),
            waiting: u64::from(self.shared.handlers.waiting() + self.shared.codecs.waiting()),
            limited: self.shared.life.ledger.limited(),
            metrics: self.shared.life.ledger.metrics.snapshot(),
            ..PluginStats::default()
        }
    }
}

/// One capability.
#[derive(Clone)]
struct NativeCalls {
    shared: Arc<Shared>,
    capability: u32,
}

impl NativeCalls {
    /// Where calls that nobody lends a thread are made.
    fn blocking(&self, bulkhead: &Arc<Bulkhead>) -> Blocking {
        Blocking {
            tokio: self.shared.tokio.clone(),
            bulkhead: Arc::clone(bulkhead),
            deadline: self.shared.policy.deadline,
            grace: Duration::ZERO,
        }
    }
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

    fn encode_async<'a>(&'a self, context: Context<'a>, document: Vec<u8>) -> CodecFuture<'a> {
        let calls = self.clone();
        let blocking = self.blocking(&self.shared.codecs);
        blocking.call(context, move |context, _| calls.encode(context, &document))
    }

    fn decode_async<'a>(&'a self, context: Context<'a>, bytes: Vec<u8>) -> CodecFuture<'a> {
        let calls = self.clone();
        let blocking = self.blocking(&self.shared.codecs);
        blocking.call(context, move |context, _| calls.decode(context, &bytes))
    }
}

impl HandlerCall for NativeCalls {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        let (shared, capability) = (Arc::clone(&self.shared), self.capability);
        let blocking = self.blocking(&shared.handlers);
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
    let handle = |living: Option<&Living>| {
        let Some(living) = living else { return Err(Failed::Empty) };
        match living.call(|instance| instance.handle(&calls, capability, borrowed)) {
            Ok(answer) => calls.outcome(Ok(answer)).map_err(Failed::Call),
            Err(error) => Err(shared.failed(&calls, living, error)),
        }
    };
    let living = shared.instance.current();
    let answer =
        handle(living.as_deref()).or_else(|failed| shared.settle(context, failed, handle))?;
    // Before any of it is copied.
    shared.bounded(answer.size())?;
    let response = answer.copy().map_err(|error| from_guest(error, shared.label()))?;
    let plugbay_abi::Response { status, headers, body } = response;
    let response = Response { status, headers, body };
    response.check().map_err(|error| error.of(shared.label()))?;
    Ok(response)
}

/// A call without an answer, and what is to be done about it.
enum Failed {
    Call(CallError),
    /// The instance of this number panicked.
    Panicked(CallError, u64),
    /// There was no instance.
    Empty,
}

impl fmt::Debug for NativePlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("NativePlugin").field(self.shared.label()).finish()
    }
}
