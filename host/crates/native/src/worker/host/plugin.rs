//! A started plugin that runs in a worker.

use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plugbay_core::codec::{Codec, CodecCall, CodecFuture, Direction};
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use plugbay_core::{
    CallError, CallErrorKind, Context, Description, Kind as _, Plugin, PluginStats, Policy,
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
use crate::worker::link::error::LaneError;
use crate::worker::link::wire::{HandleMeta, MAX_LANES, Op, encode_meta};
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
    supervisor: Arc<Supervisor>,
    description: Arc<Description>,
    tokio: Handle,
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
            supervisor,
            description: start.description,
            tokio,
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
        self.supervisor.state()
    }

    fn stop(&self, graceful: Option<Duration>) {
        self.supervisor.stop(graceful);
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
        let (supervisor, tokio) = (Arc::clone(&self.supervisor), self.tokio.clone());
        let calls = ProcessCapability { supervisor, tokio, capability };
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
        let host = CallHost::outside(&self.supervisor.ledger);
        let request = CallRequest { op: Op::Health, index: 0, meta: &[], body: &[] };
        // A late answer is no reason to kill the worker: the caller counts it, and decides.
        let own = within.max(self.supervisor.spec.policy.init);
        let until = CallDeadline::within(own).with_caller_within(within);
        let _place = self.supervisor.bulkhead.enter(until.caller)?;
        self.supervisor.call(request, &host, until).map(drop)
    }

    fn shutdown(&self) {
        self.stop(Some(self.supervisor.spec.policy.init));
    }

    fn stats(&self) -> PluginStats {
        let process = self.supervisor.process();
        PluginStats {
            instances: process.is_some().into(),
            instantiations: self.supervisor.instantiations.load(Ordering::Relaxed),
            discarded: self.supervisor.discarded.load(Ordering::Relaxed),
            memory: process.and_then(|process| process.usage()).map_or(0, |usage| usage.memory),
            waiting: self.supervisor.waiting(),
            limited: self.supervisor.ledger.limited(),
            metrics: self.supervisor.ledger.metrics.snapshot(),
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
        f.debug_tuple("ProcessPlugin").field(self.supervisor.spec.identity.label()).finish()
    }
}

/// One capability of a plugin.
#[derive(Clone)]
struct ProcessCapability {
    supervisor: Arc<Supervisor>,
    tokio: Handle,
    capability: u32,
}

impl ProcessCapability {
    /// Converts, for a caller that has a place.
    fn convert_by(
        &self,
        op: Op,
        context: &Context<'_>,
        body: &[u8],
        until: CallDeadline,
    ) -> Result<Vec<u8>, CallError> {
        let supervisor = &self.supervisor;
        let host = CallHost::during(&supervisor.ledger, &context.until(until.caller));
        let request = CallRequest { op, index: self.capability, meta: &[], body };
        Ok(host.outcome(supervisor.call(request, &host, until))?.body)
    }

    /// For calls from asynchronous code. The call itself blocks on a lane and keeps the deadline; the
    /// grace ends one for which tokio has no thread.
    fn blocking(&self) -> Blocking {
        Blocking {
            tokio: self.tokio.clone(),
            bulkhead: Arc::clone(&self.supervisor.bulkhead),
            deadline: self.supervisor.spec.policy.deadline,
            grace: GRACE,
        }
    }
}

/// The worker's function that converts this way.
fn op(direction: Direction) -> Op {
    match direction {
        Direction::Encode => Op::Encode,
        Direction::Decode => Op::Decode,
    }
}

impl CodecCall for ProcessCapability {
    fn convert(
        &self,
        context: &Context<'_>,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let until = CallDeadline::of(context, self.supervisor.spec.policy.deadline);
        let _place = self.supervisor.bulkhead.enter(until.caller)?;
        self.convert_by(op(direction), context, input, until)
    }

    fn convert_async<'a>(
        &'a self,
        context: Context<'a>,
        direction: Direction,
        input: Vec<u8>,
    ) -> CodecFuture<'a> {
        let calls = self.clone();
        self.blocking().call(context, move |context, deadline| {
            let own = CallDeadline::by(calls.supervisor.spec.policy.deadline, deadline);
            let until = own.or_sooner(context.deadline());
            calls.convert_by(op(direction), context, &input, until)
        })
    }
}

impl HandlerCall for ProcessCapability {
    fn handle<'a>(&'a self, context: Context<'a>, request: Request) -> HandlerFuture<'a> {
        let (supervisor, capability) = (Arc::clone(&self.supervisor), self.capability);
        self.blocking().call(context, move |context, deadline| {
            handle(&supervisor, capability, context, &request, deadline)
        })
    }
}

fn handle(
    supervisor: &Arc<Supervisor>,
    capability: u32,
    context: &Context<'_>,
    request: &Request,
    deadline: Instant,
) -> Result<Response, CallError> {
    let label = supervisor.spec.identity.label();
    let failed = |kind, message: String| CallError::new(kind, message).of(label);
    let host = CallHost::during(&supervisor.ledger, &context.until(deadline));
    let sent = HandleMeta {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        params: request.params.iter().map(|(name, value)| (&**name, &**value)).collect(),
        headers: request.headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
    };
    let meta =
        encode_meta(&sent).map_err(|error| failed(CallErrorKind::Internal, error.to_string()))?;
    let request =
        CallRequest { op: Op::Handle, index: capability, meta: &meta, body: &request.body };
    let until =
        CallDeadline::by(supervisor.spec.policy.deadline, deadline).or_sooner(context.deadline());
    let frame = host.outcome(supervisor.call(request, &host, until))?;
    let headers: Result<Vec<(String, Vec<u8>)>, LaneError> = frame.parse_meta();
    let headers = headers.map_err(|error| failed(CallErrorKind::Contract, error.to_string()))?;
    let response = Response { status: frame.head.code, headers, body: frame.body };
    response.check().map_err(|error| error.of(label))?;
    Ok(response)
}
