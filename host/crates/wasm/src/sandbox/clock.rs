//! The limits of CPU time and wall time of one call, and its cancellation by the caller.
//!
//! On the caller's stack, no clock is read before the first tick, or before the guest asks for the time that is
//! left, so that a call which returns earlier pays for none. Each tick then checks both limits, and the cancellation.
//!
//! What the calls of a plugin have used altogether is a figure for its operator. A call on a fiber counts with the
//! time of its polls, and one that saw a tick with its CPU time. Of the others, which end within a millisecond,
//! one in [`SAMPLE`] is timed, and counts for as many.

use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind, Cancel, Context, Durations, rounded};

use super::meter::{self, Measure};
use crate::ticker::TICK;

/// A limit of CPU time is near when the wall time of the polls is one part of the limit in this many.
const NEAR: u32 = 8;
/// One in this many short calls on the caller's stack is timed.
pub(crate) const SAMPLE: u32 = Durations::SAMPLE;

/// The limits of one call, and the CPU time that it has used.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// When the call began on a fiber; `None` for a call on the caller's stack.
    began: Option<Instant>,
    cpu: Duration,
    used: Duration,
    /// Wall time of the polls of a call on a fiber, as long as no limit is near.
    polled: Duration,
    /// CPU time of the thread at the last tick of a call on the caller's stack.
    seen: Option<Duration>,
    /// When a call began that is timed to estimate the time of others.
    sampled: Option<Instant>,
    /// Wall time that the call may take, counted from the first time that a clock is read.
    wall: Duration,
    /// The call's deadline; `None` if no clock was read for it yet.
    ends: Option<Instant>,
    /// Whether `ends` includes `wall`.
    settled: bool,
    cancel: Option<Cancel>,
    stopped: Option<Stop>,
}

/// The time that one call, or one step of an instance's lifecycle, may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// CPU time.
    pub(crate) cpu: Duration,
    /// Wall time, counted from the first time that a clock is read.
    pub(crate) wall: Duration,
    /// The deadline, if a clock was read for it.
    pub(crate) ends: Option<Instant>,
}

impl Allowance {
    /// A step of an instance's lifecycle may take `within`, and must end by `ends`.
    pub(crate) fn step(within: Duration, ends: Option<Instant>) -> Self {
        let own = Instant::now().checked_add(within);
        Self { cpu: within, wall: within, ends: own.into_iter().chain(ends).min() }
    }

    /// Whether the deadline has passed.
    pub(crate) fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| Instant::now() >= ends)
    }
}

/// What a guest does at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tick {
    /// It ends: its time is over, or its caller has cancelled the call.
    Stop,
    Continue,
    /// It lets other tasks run. Only a guest on a fiber does.
    Yield,
}

/// Why a guest was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Cpu,
    Deadline,
    Cancelled,
}

impl Clock {
    /// Begins a call.
    #[inline]
    pub(crate) fn begin(&mut self, allowed: Allowance, on_fiber: bool) {
        let Allowance { cpu, wall, ends } = allowed;
        self.began = on_fiber.then(Instant::now);
        self.cpu = cpu;
        self.used = Duration::ZERO;
        self.polled = Duration::ZERO;
        self.seen = None;
        self.sampled = None;
        self.wall = wall;
        self.ends = ends;
        self.settled = false;
        self.cancel = None;
        self.stopped = None;
    }

    /// Times a call on the caller's stack, for [`Clock::spent`].
    #[cold]
    pub(crate) fn sample(&mut self) {
        self.sampled = Some(Instant::now());
    }

    /// Charges a call on a fiber for its time since the last tick. Called within its last poll.
    pub(crate) fn charge_rest(&mut self) {
        self.used = self.used.saturating_add(self.take_cpu_time());
    }

    /// The time that a call which ends counts for in the plugin's CPU time. For most short calls on the
    /// caller's stack this is zero, and for a few that of many.
    #[inline]
    pub(crate) fn spent(&mut self) -> Duration {
        if self.began.is_none() && self.seen.is_none() && self.sampled.is_none() {
            return Duration::ZERO;
        }
        self.measured()
    }

    #[cold]
    fn measured(&mut self) -> Duration {
        if self.began.is_some() {
            self.used.saturating_add(self.polled)
        } else if self.seen.is_some() {
            self.used.saturating_add(self.take_cpu_time())
        } else {
            self.sampled.map_or(Duration::ZERO, |began| began.elapsed().saturating_mul(SAMPLE))
        }
    }

    /// Stops the call at the first tick after its caller has cancelled it.
    #[inline]
    pub(crate) fn set_cancel(&mut self, context: &Context<'_>) {
        if let Some(cancel) = context.cancel() {
            self.cancel = Some(cancel.clone());
        }
    }

    /// The call's deadline, if it is known yet.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// The time until the call's deadline, of which the wall time counts from now on if no clock was read
    /// before; `None` if the clock cannot represent the deadline.
    pub(crate) fn time_left(&mut self) -> Option<Duration> {
        let now = Instant::now();
        self.settle(now);
        self.ends.map(|ends| ends.saturating_duration_since(now))
    }

    /// Sets the deadline by the wall time, unless that was done before.
    fn settle(&mut self, now: Instant) {
        if !std::mem::replace(&mut self.settled, true)
            && let Some(own) = now.checked_add(self.wall)
        {
            self.ends = Some(self.ends.map_or(own, |ends| ends.min(own)));
        }
    }

    /// Checks the limits at a tick.
    pub(crate) fn tick(&mut self) -> Tick {
        let now = Instant::now();
        self.settle(now);
        self.used = self.used.saturating_add(self.take_cpu_time());
        self.stopped = if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
            Some(Stop::Cancelled)
        } else if self.ends.is_some_and(|ends| now >= ends) {
            Some(Stop::Deadline)
        } else if self.used > self.cpu {
            Some(Stop::Cpu)
        } else {
            None
        };
        match (self.stopped, self.began) {
            (Some(_), _) => Tick::Stop,
            (None, None) => Tick::Continue,
            // A tick may come just after a call began, or have come while the instance was idle. Most calls
            // end before the next one.
            (None, Some(began)) if now < began + TICK / 2 => Tick::Continue,
            (None, Some(_)) => Tick::Yield,
        }
    }

    /// Takes the CPU time since the last call of this function, which may be more than a tick ago:
    /// an instruction that copies much memory takes many. On the caller's stack the CPU time before
    /// the first tick is not known, and counts as zero.
    ///
    /// On a fiber, the CPU time is not measured before the wall time of the polls is an eighth of the
    /// limit, and counts as zero until then: reading it is a system call, which most calls need not pay
    /// for. So a call may use an eighth more than its limit.
    fn take_cpu_time(&mut self) -> Duration {
        if self.began.is_some() {
            if self.polled > self.cpu / NEAR {
                return meter::charge(Measure::Cpu).unwrap_or(TICK);
            }
            self.polled += meter::charge(Measure::Wall).unwrap_or(TICK);
            if self.polled > self.cpu / NEAR {
                meter::charge(Measure::Cpu);
            }
            return Duration::ZERO;
        }
        let now = meter::cpu_time();
        self.seen.replace(now).map_or(Duration::ZERO, |seen| now.saturating_sub(seen))
    }

    /// The error of a call that was interrupted.
    pub(crate) fn stop_error(&self) -> CallError {
        let Self { cpu, wall, .. } = self;
        match self.stopped {
            Some(Stop::Cancelled) => cancelled(),
            Some(Stop::Deadline) => deadline_passed(*wall),
            Some(Stop::Cpu) | None => CallError::new(
                CallErrorKind::Cpu,
                format!("expected to finish within {:?} of CPU time", rounded(*cpu)),
            ),
        }
    }
}

/// The error of a call that took longer than `within`.
#[cold]
pub(crate) fn deadline_passed(within: Duration) -> CallError {
    CallError::new(
        CallErrorKind::Deadline,
        format!("expected an answer within {:?}", rounded(within)),
    )
}

/// The error of a call that its caller cancelled.
#[cold]
pub(crate) fn cancelled() -> CallError {
    CallError::new(CallErrorKind::Cancelled, "the caller cancelled the call")
}

/// The result of `work`; `None` if the deadline passes first.
pub(crate) async fn until_deadline<T>(
    ends: Option<Instant>,
    work: impl Future<Output = T>,
) -> Option<T> {
    match ends {
        Some(ends) => tokio::time::timeout_at(ends.into(), work).await.ok(),
        None => Some(work.await),
    }
}
