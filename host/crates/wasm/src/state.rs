//! What a store carries beside the instance.

use std::sync::Arc;

use plugbay_core::{Context, GuestMetrics, Identity, Services};
use wasmtime::UpdateDeadline;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxBuilder, WasiCtxView, WasiView};

use crate::limits::{Budget, Limits};

/// The data of every store: who the instance belongs to, its limits, and the host's
/// services for the length of a call.
pub struct State {
    pub(crate) identity: Identity,
    pub(crate) limits: Limits,
    pub(crate) metrics: Arc<GuestMetrics>,
    /// Present during a call, if the plugin imports `codecs`.
    pub(crate) services: Option<Arc<dyn Services>>,
    pub(crate) depth: u8,
    /// Ticks that are left of the CPU budget after the current deadline.
    pub(crate) ticks_left: u64,
    /// Whether the call runs on a fiber, and so gives way at each tick.
    pub(crate) on_fiber: bool,
    /// The message of the guest's panic hook.
    pub(crate) panic: Option<String>,
    wasi: Option<Box<Wasi>>,
}

struct Wasi {
    context: WasiCtx,
    table: ResourceTable,
}

impl State {
    pub(crate) fn new(
        identity: Identity,
        budget: Arc<Budget>,
        memory: u64,
        metrics: Arc<GuestMetrics>,
    ) -> Self {
        Self {
            identity,
            limits: Limits::new(budget, memory),
            metrics,
            services: None,
            depth: 0,
            ticks_left: 0,
            on_fiber: false,
            panic: None,
            wasi: None,
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
    pub(crate) fn begin(&mut self, ticks: u64, on_fiber: bool) {
        self.ticks_left = ticks;
        self.on_fiber = on_fiber;
        if self.panic.is_some() || self.limits.was_refused() {
            self.panic = None;
            self.limits.take_refused();
        }
    }

    /// Lends the caller's services for the length of a call.
    pub(crate) fn lend(&mut self, context: &Context<'_>) {
        self.services = Some(Arc::clone(context.services()));
        self.depth = context.depth();
    }

    /// What happens at each epoch deadline, which is never more than a tick away, and may be
    /// one that passed while the instance was idle: the budget shrinks by a tick, and a guest
    /// on a fiber gives way to other tasks. Ticks that pass while the guest waits for the host
    /// bring one deadline between them, so that waiting costs next to no CPU budget.
    pub(crate) fn tick(&mut self) -> UpdateDeadline {
        if self.ticks_left == 0 {
            return UpdateDeadline::Interrupt;
        }
        self.ticks_left -= 1;
        if self.on_fiber { UpdateDeadline::Yield(1) } else { UpdateDeadline::Continue(1) }
    }
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        // Made on first use: pure plugins never get here. Nothing is granted: no
        // directories, no sockets, no environment, no arguments, closed standard streams.
        let wasi = self.wasi.get_or_insert_with(|| {
            let mut builder = WasiCtxBuilder::new();
            builder.allow_tcp(false).allow_udp(false).allow_ip_name_lookup(false);
            Box::new(Wasi { context: builder.build(), table: ResourceTable::new() })
        });
        WasiCtxView { ctx: &mut wasi.context, table: &mut wasi.table }
    }
}
