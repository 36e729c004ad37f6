//! A started plugin whose code runs in this process.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay_abi::{Error, ErrorKind};
use plugbay_core::{
    Bulkhead, CallError, CallErrorKind, CapabilityDescription, Context, Description, DurationStats,
    Plugin, PluginStats, Policy, Provider, Reason, Refusal, StartPlugin,
};
use tokio::runtime::Handle;

use super::code::{Code, InstanceFactory, LiveInstance, StepError};
use super::current::CurrentInstance;
use crate::blocking::Blocking;
use crate::call_host::{CallHost, from_guest};
use crate::kind;
use crate::kind::capability::{Callee, Capability};
use crate::kind::wire::WireCall;
use crate::ledger::Ledger;

/// The plugin, as all its calls share it.
struct InProcessCallee {
    factory: Arc<InstanceFactory>,
    policy: Policy,
    tokio: Handle,
    /// By kind: bounds the calls from asynchronous code, which need a thread of tokio. Each kind has a
    /// bound of its own because a handler may wait for a codec. Synchronous calls run on their caller's
    /// thread and have no bound.
    bulkheads: BTreeMap<String, Arc<Bulkhead>>,
    /// The one instance, which serves all calls at once.
    instance: CurrentInstance,
}

/// A started plugin whose code runs in this process.
pub(crate) struct InProcessPlugin {
    callee: Arc<InProcessCallee>,
    description: Arc<Description>,
    max_inline: MaxInline,
}

/// The largest input, in bytes, with which asynchronous code calls a capability on its own thread.
pub(crate) type MaxInline = fn(&CapabilityDescription) -> Option<usize>;

impl InProcessPlugin {
    /// Creates the instance and calls its `health`. Blocks for at most twice the policy's `init`.
    /// `max_inline` is that of a capability.
    pub(crate) fn start(
        code: Code,
        start: StartPlugin,
        tokio: Handle,
        max_inline: MaxInline,
    ) -> Result<Self, Refusal> {
        let factory = Arc::new(InstanceFactory {
            code,
            ledger: Ledger::new(&start.identity, &start.policy, start.observer),
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
        let kinds = start.description.capabilities.iter().map(|capability| &capability.kind);
        let bulkheads = kinds
            .map(|kind| (kind.clone(), Bulkhead::new(factory.label(), instances, queue)))
            .collect();
        let callee = InProcessCallee {
            bulkheads,
            instance: CurrentInstance::new(Arc::clone(&factory), instance),
            factory,
            policy: start.policy,
            tokio,
        };
        Ok(Self { callee: Arc::new(callee), description: start.description, max_inline })
    }
}

impl InProcessCallee {
    fn label(&self) -> &Arc<str> {
        self.factory.label()
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
        Err(CallError::new(CallErrorKind::Output, message).of(self.label()).by_input(true))
    }
}

impl Plugin for InProcessPlugin {
    fn provide(&self, capability: u32) -> Option<Provider> {
        let described = self.description.capabilities.get(capability as usize)?;
        let bulkhead = Arc::clone(self.callee.bulkheads.get(&described.kind)?);
        let max_inline = (self.max_inline)(described);
        let callee = Arc::clone(&self.callee);
        kind::provide(
            &described.kind,
            Capability { callee, bulkhead, index: capability, max_inline },
        )
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
            let (plugin, version) = self.callee.factory.ledger.identity().name_and_version();
            tracing::warn!(plugin, version, %error, "shutdown failed");
        }
    }

    fn stats(&self) -> PluginStats {
        let mut waited = DurationStats::default();
        for bulkhead in self.callee.bulkheads.values() {
            waited.add(&bulkhead.waited());
        }
        PluginStats {
            instances: self.callee.instance.current().is_some().into(),
            instantiations: self.callee.factory.created.load(Ordering::Relaxed),
            discarded: self.callee.instance.discarded(),
            waiting: self.callee.bulkheads.values().map(|it| u64::from(it.waiting())).sum(),
            waited,
            limited: self.callee.factory.ledger.limited(),
            metrics: self.callee.factory.ledger.metrics.snapshot(),
            ..PluginStats::default()
        }
    }
}

impl Callee for Arc<InProcessCallee> {
    #[inline]
    fn call<C: WireCall>(
        &self,
        context: &Context<'_>,
        index: u32,
        call: &C,
    ) -> Result<C::Output, CallError> {
        let host = CallHost::during(&self.factory.ledger, context);
        // The answer is used where it was written: moving its four words two at a time, right after
        // they were written, stalls the processor, and each change of the result would move them.
        let call = |instance: Option<&LiveInstance>| {
            let Some(instance) = instance else { return Err(CallFailure::NoInstance) };
            match instance.call(|instance| call.call(instance, &host, index)) {
                Ok(answer) => {
                    host.outcome(Ok(())).map_err(CallFailure::Call)?;
                    // Before anything is copied.
                    self.check_output(C::size(&answer)).map_err(CallFailure::Call)?;
                    C::take(answer, self.label()).map_err(CallFailure::Call)
                }
                Err(error) => Err(self.failed(&host, instance, error)),
            }
        };
        self.instance.peek(call).or_else(|failed| self.recover(context, failed, call))
    }

    /// Nothing can end native code in this process at its deadline. But the plugin can ask for it, and the
    /// calls that the plugin makes share it.
    fn call_until<C: WireCall>(
        &self,
        context: &Context<'_>,
        index: u32,
        call: &C,
        deadline: Instant,
    ) -> Result<C::Output, CallError> {
        self.call(&context.until(deadline), index, call)
    }

    fn blocking(&self, bulkhead: &Arc<Bulkhead>) -> Blocking {
        Blocking {
            tokio: self.tokio.clone(),
            bulkhead: Arc::clone(bulkhead),
            deadline: self.policy.deadline,
            grace: Duration::ZERO,
        }
    }
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
