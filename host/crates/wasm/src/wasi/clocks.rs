//! `wasi:clocks`: with the grant the host's clocks; without it, clocks that always read zero.
//!
//! Sleeping needs no grant. A plugin without the grant that sleeps until an instant sleeps for the
//! duration from zero to it, so that it waits rather than spins.

use plugbay_core::Grant;
use wasmtime::component::Resource;
use wasmtime_wasi::clocks::WasiClocksCtxView;
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::clocks::{monotonic_clock, wall_clock};

use super::Wasi;
use crate::sandbox::state::State;

impl State {
    /// The host's clocks, if they are granted.
    fn clocks(&mut self, tried: &str) -> wasmtime::Result<Option<WasiClocksCtxView<'_>>> {
        self.host_call()?;
        if !self.sandbox.grants().clocks {
            self.sandbox.deny(Grant::Clocks, tried);
            return Ok(None);
        }
        let Wasi { context, table, .. } = self.wasi();
        Ok(Some(WasiClocksCtxView { ctx: context.clocks(), table }))
    }

    fn timers(&mut self) -> wasmtime::Result<WasiClocksCtxView<'_>> {
        self.host_call()?;
        let Wasi { context, table, .. } = self.wasi();
        Ok(WasiClocksCtxView { ctx: context.clocks(), table })
    }
}

const EPOCH: wall_clock::Datetime = wall_clock::Datetime { seconds: 0, nanoseconds: 0 };

impl wall_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let clocks = self.clocks("read the time of day")?;
        clocks.map_or(Ok(EPOCH), |mut clocks| wall_clock::Host::now(&mut clocks))
    }

    fn resolution(&mut self) -> wasmtime::Result<wall_clock::Datetime> {
        let mut clocks = self.timers()?;
        wall_clock::Host::resolution(&mut clocks)
    }
}

impl monotonic_clock::Host for State {
    fn now(&mut self) -> wasmtime::Result<monotonic_clock::Instant> {
        let clocks = self.clocks("read the monotonic clock")?;
        clocks.map_or(Ok(0), |mut clocks| monotonic_clock::Host::now(&mut clocks))
    }

    fn resolution(&mut self) -> wasmtime::Result<monotonic_clock::Duration> {
        let mut clocks = self.timers()?;
        monotonic_clock::Host::resolution(&mut clocks)
    }

    fn subscribe_instant(
        &mut self,
        when: monotonic_clock::Instant,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let granted = self.sandbox.grants().clocks;
        let mut clocks = self.timers()?;
        if granted {
            monotonic_clock::Host::subscribe_instant(&mut clocks, when)
        } else {
            monotonic_clock::Host::subscribe_duration(&mut clocks, when)
        }
    }

    fn subscribe_duration(
        &mut self,
        duration: monotonic_clock::Duration,
    ) -> wasmtime::Result<Resource<DynPollable>> {
        let mut clocks = self.timers()?;
        monotonic_clock::Host::subscribe_duration(&mut clocks, duration)
    }
}
