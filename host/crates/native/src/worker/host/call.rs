//! The host's side of one call.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use plugbay_abi::Kind;
use plugbay_abi::host::HostCalls;
use plugbay_core::{CallError, CallErrorKind, Context};

use super::death::Death;
use super::spawn::output_limit;
use super::supervisor::{Supervisor, Taken};
use crate::calls::{Calls, from_guest};
use crate::worker::link::error::LaneError;
use crate::worker::link::lane::Lane;
use crate::worker::link::upcalls::answer;
use crate::worker::link::wire::{Frame, Head, LAST, Op, TOO_LARGE};

/// What is asked of a worker.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) op: Op,
    pub(super) index: u32,
    pub(super) meta: &'a [u8],
    pub(super) body: &'a [u8],
}

/// How long a call may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Until {
    /// As errors say it.
    pub(super) within: Duration,
    /// When its caller goes on.
    pub(super) deadline: Instant,
    /// When the plugin has to have answered, which may be later.
    own: Instant,
}

impl Until {
    /// From now on.
    pub(super) fn within(within: Duration) -> Self {
        Self::by(within, Instant::now() + within)
    }

    /// From some time ago on, so that `within` of it are over at `deadline`.
    pub(super) fn by(within: Duration, deadline: Instant) -> Self {
        Self { within, deadline, own: deadline }
    }

    /// From now on. The caller goes on when `context` says so, if that is sooner.
    pub(super) fn of(context: &Context<'_>, within: Duration) -> Self {
        Self::within(within).or_sooner(context.deadline())
    }

    /// The caller goes on at `deadline`, if there is one and it is sooner.
    pub(super) fn or_sooner(self, deadline: Option<Instant>) -> Self {
        let Some(deadline) = deadline.filter(|deadline| *deadline < self.deadline) else {
            return self;
        };
        let left = deadline.saturating_duration_since(Instant::now());
        // In whole milliseconds, which is as exact as it is kept.
        let millis = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        Self { within: Duration::from_millis(millis), deadline, ..self }
    }

    /// The caller goes on after `within`, if that is sooner.
    pub(super) fn but_for_the_caller(self, within: Duration) -> Self {
        match Self::within(within) {
            sooner if sooner.deadline < self.deadline => Self { own: self.own, ..sooner },
            _ => self,
        }
    }
}

/// Asks, answers what the worker asks in turn, and returns its reply.
pub(super) fn ask(
    lane: &mut Lane,
    ask: Ask<'_>,
    host: &dyn HostCalls,
    limit: usize,
    deadline: Instant,
) -> Result<Frame, LaneError> {
    lane.until(deadline).map_err(|error| match error {
        LaneError::Late => LaneError::Unsent,
        error => error,
    })?;
    lane.send(Head::indexed(ask.op, ask.index), ask.meta, ask.body)?;
    hear(lane, host, limit, deadline)
}

/// Answers what the worker asks, and returns its reply.
fn hear(
    lane: &mut Lane,
    host: &dyn HostCalls,
    limit: usize,
    deadline: Instant,
) -> Result<Frame, LaneError> {
    lane.until(deadline)?;
    let mut frame = Frame::default();
    let mut bound = deadline;
    loop {
        lane.receive(&mut frame, limit)?;
        if frame.head.op == Op::Reply {
            return Ok(frame);
        }
        let asked = Instant::now();
        answer(lane, &frame, host).map_err(|error| match error {
            // It was the worker's question; its call is still under way.
            LaneError::TooLarge { .. } => LaneError::Garbage(error.to_string()),
            error => error,
        })?;
        // The host's own work counts, too; but if another plugin took the time, the worker may
        // still reply, as `answer` allowed. That goes for what it asked in time.
        let now = Instant::now();
        if asked < deadline && now >= deadline {
            bound = lane.deadline().unwrap_or(now);
        }
        lane.until(bound)?;
    }
}

impl Supervisor {
    /// Calls the plugin, for whoever has a place.
    ///
    /// # Errors
    ///
    /// The plugin's own; what [`Supervisor::take`] says; `overloaded` if its deadline passed
    /// before it was made; `crashed`, or what fits better, if the worker ended meanwhile;
    /// `deadline` if there was no answer in time, which ends the worker unless the plugin has more
    /// time than its caller.
    pub(super) fn call(
        self: &Arc<Self>,
        asked: Ask<'_>,
        host: &dyn HostCalls,
        until: Until,
    ) -> Result<Frame, CallError> {
        let limit = output_limit(&self.spec.policy);
        let mut call = Call { supervisor: self, taken: Some(self.take(until.deadline)?) };
        let Some(Taken { lane, epoch }) = &mut call.taken else { return Err(call.panicked()) };
        let epoch = *epoch;
        match ask(lane, asked, host, limit, until.deadline) {
            Ok(frame) if is_last(&frame) => {
                call.taken = None;
                let error = self.reply(frame);
                let why = error.as_ref().err().map(CallError::message).unwrap_or_default();
                let message = format!("the worker was ended: {why}");
                self.doom(epoch, Death::new(CallErrorKind::Crashed, message));
                error
            }
            Ok(frame) => {
                call.put_back();
                self.reply(frame)
            }
            Err(LaneError::Waiting) if until.own > Instant::now() => {
                if let Some(taken) = call.taken.take() {
                    self.linger(taken, until);
                }
                let message = format!("did not answer within {:?}", until.within);
                let error = CallError::new(CallErrorKind::Deadline, message);
                Err(error.of(self.spec.identity.label()))
            }
            Err(error) => {
                if matches!(error, LaneError::TooLarge { .. } | LaneError::Unsent) {
                    call.put_back();
                }
                call.taken = None;
                Err(self.failed(&error, epoch, until))
            }
        }
    }

    /// Waits for an answer that nobody wants any more, as long as the plugin may take: that its
    /// caller had little time is no reason to end the worker.
    fn linger(self: &Arc<Self>, taken: Taken, until: Until) {
        let (supervisor, epoch) = (Arc::clone(self), taken.epoch);
        let waits = thread::Builder::new().name("worker-late".into()).spawn(move || {
            let mut call = Call { supervisor: &supervisor, taken: Some(taken) };
            let Some(Taken { lane, .. }) = &mut call.taken else { return };
            let host = Calls::outside(&supervisor.ledger);
            let limit = output_limit(&supervisor.spec.policy);
            match hear(lane, &host, limit, until.own) {
                Ok(frame) if !is_last(&frame) => call.put_back(),
                Ok(_) => {}
                Err(error) => {
                    call.taken = None;
                    let within = supervisor.spec.policy.deadline;
                    supervisor.failed(&error, epoch, Until { within, ..until });
                }
            }
        });
        if let Err(error) = waits {
            let message = format!("the worker was ended: nobody could wait for it: {error}");
            self.doom(epoch, Death::new(CallErrorKind::Overloaded, message));
        }
    }

    fn reply(&self, frame: Frame) -> Result<Frame, CallError> {
        let code = frame.head.code;
        let label = self.spec.identity.label();
        frame.answer().map_err(|error| {
            if code == TOO_LARGE {
                return CallError::new(CallErrorKind::Output, error.message).of(label);
            }
            if error.kind == Kind::Panicked && code != LAST {
                // The worker has made a new instance.
                self.discarded.fetch_add(1, Ordering::Relaxed);
                self.instantiations.fetch_add(1, Ordering::Relaxed);
            }
            from_guest(error, label)
        })
    }

    /// What became of a call whose lane broke.
    fn failed(&self, error: &LaneError, epoch: u64, until: Until) -> CallError {
        let own = match error {
            LaneError::Ended => match self.death(epoch, until.deadline) {
                // That was another call; this one was made.
                death if death.is_shortage() => Death::new(CallErrorKind::Crashed, death.message),
                death => death,
            },
            LaneError::TooLarge { .. } => {
                Death::new(CallErrorKind::InvalidInput, error.to_string())
            }
            LaneError::Unsent => return self.bulkhead.overloaded(error.to_string()),
            LaneError::Late | LaneError::Waiting => {
                let within = until.within;
                let other =
                    format!("the worker was killed: another call did not answer within {within:?}");
                self.doom(epoch, Death::new(CallErrorKind::Crashed, other));
                let message = format!("did not answer within {within:?} and was killed");
                Death::new(CallErrorKind::Deadline, message)
            }
            LaneError::System(error) => {
                let message = format!("the system does not carry the call: {error}");
                let ended = format!("the worker was ended: {message}");
                self.doom(epoch, Death::new(CallErrorKind::Overloaded, ended));
                return self.bulkhead.overloaded(message);
            }
            LaneError::Garbage(_) => {
                let message = format!("the worker broke the protocol and was killed: {error}");
                self.doom(epoch, Death::new(CallErrorKind::Contract, message.clone()));
                Death::new(CallErrorKind::Contract, message)
            }
        };
        CallError::new(own.kind, own.message).of(self.spec.identity.label())
    }
}

/// Whether the plugin cannot go on after this reply.
fn is_last(frame: &Frame) -> bool {
    frame.head.code == LAST && frame.head.status != 0
}

/// A call in flight. If it is dropped with its lane, because something of the host panicked, a
/// log's subscriber say, the worker may still wait on it: it is killed.
struct Call<'a> {
    supervisor: &'a Supervisor,
    taken: Option<Taken>,
}

impl Call<'_> {
    fn put_back(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.supervisor.put(taken);
        }
    }

    fn panicked(&self) -> CallError {
        let error = CallError::new(CallErrorKind::Internal, "expected a lane, found none");
        error.of(self.supervisor.spec.identity.label())
    }
}

impl Drop for Call<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            let message = "the worker was killed: the host gave up in the middle of a call";
            self.supervisor.doom(taken.epoch, Death::new(CallErrorKind::Crashed, message));
        }
    }
}
