//! What one call may take of the two clocks, CPU and wall, and whether its caller still waits.
//!
//! Nothing is looked at before the first tick: a call that ends before it costs no look at any
//! clock. After that each tick looks at all of them.

use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind, Cancel, Context};

use super::meter;
use crate::ticker::TICK;

/// What one call may take, and took.
#[derive(Debug, Default)]
pub(crate) struct Clock {
    /// Whether the call is on a fiber.
    on_fiber: bool,
    cpu: Duration,
    used: Duration,
    /// CPU time of the thread at the last tick of a call on the caller's stack.
    seen: Option<Duration>,
    /// What the call may take from its first tick on.
    wall: Duration,
    /// When it must be over, as far as that is known.
    ends: Option<Instant>,
    ticked: bool,
    cancel: Option<Cancel>,
    stopped: Option<Stop>,
}

/// What one call, or one step of an instance's life, is allowed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Allowance {
    /// CPU time.
    pub(crate) cpu: Duration,
    /// Wall time, counted from the first tick on unless `ends` says more.
    pub(crate) wall: Duration,
    /// When it must be over, if a clock was read for it.
    pub(crate) ends: Option<Instant>,
}

impl Allowance {
    /// A step of an instance's life may take so long, and not past `ends`.
    pub(crate) fn step(within: Duration, ends: Option<Instant>) -> Self {
        let own = Instant::now().checked_add(within);
        Self { cpu: within, wall: within, ends: own.into_iter().chain(ends).min() }
    }

    /// Whether it is used up by the clock.
    pub(crate) fn is_over(&self) -> bool {
        self.ends.is_some_and(|ends| Instant::now() >= ends)
    }
}

/// Why a guest was stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    Cpu,
    Late,
    Cancelled,
}

impl Clock {
    /// Begins a call.
    #[inline]
    pub(crate) fn begin(&mut self, allowed: Allowance, on_fiber: bool) {
        let Allowance { cpu, wall, ends } = allowed;
        self.on_fiber = on_fiber;
        self.cpu = cpu;
        self.used = Duration::ZERO;
        self.seen = None;
        self.wall = wall;
        self.ends = ends;
        self.ticked = false;
        self.cancel = None;
        self.stopped = None;
    }

    /// Stops the call soon after its caller cancels it.
    #[inline]
    pub(crate) fn cancelled_by(&mut self, context: &Context<'_>) {
        if let Some(cancel) = context.cancel() {
            self.cancel = Some(cancel.clone());
        }
    }

    /// Whether the call is on a fiber, and so gives way at each tick.
    pub(crate) fn is_on_fiber(&self) -> bool {
        self.on_fiber
    }

    /// When the call must be over, as far as that is known.
    pub(crate) fn ends(&self) -> Option<Instant> {
        self.ends
    }

    /// Whether the call goes on past this tick.
    pub(crate) fn tick(&mut self) -> bool {
        let now = Instant::now();
        if !std::mem::replace(&mut self.ticked, true)
            && let Some(own) = now.checked_add(self.wall)
        {
            self.ends = Some(self.ends.map_or(own, |ends| ends.min(own)));
        }
        self.used = self.used.saturating_add(self.spent());
        self.stopped = if self.cancel.as_ref().is_some_and(Cancel::is_cancelled) {
            Some(Stop::Cancelled)
        } else if self.ends.is_some_and(|ends| now >= ends) {
            Some(Stop::Late)
        } else if self.used > self.cpu {
            Some(Stop::Cpu)
        } else {
            None
        };
        self.stopped.is_none()
    }

    /// The CPU time since the last tick, whatever number of ticks that were: one instruction may
    /// take many, such as a copy of much memory. What came before the first tick of a call on the
    /// caller's stack is not known.
    fn spent(&mut self) -> Duration {
        if self.on_fiber {
            return meter::charge().unwrap_or(TICK);
        }
        let now = meter::cpu_time();
        self.seen.replace(now).map_or(Duration::ZERO, |seen| now.saturating_sub(seen))
    }

    /// Why the guest's call was interrupted.
    pub(crate) fn stop_error(&self) -> CallError {
        let Self { cpu, wall, .. } = self;
        match self.stopped {
            Some(Stop::Cancelled) => cancelled(),
            Some(Stop::Late) => deadline_passed(*wall),
            Some(Stop::Cpu) | None => CallError::new(
                CallErrorKind::Cpu,
                format!("expected to finish within {cpu:?} of CPU time"),
            ),
        }
    }
}

/// The error of a call that took longer than `within`.
#[cold]
pub(crate) fn deadline_passed(within: Duration) -> CallError {
    CallError::new(CallErrorKind::Deadline, format!("expected an answer within {within:?}"))
}

/// The error of a call whose caller has gone.
#[cold]
pub(crate) fn cancelled() -> CallError {
    CallError::new(CallErrorKind::Cancelled, "the caller cancelled the call")
}

/// The result of the work; `None` if the deadline passes first.
pub(crate) async fn until_deadline<T>(
    ends: Option<Instant>,
    work: impl Future<Output = T>,
) -> Option<T> {
    match ends {
        Some(ends) => tokio::time::timeout_at(ends.into(), work).await.ok(),
        None => Some(work.await),
    }
}
