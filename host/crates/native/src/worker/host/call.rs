//! One call of a worker, from the taking of a lane to the reply.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Instant;

use plugbay_abi::ErrorKind;
use plugbay_abi::host::HostCalls;
use plugbay_core::{CallError, CallErrorKind, Context, rounded};

use super::deadline::CallDeadline;
use super::death::Death;
use super::serving::InService;
use super::spawn::output_limit;
use super::supervisor::{Supervisor, TakenLane};
use crate::call_host::{CallHost, from_guest};
use crate::worker::link::error::LaneError;
use crate::worker::link::lane::Lane;
use crate::worker::link::upcalls::answer;
use crate::worker::link::wire::{Frame, Head, LAST, Op, TOO_LARGE};

/// The function that a worker is to call, and its arguments.
#[derive(Clone, Copy)]
pub(super) struct CallRequest<'a> {
    pub(super) head: Head,
    pub(super) meta: &'a [u8],
    pub(super) body: &'a [u8],
}

/// Sends a request, serves what the plugin asks of the host meanwhile, and returns the reply.
pub(super) fn exchange(
    lane: &mut Lane,
    request: CallRequest<'_>,
    host: &dyn HostCalls,
    limit: usize,
    deadline: Instant,
) -> Result<Frame, LaneError> {
    lane.set_deadline(deadline).map_err(|error| match error {
        LaneError::Late => LaneError::NotSent,
        error => error,
    })?;
    lane.send(request.head, request.meta, request.body)?;
    await_reply(lane, host, limit, deadline)
}

/// Serves what the plugin asks of the host, and returns the reply.
fn await_reply(
    lane: &mut Lane,
    host: &dyn HostCalls,
    limit: usize,
    deadline: Instant,
) -> Result<Frame, LaneError> {
    lane.set_deadline(deadline)?;
    let mut frame = Frame::default();
    let mut bound = deadline;
    loop {
        lane.receive(&mut frame, limit)?;
        if frame.head.op == Op::Reply {
            return Ok(frame);
        }
        let asked = Instant::now();
        answer(lane, &frame, host).map_err(|error| match error {
            // The frame was the host's answer, not the request: the call is still under way.
            LaneError::TooLarge { .. } => LaneError::Protocol(error.to_string()),
            error => error,
        })?;
        // The deadline goes on while the host works. But if another plugin used up the time of
        // something that was asked before the deadline, the worker may still reply within the
        // extended deadline that `answer` set.
        let now = Instant::now();
        if asked < deadline && now >= deadline {
            bound = lane.deadline().unwrap_or(now);
        }
        lane.set_deadline(bound)?;
    }
}

impl Supervisor {
    /// Calls the plugin, for the call in `context` if there is one. The caller has a place of the bulkhead.
    ///
    /// # Errors
    ///
    /// The plugin's own error; the errors of [`Supervisor::take`]; `overloaded` if the deadline
    /// passed before the request was sent; `crashed`, or a kind that says more, if the worker ended
    /// meanwhile; `deadline` if there was no reply in time, which kills the worker unless the plugin
    /// has more time than its caller.
    pub(super) fn call(
        self: &Arc<Self>,
        request: CallRequest<'_>,
        host: &dyn HostCalls,
        context: Option<&Context<'_>>,
        until: CallDeadline,
    ) -> Result<Frame, CallError> {
        let limit = output_limit(&self.spec.policy);
        let taken = Some(self.take(until.caller)?);
        let mut in_service = Some(self.serving.begin(context));
        let mut call = InFlight { supervisor: self, taken };
        let Some(TakenLane { lane, epoch }) = &mut call.taken else { return Err(call.no_lane()) };
        let epoch = *epoch;
        match exchange(lane, request, host, limit, until.caller) {
            Ok(frame) if is_last(&frame) => {
                call.taken = None;
                let error = self.reply(frame);
                let why = error.as_ref().err().map(CallError::message).unwrap_or_default();
                let message = format!("the worker was killed: {why}");
                self.kill(epoch, Death::new(CallErrorKind::Crashed, message));
                error
            }
            Ok(frame) => {
                call.put_back();
                self.reply(frame)
            }
            Err(LaneError::NoReply) if until.plugin > Instant::now() => {
                if let Some(taken) = call.taken.take() {
                    self.await_late_reply(taken, in_service.take(), until);
                }
                let message = format!("did not answer within {:?}", rounded(until.within));
                let error = CallError::new(CallErrorKind::Deadline, message);
                Err(error.of(self.spec.identity.label()))
            }
            Err(error) => {
                if matches!(error, LaneError::TooLarge { .. } | LaneError::NotSent) {
                    call.put_back();
                }
                call.taken = None;
                Err(self.failed(&error, epoch, until))
            }
        }
    }

    /// Waits on another thread for the reply of a call whose caller has gone, as long as the plugin
    /// may take: a caller with little time is no reason to kill the worker.
    fn await_late_reply(
        self: &Arc<Self>,
        taken: TakenLane,
        in_service: Option<InService>,
        until: CallDeadline,
    ) {
        let (supervisor, epoch) = (Arc::clone(self), taken.epoch);
        let waits = thread::Builder::new().name("worker-late".into()).spawn(move || {
            let _in_service = in_service;
            let mut call = InFlight { supervisor: &supervisor, taken: Some(taken) };
            let Some(TakenLane { lane, .. }) = &mut call.taken else { return };
            let host = CallHost::outside(&supervisor.ledger);
            let limit = output_limit(&supervisor.spec.policy);
            match await_reply(lane, &host, limit, until.plugin) {
                Ok(frame) if !is_last(&frame) => call.put_back(),
                Ok(_) => {}
                Err(error) => {
                    call.taken = None;
                    let within = supervisor.spec.policy.deadline;
                    supervisor.failed(&error, epoch, CallDeadline { within, ..until });
                }
            }
        });
        if let Err(error) = waits {
            let message =
                format!("the worker was killed: no thread could wait for its reply: {error}");
            self.kill(epoch, Death::new(CallErrorKind::Overloaded, message));
        }
    }

    fn reply(&self, frame: Frame) -> Result<Frame, CallError> {
        let code = frame.head.code;
        let label = self.spec.identity.label();
        frame.into_result().map_err(|error| {
            if code == TOO_LARGE {
                return CallError::new(CallErrorKind::Output, error.message)
                    .of(label)
                    .by_input(true);
            }
            if error.kind == ErrorKind::Panicked && code != LAST {
                // The worker has made a new instance.
                self.discarded.fetch_add(1, Ordering::Relaxed);
                self.instantiations.fetch_add(1, Ordering::Relaxed);
            }
            from_guest(error, label)
        })
    }

    /// The error of a call whose lane failed. Kills the worker where it cannot go on.
    fn failed(&self, error: &LaneError, epoch: u64, until: CallDeadline) -> CallError {
        let own = match error {
            LaneError::Closed => match self.wait_for_death(epoch, until.caller) {
                // The shortage was another call's; this call did reach the worker.
                death if death.is_shortage() => Death::new(CallErrorKind::Crashed, death.message),
                death => death,
            },
            LaneError::TooLarge { .. } => {
                Death::new(CallErrorKind::InvalidInput, error.to_string())
            }
            LaneError::NotSent => return self.bulkhead.overloaded(error.to_string()),
            LaneError::Late | LaneError::NoReply => {
                let within = rounded(until.within);
                let other =
                    format!("the worker was killed: another call did not answer within {within:?}");
                self.kill(epoch, Death::new(CallErrorKind::Crashed, other));
                let message = format!("did not answer within {within:?} and was killed");
                Death::new(CallErrorKind::Deadline, message)
            }
            LaneError::System(error) => {
                let message = format!("the system failed to carry the call: {error}");
                let ended = format!("the worker was killed: {message}");
                self.kill(epoch, Death::new(CallErrorKind::Overloaded, ended));
                return self.bulkhead.overloaded(message);
            }
            LaneError::Protocol(_) => {
                let message = format!("the worker broke the protocol and was killed: {error}");
                self.kill(epoch, Death::new(CallErrorKind::Contract, message.clone()));
                Death::new(CallErrorKind::Contract, message)
            }
        };
        CallError::new(own.kind, own.message).of(self.spec.identity.label())
    }
}

/// Whether the reply says that the worker cannot serve another call.
fn is_last(frame: &Frame) -> bool {
    frame.head.code == LAST && frame.head.status != 0
}

/// A call in flight. Dropped with its lane, because the host panicked (in a subscriber of the log,
/// say), it kills the worker, which may still be waiting on the lane.
struct InFlight<'a> {
    supervisor: &'a Supervisor,
    taken: Option<TakenLane>,
}

impl InFlight<'_> {
    fn put_back(&mut self) {
        if let Some(taken) = self.taken.take() {
            self.supervisor.put(taken);
        }
    }

    fn no_lane(&self) -> CallError {
        let error = CallError::new(CallErrorKind::Internal, "expected a lane, found none");
        error.of(self.supervisor.spec.identity.label())
    }
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        if let Some(taken) = self.taken.take() {
            let message = "the worker was killed: the host panicked in the middle of a call";
            self.supervisor.kill(taken.epoch, Death::new(CallErrorKind::Crashed, message));
        }
    }
}
