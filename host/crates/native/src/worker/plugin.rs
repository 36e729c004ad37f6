//! A plugin that runs in a worker.

use std::fmt;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::sync_channel;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use plugbay_abi::host::NoHost;
use plugbay_core::codec::{Codec, CodecCall, CodecFuture};
use plugbay_core::handler::{Handler, HandlerCall, HandlerFuture, Request, Response};
use plugbay_core::{
    CallError, CallErrorKind, Context, Description, Kind as _, Plugin, PluginStats, Policy,
    Provider, Reason, Refusal, StartPlugin,
};
use plugbay_guard::RestartRules;
use tokio::runtime::Handle;

use super::call::{Ask, Until, ask};
use super::lane::LaneError;
use super::process::Death;
use super::spawn::{Failed, Spawned, broke, output_limit, spawn};
use super::supervisor::{Spec, Supervisor};
use super::wire::{Op, Request as Sent, meta};
use super::{MAX_LANES, WorkerCommand, WorkerState};
use crate::blocking::Blocking;
use crate::calls::Calls;
use crate::ledger::Ledger;
use crate::staging::PrivateCopy;

/// How long past its deadline a handler's call may take to say that it passed.
const GRACE: Duration = Duration::from_millis(500);

/// Asks the library what it is, in a worker of its own that ends with the answer.
///
/// Blocks for at most twice `policy.init`. The host offers it nothing.
///
/// # Errors
///
/// Refuses a library that does not load, crashes, hangs, or describes what breaks a rule.
pub fn describe(
    command: &WorkerCommand,
    library: &Path,
    policy: &Policy,
) -> Result<Description, Refusal> {
    let label = library.file_stem().unwrap_or_default().to_string_lossy();
    let ledger = Arc::new(Ledger::bare(&label, policy));
    let spawned = spawn(command, 1, policy, &ledger).map_err(|death| refuse(&death))?;
    let process = Arc::clone(&spawned.process);
    let described = process.watched(|| asked(spawned, library, policy));
    process.end();
    described.unwrap_or_else(|error| {
        let message = format!("no worker could be watched: {error}");
        Err(refuse(&Death::new(CallErrorKind::Overloaded, message)))
    })
}

fn refuse(death: &Death) -> Refusal {
    Refusal::new(Reason::Describe, format!("describe: {death}"))
}

fn asked(spawned: Spawned, library: &Path, policy: &Policy) -> Result<Description, Refusal> {
    let within = || Instant::now() + policy.init;
    let mut started = spawned.load(library, policy, within()).map_err(|failed| {
        let Failed { refusal, kind } = failed;
        // That the library does not open has a reason of its own.
        if refusal.reason == Reason::Init {
            return refuse(&Death::new(kind, refusal.message));
        }
        refusal
    })?;
    let failed = |kind, message: String| refuse(&Death::new(kind, message));
    let Some(lane) = started.lanes.first_mut() else {
        return Err(failed(CallErrorKind::Internal, "no lane".into()));
    };
    let asked = Ask { op: Op::Describe, index: 0, meta: &[], body: &[] };
    let answer = ask(lane, asked, &NoHost, output_limit(policy), within());
    let answer = answer.map_err(|error| match error {
        LaneError::Ended => refuse(&started.process.end_early()),
        LaneError::Late | LaneError::Waiting | LaneError::Unsent => {
            let message = format!("did not answer within {:?}", policy.init);
            failed(CallErrorKind::Deadline, message)
        }
        error => refuse(&broke(&error)),
    })?;
    let answer = answer.answer().map_err(|error| failed(CallErrorKind::Internal, error.message));
    crate::describe::read(&answer?.body)
}

/// A started plugin whose library is loaded in a worker, never here.
///
/// Of its policy, `instances` bounds the calls at once, `queue` those that wait, `total_memory`
/// the worker's memory, `output` an answer, `deadline` a call, `init` each step of the life, and
/// `logs` and `host_calls` how often it uses the host; `grants` open its worker. The rest is about
/// instances of WebAssembly: native code has no linear memory, and its CPU time is bounded by
/// the deadline alone.
pub struct ProcessPlugin {
    supervisor: Arc<Supervisor>,
    description: Arc<Description>,
    tokio: Handle,
    /// Ends once the plugin is stopped and its worker reaped.
    thread: Mutex<Option<JoinHandle<()>>>,
    /// What every new worker loads: in use as long as the plugin is.
    copy: Option<PrivateCopy>,
}

impl ProcessPlugin {
    /// Starts a worker for `library`, makes the instance, and asks it whether it can serve. When it
    /// dies, `rules` say when there may be another.
    /// Handlers run on `tokio`'s threads for blocking work.
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
                // Nobody may wait for it any more.
                move || supervisor.run(|outcome| drop(send.send(outcome)))
            })
            .map_err(|error| Refusal::new(Reason::Init, format!("no supervisor: {error}")))?;
        let gone = || Refusal::new(Reason::Init, "the supervisor of the worker panicked");
        first.recv().map_err(|_| gone())??;
        Ok(Self {
            supervisor,
            description: start.description,
            tokio,
            thread: Mutex::new(Some(thread)),
            copy: None,
        })
    }

    /// Keeps the copy in use that its library is.
    pub(crate) fn keep(mut self, copy: PrivateCopy) -> Self {
        self.copy = Some(copy);
        self
    }

    /// How its worker is now, and what that gave up.
    #[must_use]
    pub fn state(&self) -> WorkerState {
        self.supervisor.state()
    }

    fn stop(&self, graceful: Option<Duration>) {
        self.supervisor.stop(graceful);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // A panic of it was printed.
            drop(thread.join());
        }
    }
}

/// How many calls at once a worker serves: more threads than cores can use gain nothing.
fn lanes(policy: &Policy) -> usize {
    let cores = thread::available_parallelism().map_or(4, std::num::NonZero::get);
    let wanted = usize::try_from(policy.instances).unwrap_or(usize::MAX);
    wanted.min(cores.saturating_mul(2)).clamp(1, MAX_LANES)
}

impl Plugin for ProcessPlugin {
    fn provide(&self, capability: u32) -> Option<Provider> {
        let described = self.description.capabilities.get(capability as usize)?;
        let (supervisor, tokio) = (Arc::clone(&self.supervisor), self.tokio.clone());
        let calls = ProcessCalls { supervisor, tokio, capability };
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
        let host = Calls::outside(&self.supervisor.ledger);
        let asked = Ask { op: Op::Health, index: 0, meta: &[], body: &[] };
        // To answer late is no reason to end: whoever asks counts it, and decides.
        let own = within.max(self.supervisor.spec.policy.init);
        let until = Until::within(own).but_for_the_caller(within);
        let _place = self.supervisor.bulkhead.enter(until.deadline)?;
        self.supervisor.call(asked, &host, until).map(drop)
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

/// One capability.
#[derive(Clone)]
struct ProcessCalls {
    supervisor: Arc<Supervisor>,
    tokio: Handle,
    capability: u32,
}

impl ProcessCalls {
    fn convert(&self, op: Op, context: &Context<'_>, body: &[u8]) -> Result<Vec<u8>, CallError> {
        let until = Until::of(context, self.supervisor.spec.policy.deadline);
        let _place = self.supervisor.bulkhead.enter(until.deadline)?;
        self.convert_by(op, context, body, until)
    }

    /// For whoever has a place.
    fn convert_by(
        &self,
        op: Op,
        context: &Context<'_>,
        body: &[u8],
        until: Until,
    ) -> Result<Vec<u8>, CallError> {
        let supervisor = &self.supervisor;
        let host = Calls::during(&supervisor.ledger, &context.until(until.deadline));
        let asked = Ask { op, index: self.capability, meta: &[], body };
        Ok(host.outcome(supervisor.call(asked, &host, until))?.body)
    }

    fn convert_async<'a>(&self, op: Op, context: Context<'a>, body: Vec<u8>) -> CodecFuture<'a> {
        let calls = self.clone();
        self.blocking().call(context, move |context, deadline| {
            let own = Until::by(calls.supervisor.spec.policy.deadline, deadline);
            let until = own.or_sooner(context.deadline());
            calls.convert_by(op, context, &body, until)
        })
    }

    /// Where calls that nobody lends a thread are made. A lane blocks its caller and keeps the
    /// deadline; the grace is for the case that no thread is to be had.
    fn blocking(&self) -> Blocking {
        Blocking {
            tokio: self.tokio.clone(),
            bulkhead: Arc::clone(&self.supervisor.bulkhead),
            deadline: self.supervisor.spec.policy.deadline,
            grace: GRACE,
        }
    }
}

impl CodecCall for ProcessCalls {
    fn encode(&self, context: &Context<'_>, document: &[u8]) -> Result<Vec<u8>, CallError> {
        self.convert(Op::Encode, context, document)
    }

    fn decode(&self, context: &Context<'_>, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        self.convert(Op::Decode, context, bytes)
    }

    fn encode_async<'a>(&'a self, context: Context<'a>, document: Vec<u8>) -> CodecFuture<'a> {
        self.convert_async(Op::Encode, context, document)
    }

    fn decode_async<'a>(&'a self, context: Context<'a>, bytes: Vec<u8>) -> CodecFuture<'a> {
        self.convert_async(Op::Decode, context, bytes)
    }
}

impl HandlerCall for ProcessCalls {
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
    let host = Calls::during(&supervisor.ledger, &context.until(deadline));
    let sent = Sent {
        method: &request.method,
        path: &request.path,
        query: request.query.as_deref(),
        params: request.params.iter().map(|(name, value)| (&**name, &**value)).collect(),
        headers: request.headers.iter().map(|(name, value)| (&**name, &**value)).collect(),
    };
    let meta = meta(&sent).map_err(|error| failed(CallErrorKind::Internal, error.to_string()))?;
    let asked = Ask { op: Op::Handle, index: capability, meta: &meta, body: &request.body };
    let until = Until::by(supervisor.spec.policy.deadline, deadline).or_sooner(context.deadline());
    let frame = host.outcome(supervisor.call(asked, &host, until))?;
    let headers: Result<Vec<(String, Vec<u8>)>, LaneError> = frame.read();
    let headers = headers.map_err(|error| failed(CallErrorKind::Contract, error.to_string()))?;
    let response = Response { status: frame.head.code, headers, body: frame.body };
    response.check().map_err(|error| error.of(label))?;
    Ok(response)
}
