//! A started plugin that runs in a worker.

use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plugbay_core::{
    Bulkhead, CallError, CallErrorKind, Context, Description, Plugin, PluginStats, Policy,
    Provider, Reason, Refusal, StartPlugin,
};
use plugbay_guard::RestartRules;
use tokio::runtime::Handle;

use super::call::CallRequest;
use super::deadline::CallDeadline;
use super::supervisor::{Spec, Supervisor};
use crate::blocking::Blocking;
use crate::call_host::CallHost;
use crate::file::staging::PrivateCopy;
use crate::kind;
use crate::kind::capability::{Callee, Capability};
use crate::kind::wire::WireCall;
use crate::worker::link::wire::{Head, MAX_LANES, Op};
use crate::worker::state::{WorkerCommand, WorkerState};

/// How long past its deadline a call may take to report that the deadline passed.
const GRACE: Duration = Duration::from_millis(500);

/// A started plugin whose library is loaded in a worker process only.
///
/// Of its policy, `instances` bounds the calls at once, `queue` those that wait, `total_memory`
/// the worker's memory, `output` an answer, `deadline` a call, `init` each step of the plugin's life,
/// and `logs` and `host_calls` how often it calls the host; `grants` says what its worker may reach.
/// The other settings concern instances of WebAssembly: native code has no linear memory, and its CPU
/// time is bounded by the deadline alone.
pub struct ProcessPlugin {
    callee: WorkerCallee,
    description: Arc<Description>,
    /// The supervisor's thread, which ends once the plugin is stopped and its worker reaped.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// The file that every new worker loads, held as long as the plugin runs.
    copy: Option<PrivateCopy>,
}

impl ProcessPlugin {
    /// Starts a worker for `library`, creates the instance, and calls its `health`. When the worker
    /// dies, `rules` say when the next one may start. Handlers run on `tokio`'s threads for blocking
    /// work.
    ///
    /// Blocks for at most three times the policy's `init`.
    ///
    /// # Errors
    ///
    /// Refuses a plugin whose worker cannot start, or that crashes, hangs, refuses its
    /// configuration, or is not healthy.
    pub fn start(
        command: WorkerCommand,
        library: &Path,
        start: StartPlugin,
        rules: RestartRules,
        tokio: Handle,
    ) -> Result<Self, Refusal> {
        let spec = Spec {
            command,
            library: library.to_owned(),
            config: start.config.to_string(),
            lanes: lanes(&start.policy),
            identity: start.identity,
            policy: start.policy,
            rules,
        };
        let supervisor = Arc::new(Supervisor::new(spec, start.observer));
        let (send, first) = sync_channel(1);
        let thread = thread::Builder::new()
            .name("worker-supervisor".into())
            .spawn({
                let supervisor = Arc::clone(&supervisor);
                // The receiver may be gone.
                move || supervisor.run(|outcome| drop(send.send(outcome)))
            })
            .map_err(|error| {
                Refusal::new(
                    Reason::Init,
                    format!("expected a thread for its supervisor, found: {error}"),
                )
            })?;
        let gone = || Refusal::new(Reason::Init, "the host's supervisor of the worker panicked");
        first.recv().map_err(|_| gone())??;
        Ok(Self {
            callee: WorkerCallee { supervisor, tokio },
            description: start.description,
            thread: Mutex::new(Some(thread)),
            copy: None,
        })
    }

    /// Holds `copy`, which is the plugin's library, as long as the plugin runs.
    pub(crate) fn keep(mut self, copy: PrivateCopy) -> Self {
        self.copy = Some(copy);
        self
    }

    /// The state of its worker.
    #[must_use]
    pub fn state(&self) -> WorkerState {
        self.callee.supervisor.state()
    }

    fn stop(&self, graceful: Option<Duration>) {
        self.callee.supervisor.stop(graceful);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // If it panicked, the message was printed.
            drop(thread.join());
        }
    }
}

/// How many calls a worker serves at once: more threads than the cores can run gain nothing.
fn lanes(policy: &Policy) -> usize {
    let cores = thread::available_parallelism().map_or(4, std::num::NonZero::get);
    let wanted = usize::try_from(policy.instances).unwrap_or(usize::MAX);
    wanted.min(cores.saturating_mul(2)).clamp(1, MAX_LANES)
}

impl Plugin for ProcessPlugin {
    fn provide(&self, capability: u32) -> Option<Provider> {
        let described = self.description.capabilities.get(capability as usize)?;
        let bulkhead = Arc::clone(&self.callee.supervisor.bulkhead);
        kind::provide(
            &described.kind,
            Capability {
                callee: self.callee.clone(),
                bulkhead,
                index: capability,
                max_inline: None,
            },
        )
    }

    fn calls_others(&self) -> bool {
        // Which functions of the host a native plugin calls is not known beforehand.
        true
    }

    fn health(&self, within: Duration) -> Result<(), CallError> {
        let host = CallHost::outside(&self.callee.supervisor.ledger);
        let request = CallRequest { head: Head::new(Op::Health), meta: &[], body: &[] };
        // A late answer is no reason to kill the worker: the caller counts it, and decides.
        let own = within.max(self.callee.supervisor.spec.policy.init);
        let until = CallDeadline::within(own).with_caller_within(within);
        let _place = self.callee.supervisor.bulkhead.enter(until.caller)?;
        self.callee.supervisor.call(request, &host, None, until).map(drop)
    }

    fn retry(&self) {
        self.callee.supervisor.retry();
    }

    fn shutdown(&self) {
        self.stop(Some(self.callee.supervisor.spec.policy.init));
    }

    fn stats(&self) -> PluginStats {
        let process = self.callee.supervisor.process();
        let usage = process.as_ref().and_then(|process| process.usage());
        let spent = self.callee.supervisor.spent();
        PluginStats {
            instances: process.is_some().into(),
            instantiations: self.callee.supervisor.instantiations.load(Ordering::Relaxed),
            discarded: self.callee.supervisor.discarded.load(Ordering::Relaxed),
            memory: usage.map_or(0, |usage| usage.memory),
            peak_memory: spent.peak_memory,
            cpu_seconds: Some(spent.cpu.as_secs_f64()),
            waiting: self.callee.supervisor.waiting(),
            waited: self.callee.supervisor.bulkhead.waited(),
            limited: self.callee.supervisor.ledger.limited(),
            metrics: self.callee.supervisor.ledger.metrics.snapshot(),
            worker: Some(self.state().status()),
            ..PluginStats::default()
        }
    }
}

impl Drop for ProcessPlugin {
    fn drop(&mut self) {
        self.stop(None);
    }
}

impl fmt::Debug for ProcessPlugin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProcessPlugin").field(self.callee.supervisor.spec.identity.label()).finish()
    }
}

/// The plugin, as its calls see it.
#[derive(Clone)]
struct WorkerCallee {
    supervisor: Arc<Supervisor>,
    tokio: Handle,
}

impl WorkerCallee {
    /// Makes a call, for a caller that has a place.
    fn call_by<C: WireCall>(
        &self,
        context: &Context<'_>,
        index: u32,
        call: &C,
        until: CallDeadline,
    ) -> Result<C::Output, CallError> {
        let supervisor = &self.supervisor;
        let label = supervisor.spec.identity.label();
        let host = CallHost::during(&supervisor.ledger, &context.until(until.caller));
        let meta = call.meta().map_err(|error| {
            CallError::new(CallErrorKind::Internal, error.to_string()).of(label)
        })?;
        let head = call.function().head(index);
        let request = CallRequest { head, meta: &meta, body: call.body() };
        C::output(host.outcome(supervisor.call(request, &host, Some(context), until))?, label)
    }
}

impl Callee for WorkerCallee {
    fn call<C: WireCall>(
        &self,
        context: &Context<'_>,
        index: u32,
        call: &C,
    ) -> Result<C::Output, CallError> {
        let until = CallDeadline::of(context, self.supervisor.spec.policy.deadline);
        let _place = self.supervisor.bulkhead.enter(until.caller)?;
        self.call_by(context, index, call, until)
    }

    fn call_until<C: WireCall>(
        &self,
        context: &Context<'_>,
        index: u32,
        call: &C,
        deadline: Instant,
    ) -> Result<C::Output, CallError> {
        let own = CallDeadline::by(self.supervisor.spec.policy.deadline, deadline);
        self.call_by(context, index, call, own.or_sooner(context.deadline()))
    }

    /// The call itself blocks on a lane and keeps the deadline; the grace ends one for which tokio has
    /// no thread.
    fn blocking(&self, bulkhead: &Arc<Bulkhead>) -> Blocking {
        Blocking {
            tokio: self.tokio.clone(),
            bulkhead: Arc::clone(bulkhead),
            deadline: self.supervisor.spec.policy.deadline,
            grace: GRACE,
        }
    }
}
