//! A started plugin whose code runs in this process.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay_abi::host::Instance;
use plugbay_abi::{Buffer, Error, ErrorKind};
use plugbay_core::codec::{Codec, CodecCall, CodecFuture, Direction};
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use plugbay_core::{
    CallError, CallErrorKind, Context, Description, Kind as _, Plugin, PluginStats, Policy,
    Provider, Reason, Refusal, StartPlugin,
};
use tokio::runtime::Handle;

use super::code::{Code, InstanceFactory, LiveInstance, StepError};
use super::current::CurrentInstance;
use crate::blocking::Blocking;
use crate::bulkhead::Bulkhead;
use crate::call_host::{CallHost, from_guest};
use crate::ledger::Ledger;

/// The plugin, as all its calls share it.
struct Callee {
    factory: Arc<InstanceFactory>,
    policy: Policy,
    tokio: Handle,
    /// Bounds the calls of its handlers.
    handlers: Arc<Bulkhead>,
    /// Bounds the asynchronous calls of its codecs, which need a thread of tokio. They have a bound
    /// of their own because a handler may wait for a codec. Synchronous calls run on their caller's
    /// thread and have no bound.
    codecs: Arc<Bulkhead>,
    /// The one instance, which serves all calls at once.
    instance: CurrentInstance,
}

/// A started plugin whose code runs in this process.
pub(crate) struct InProcessPlugin {
    callee: Arc<Callee>,
    description: Arc<Description>,
}

impl InProcessPlugin {
    /// Creates the instance and calls its `health`. Blocks for at most twice the policy's `init`.
    pub(crate) fn start(code: Code, start: StartPlugin, tokio: Handle) -> Result<Self, Refusal> {
        let factory = Arc::new(InstanceFactory {
            code,
            ledger: Ledger::new(start.identity.label(), &start.policy, start.observer),
            config: start.config.to_string(),
            bound: start.policy.init,
            created: AtomicU64::new(0),
        });
        let instance = factory.create(start.policy.init).map_err(|error| {
            let reason = match error {
                StepError::Own(_) => Reason::Init,
                StepError::NoAnswer(_) => Reason::InitDeadline,
            };
            Refusal::new(reason, format!("init: {error}"))
        })?;
        let instance = Arc::new(instance);
        instance
            .health(start.policy.init)
            .map_err(|error| Refusal::new(Reason::Unhealthy, format!("health: {error}")))?;
        let Policy { instances, queue, .. } = start.policy;
        let callee = Callee {
            handlers: Bulkhead::new(factory.label(), instances, queue),
            codecs: Bulkhead::new(factory.label(), instances, queue),
            instance: CurrentInstance::new(Arc::clone(&factory), instance),
            factory,
            policy: start.policy,
            tokio,
        };
        Ok(Self { callee: Arc::new(callee), description: start.description })
    }
}

impl Callee {
    fn label(&self) -> &Arc<str> {
        self.factory.label()
    }

    fn convert(
        &self,
        context: &Context<'_>,
        convert: impl Fn(&Instance, &CallHost<'_>) -> Result<Buffer, Error>,
    ) -> Result<Vec<u8>, CallError> {
        let host = CallHost::during(&self.factory.ledger, context);
        // The answer is used where it was written: moving its four words two at a time, right after
        // they were written, stalls the processor, and each change of the result would move them.
        let convert = |instance: Option<&LiveInstance>| {
            let Some(instance) = instance else { return Err(CallFailure::NoInstance) };
            match instance.call(|instance| convert(instance, &host)) {
                Ok(answer) => {
                    host.outcome(Ok(())).map_err(CallFailure::Call)?;
                    self.check_output(answer.len()).map_err(CallFailure::Call)?;
                    Ok(answer.into_vec())
                }
                Err(error) => Err(self.failed(&host, instance, error)),
            }
        };
        self.instance.peek(convert).or_else(|failed| self.recover(context, failed, convert))
    }

    /// Classifies the error of a call.
    #[cold]
    fn failed(&self, host: &CallHost<'_>, instance: &LiveInstance, error: Error) -> CallFailure {
        let panicked = error.kind == ErrorKind::Panicked;
        match host.outcome::<()>(Err(from_guest(error, self.label()))) {
            Err(error) if panicked => CallFailure::Panicked(error, instance.number()),
            Err(error) => CallFailure::Call(error),
            Ok(()) => CallFailure::NoInstance,
        }
    }

    /// Deals with a failed call: replaces the instance after a panic; if there was no instance,
    /// creates one and makes the call again.
    #[cold]
    fn recover<T>(
        &self,
        context: &Context<'_>,
        failed: CallFailure,
        again: impl FnOnce(Option<&LiveInstance>) -> Result<T, CallFailure>,
    ) -> Result<T, CallError> {
        let within = self.time_left(context);
        let failed = match failed {
            CallFailure::NoInstance => match again(Some(&*self.instance.get_or_create(within)?)) {
                Ok(answer) => return Ok(answer),
                Err(failed) => failed,
            },
            failed => failed,
        };
        Err(match failed {
            CallFailure::Call(error) => error,
            CallFailure::Panicked(error, number) => {
                self.instance.replace(number, within);
                error
            }
            CallFailure::NoInstance => {
                CallError::new(CallErrorKind::Unavailable, "expected an instance")
            }
        })
    }

    /// How long a call in this context may still take.
    fn time_left(&self, context: &Context<'_>) -> Duration {
        let now = Instant::now();
        let ends = context.ends(now, self.policy.deadline);
        ends.map_or(self.policy.deadline, |ends| ends.saturating_duration_since(now))
    }

    fn check_output(&self, size: usize) -> Result<(), CallError> {
        if size as u64 <= self.policy.output {
            return Ok(());
        }
        let message =
            format!("expected an answer of at most {} bytes, found {size}", self.policy.output);
        Err(CallError::new(CallErrorKind::Output, message).of(self.label()))
    }
}

impl Plugin for InProcessPlugin {
    fn provide(&self, capability: u32) -> Option<Provider> {
        let described = self.description.capabilities.get(capability as usize)?;
        let calls = InProcessCapability { callee: Arc::clone(&self.callee), capability };
        match &*described.kind {
            Codec::NAME => Some(Provider::new::<Codec>(Arc::new(calls))),
            Handler::NAME => Some(Provider::new::<Handler>(Arc::new(calls))),
            _ => None,
        }
    }

    fn calls_others(&self) -> bool {
        // Which functions of the host a native plugin calls is not known beforehand.
        true
    }

    fn health(&self, within: Duration) -> Result<(), CallError> {
        let callee = &self.callee;
        let instance = callee.instance.get_or_create(within)?;
        instance.health(within).map_err(|error| match error {
            StepError::Own(error) => {
                if error.kind == ErrorKind::Panicked {
                    callee.instance.replace(instance.number(), within);
                }
                from_guest(error, callee.label())
            }
            StepError::NoAnswer(error) => {
                let message = format!("health: {error}");
                CallError::new(CallErrorKind::Deadline, message).of(callee.label())
            }
        })
    }

    fn shutdown(&self) {
        let last = self.callee.instance.current().map(|instance| instance.shutdown());
        if let Some(Err(error)) = last {
            let plugin = &**self.callee.label();
            tracing::warn!(plugin, %error, "shutdown failed");
        }
    }

    fn stats(&self) -> PluginStats {
        PluginStats {
            instances: self.callee.instance.current().is_some().into(),
            instantiations: self.callee.factory.created.load(Ordering::Relaxed),
            discarded: self.callee.instance.discarded(),
            waiting: u64::from(self.callee.handlers.waiting() + self.callee.codecs.waiting()),
            limited: self.callee.factory.ledger.limited(),
            metrics: self.callee.factory.ledger.metrics.snapshot(),
            ..PluginStats::default()
        }
    }
}

/// One capability of a plugin.
#[derive(Clone)]
struct InProcessCapability {
    callee: Arc<Callee>,
    capability: u32,
}

impl InProcessCapability {
    /// For calls from asynchronous code.
    fn blocking(&self, bulkhead: &Arc<Bulkhead>) -> Blocking {
        Blocking {
            tokio: self.callee.tokio.clone(),
            bulkhead: Arc::clone(bulkhead),
            deadline: self.callee.policy.deadline,
            grace: Duration::ZERO,
        }
    }
}

impl CodecCall for InProcessCapability {
    #[inline]
    fn convert(
        &self,
        context: &Context<'_>,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let convert = |instance: &Instance, host: &CallHost<'_>| match direction {
            Direction::Encode => instance.encode(host, self.capability, input),
            Direction::Decode => instance.decode(host, self.capability, input),
        };
        self.callee.convert(context, convert)
    }

    fn convert_async<'a>(
        &'a self,
        context: Context<'a>,
        direction: Direction,
        input: Vec<u8>,
    ) -> CodecFuture<'a> {
        let calls = self.clone();
        let blocking = self.blocking(&self.callee.codecs);
        blocking.call(context, move |context, _| calls.convert(context, direction, &input))
    }
}

impl HandlerCall for InProcessCapability {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        let (callee, capability) = (Arc::clone(&self.callee), self.capability);
        let blocking = self.blocking(&callee.handlers);
        // Nothing can end native code in this process, so the call does not use its deadline.
        blocking.call(context, move |context, _| handle(&callee, capability, context, &request))
    }
}

fn handle(
    callee: &Callee,
    capability: u32,
    context: &Context<'_>,
    request: &Request,
) -> Result<Response, CallError> {
    let host = CallHost::during(&callee.factory.ledger, context);
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
    let handle = |instance: Option<&LiveInstance>| {
        let Some(instance) = instance else { return Err(CallFailure::NoInstance) };
        match instance.call(|instance| instance.handle(&host, capability, borrowed)) {
            Ok(answer) => host.outcome(Ok(answer)).map_err(CallFailure::Call),
            Err(error) => Err(callee.failed(&host, instance, error)),
        }
    };
    let instance = callee.instance.current();
    let answer =
        handle(instance.as_deref()).or_else(|failed| callee.recover(context, failed, handle))?;
    // Checked before anything is copied.
    callee.check_output(answer.size())?;
    let response = answer.copy().map_err(|error| from_guest(error, callee.label()))?;
    let plugbay_abi::Response { status, headers, body } = response;
    let response = Response { status, headers, body };
    response.check().map_err(|error| error.of(callee.label()))?;
    Ok(response)
}

/// Why a call gave no answer, by what is to be done about it.
enum CallFailure {
    /// Nothing is to be done.
    Call(CallError),
    /// The instance of this number panicked.
    Panicked(CallError, u64),
    /// There was no instance.
    NoInstance,
}

impl fmt::Debug for InProcessPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InProcessPlugin").field(self.callee.label()).finish()
    }
}
