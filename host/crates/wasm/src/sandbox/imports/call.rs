//! The import `call`: what a guest can ask about the call that it serves.

use plugbay_core::Correlation;
use wasmtime::component::Linker;
use wasmtime::{Result, StoreContextMut};

use crate::load::world::CALL;
use crate::sandbox::state::{CurrentCall, State};

/// Defines the functions of the import.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    let mut call = linker.instance(CALL)?;
    call.func_wrap("request-id", |mut store: StoreContextMut<'_, State>, (): ()| {
        let id = |correlation: &Correlation| Some(correlation.request_id.as_ref()?.to_string());
        Ok((store.data_mut().correlated(id)?,))
    })?;
    call.func_wrap("generation", |mut store: StoreContextMut<'_, State>, (): ()| {
        let call = store.data_mut().current_call()?;
        Ok((call.and_then(|call| call.generation),))
    })?;
    call.func_wrap("trace-parent", |mut store: StoreContextMut<'_, State>, (): ()| {
        let parent = |correlation: &Correlation| Some(correlation.trace_parent?.to_string());
        Ok((store.data_mut().correlated(parent)?,))
    })?;
    call.func_wrap("trace-state", |mut store: StoreContextMut<'_, State>, (): ()| {
        let state = |correlation: &Correlation| Some(correlation.trace_state.as_ref()?.to_string());
        Ok((store.data_mut().correlated(state)?,))
    })?;
    call.func_wrap("time-left", |mut store: StoreContextMut<'_, State>, (): ()| {
        let state = store.data_mut();
        let left = state.current_call()?.is_some().then(|| state.clock.time_left()).flatten();
        Ok((left.map(|left| u64::try_from(left.as_nanos()).unwrap_or(u64::MAX)),))
    })?;
    Ok(())
}

impl State {
    /// Counts a call of the host; returns the call of a capability during which it is made.
    fn current_call(&mut self) -> Result<Option<&CurrentCall>> {
        self.host_call()?;
        Ok(self.call.as_ref())
    }

    /// A part of what the current call's request is known by.
    fn correlated(
        &mut self,
        part: impl FnOnce(&Correlation) -> Option<String>,
    ) -> Result<Option<String>> {
        let call = self.current_call()?;
        Ok(call.and_then(|call| call.correlation.as_deref()).and_then(part))
    }
}
