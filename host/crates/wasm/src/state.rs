//! What a store carries beside the instance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{Context, GuestMetrics, OwnedContext, Policy};
use wasmtime::UpdateDeadline;

use crate::limits::{Budget, Limits};
use crate::sandbox::{Sandbox, TooManyHostCalls};
use crate::ticker::TICK;
use crate::wasi::Wasi;

/// The data of every store: who the instance belongs to, its limits, and the host's
/// services for the length of a call.
pub struct State {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<GuestMetrics>,
    /// Present during a call, if the plugin imports `codecs`.
    pub(crate) context: Option<OwnedContext>,
    /// Ticks that are left of the CPU budget after the current deadline.
    pub(crate) ticks_left: u64,
    /// What the call may take by the clock. Lifecycle functions cannot wait where this counts,
    /// and are bounded by their ticks alone.
    pub(crate) wall: Duration,
    /// When the first tick of the call came. No call looks at a clock before it.
    first_tick: Option<Instant>,
    /// CPU time of the thread at the last tick.
    spent: Option<Duration>,
    /// Whether another plugin was called since then, whose CPU time is its own.
    pub(crate) called_others: bool,
    /// Whether the call was stopped by the clock.
    pub(crate) late: bool,
    /// Whether the call runs on a fiber, and so gives way at each tick.
    pub(crate) on_fiber: bool,
    /// The message of the guest's panic hook.
    pub(crate) panic: Option<String>,
    /// The call of the host that was one too many.
    pub(crate) excess: Option<TooManyHostCalls>,
    /// Present if the plugin imports WASI.
    pub(crate) wasi: Option<Box<Wasi>>,
}

impl State {
    pub(crate) fn new(
        sandbox: Arc<Sandbox>,
        budget: Arc<Budget>,
        policy: &Policy,
        metrics: Arc<GuestMetrics>,
        wasi: Option<Box<Wasi>>,
    ) -> Self {
        Self {
            sandbox,
            limits: Limits::new(budget, policy.memory, policy.tables),
            metrics,
            context: None,
            ticks_left: 0,
            wall: Duration::ZERO,
            first_tick: None,
            spent: None,
            called_others: false,
            late: false,
            on_fiber: false,
            panic: None,
            excess: None,
            wasi,
        }
    }

    /// Bytes of linear memory that the instance has.
    pub(crate) fn memory(&self) -> u64 {
        self.limits.held()
    }

    /// Begins a call: sets what it may use, and forgets what earlier ones noted for
    /// [`fault`](crate::fault::fault). A memory refusal that the guest got over, or a line that
    /// looked like a panic's, explains no later trap.
    #[inline]
    pub(crate) fn begin(&mut self, ticks: u64, wall: Duration, on_fiber: bool) {
        self.ticks_left = ticks;
        self.wall = wall;
        self.first_tick = None;
        self.spent = None;
        self.on_fiber = on_fiber;
        if self.panic.is_some() || self.limits.was_refused() {
            self.panic = None;
            self.limits.take_refused();
        }
    }

    /// How many ticks of CPU time went by since the last one. One instruction may take many, such
    /// as a copy of much memory, and brings one deadline all the same.
    fn ticks_spent(&mut self) -> u64 {
        let now = thread_cpu_time();
        let before = self.spent.replace(now);
        let before = before.filter(|_| !std::mem::take(&mut self.called_others));
        let spent = before.map_or(Duration::ZERO, |before| now.saturating_sub(before));
        u64::try_from(spent.as_nanos() / TICK.as_nanos()).unwrap_or(u64::MAX).max(1)
    }

    /// Ends a call on a fiber: writes what the plugin printed without a line's end.
    ///
    /// # Errors
    ///
    /// If a call of the host was one too many, and the guest returned before it was stopped.
    pub(crate) fn end(&mut self) -> wasmtime::Result<()> {
        if let Some(wasi) = &self.wasi {
            wasi.flush();
        }
        self.excess.map_or(Ok(()), |excess| Err(excess.into()))
    }

    /// Counts a call of the host.
    ///
    /// # Errors
    ///
    /// If it is one too many. Returned to the guest as a trap, it ends its call.
    #[inline]
    pub(crate) fn host_call(&mut self) -> wasmtime::Result<()> {
        self.sandbox.host_call().map_err(|excess| {
            self.excess = Some(excess);
            excess.into()
        })
    }

    /// Lends the caller's services for the length of a call.
    pub(crate) fn lend(&mut self, context: &Context<'_>) {
        self.context = Some(context.to_owned());
    }

    /// What happens at each epoch deadline, which is never more than a tick away, and may be
    /// one that passed while the instance was idle: the budget shrinks by a tick, and a guest
    /// on a fiber gives way to other tasks. Ticks that pass while the guest waits for the host
    /// bring one deadline between them, so that waiting costs next to no CPU budget.
    ///
    /// # Errors
    ///
    /// If a call of the host was one too many, and did not end the guest's call itself.
    pub(crate) fn tick(&mut self) -> wasmtime::Result<UpdateDeadline> {
        if let Some(excess) = self.excess {
            return Err(excess.into());
        }
        if self.ticks_left == 0 {
            return Ok(UpdateDeadline::Interrupt);
        }
        let mut ticks = 1;
        if !self.on_fiber {
            let now = Instant::now();
            let since = now - *self.first_tick.get_or_insert(now);
            if since > self.wall {
                self.late = true;
                return Ok(UpdateDeadline::Interrupt);
            }
            ticks = self.ticks_spent();
        }
        self.ticks_left = self.ticks_left.saturating_sub(ticks);
        Ok(if self.on_fiber { UpdateDeadline::Yield(1) } else { UpdateDeadline::Continue(1) })
    }
}

/// The CPU time that this thread has used.
#[cfg(unix)]
fn thread_cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Where no clock says it, each tick counts as one.
#[cfg(not(unix))]
fn thread_cpu_time() -> Duration {
    Duration::ZERO
}
