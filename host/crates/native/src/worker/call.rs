//! The host's side of one call.

use std::sync::atomic::Ordering;
use std::time::Instant;

use plugbay_abi::Kind;
use plugbay_abi::host::HostCalls;
use plugbay_core::{CallError, CallErrorKind};

use super::lane::{Lane, LaneError};
use super::process::{Death, output_limit};
use super::supervisor::{Supervisor, Taken};
use super::upcalls::answer;
use super::wire::{Frame, Head, Op, TOO_LARGE};
use crate::calls::from_guest;

/// What is asked of a worker.
#[derive(Clone, Copy)]
pub(super) struct Ask<'a> {
    pub(super) op: Op,
    pub(super) index: u32,
    pub(super) meta: &'a [u8],
    pub(super) body: &'a [u8],
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
    let mut frame = Frame::default();
    loop {
        lane.receive(&mut frame, limit)?;
        if frame.head.op == Op::Reply {
            return Ok(frame);
        }
        answer(lane, &frame, host).map_err(|error| match error {
            // It was the worker's question; its call is still under way.
            LaneError::TooLarge { .. } => LaneError::Garbage(error.to_string()),
            error => error,
        })?;
        // The host's own work counts, too.
        lane.in_time()?;
    }
}

impl Supervisor {
    /// Calls the plugin, for whoever has a place.
    ///
    /// # Errors
    ///
    /// The plugin's own; what [`Supervisor::take`] says; `overloaded` if its deadline passed
    /// before it was made; `crashed`, or what fits better, if the worker ended meanwhile;
    /// `deadline` if there was no answer in time, which ends it.
    pub(super) fn call(
        &self,
        asked: Ask<'_>,
        host: &dyn HostCalls,
        deadline: Instant,
    ) -> Result<Frame, CallError> {
        let limit = output_limit(&self.spec.policy);
        let mut call = Call { supervisor: self, taken: Some(self.take(deadline)?) };
        let Some(Taken { lane, epoch }) = &mut call.taken else { return Err(call.panicked()) };
        let epoch = *epoch;
        match ask(lane, asked, host, limit, deadline) {
            Ok(frame) => {
                call.put_back();
                self.reply(frame)
            }
            Err(error) => {
                if matches!(error, LaneError::TooLarge { .. } | LaneError::Unsent) {
                    call.put_back();
                }
                call.taken = None;
                Err(self.failed(&error, epoch))
            }
        }
    }

    fn reply(&self, frame: Frame) -> Result<Frame, CallError> {
        let code = frame.head.code;
        let label = self.spec.identity.label();
        frame.answer().map_err(|error| {
            if code == TOO_LARGE {
                return CallError::new(CallErrorKind::Output, error.message).of(label);
            }
            if error.kind == Kind::Panicked {
                // The worker has made a new instance.
                self.discarded.fetch_add(1, Ordering::Relaxed);
                self.instantiations.fetch_add(1, Ordering::Relaxed);
            }
            from_guest(error, label)
        })
    }

    /// What became of a call whose lane broke.
    fn failed(&self, error: &LaneError, epoch: u64) -> CallError {
        let own = match error {
            LaneError::Ended => self.death(epoch),
            LaneError::TooLarge { .. } => {
                Death::new(CallErrorKind::InvalidInput, error.to_string())
            }
            LaneError::Unsent => return self.bulkhead.overloaded(error.to_string()),
            LaneError::Late => {
                let within = self.spec.policy.deadline;
                let other =
                    format!("the worker was killed: another call did not answer within {within:?}");
                self.doom(epoch, Death::new(CallErrorKind::Crashed, other));
                let message = format!("did not answer within {within:?} and was killed");
                Death::new(CallErrorKind::Deadline, message)
            }
            LaneError::Garbage(_) | LaneError::System(_) => {
                let message = format!("the worker broke the protocol and was killed: {error}");
                self.doom(epoch, Death::new(CallErrorKind::Contract, message.clone()));
                Death::new(CallErrorKind::Contract, message)
            }
        };
        CallError::new(own.kind, own.message).of(self.spec.identity.label())
    }
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
