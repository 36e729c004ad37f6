//! The functions of `lifecycle`, which every plugin exports.

use std::sync::Arc;

use wasmtime::Store;
use wasmtime::component::{
    ComponentExportIndex, ComponentNamedList, Instance, InstancePre, Lift, Lower, TypedFunc,
};

use crate::bindings::plugbay::plugin::types;
use crate::sandbox::state::State;

/// The result of `init` and `health`: nothing, or an error.
pub(crate) type Answer = (Result<(), types::Error>,);

/// The indices of the functions, found once per plugin version. An instance's function is found, and
/// its type checked, when it is first called: the check is a large part of the cost of a fresh
/// instance.
pub(crate) struct Lifecycle {
    describe: ComponentExportIndex,
    init: ComponentExportIndex,
    health: ComponentExportIndex,
    shutdown: ComponentExportIndex,
}

impl Lifecycle {
    /// Finds the functions of the exported `interface`.
    pub(crate) fn find(component: &InstancePre<State>, interface: &str) -> wasmtime::Result<Self> {
        let component = component.component();
        let at = component.get_export_index(None, interface);
        let find = |name: &str| {
            let index = at.and_then(|at| component.get_export_index(Some(&at), name));
            index.ok_or_else(|| {
                wasmtime::format_err!("expected {interface} to have the function {name}")
            })
        };
        Ok(Self {
            describe: find("describe")?,
            init: find("init")?,
            health: find("health")?,
            shutdown: find("shutdown")?,
        })
    }

    /// `describe`, after checking the types of all functions.
    pub(crate) fn describe(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<TypedFunc<(), (types::Description,)>> {
        self.init(store, instance)?;
        self.health(store, instance)?;
        self.shutdown(store, instance)?;
        instance.get_typed_func(store, self.describe)
    }

    pub(super) fn init(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<TypedFunc<(Arc<str>,), Answer>> {
        instance.get_typed_func(store, self.init)
    }

    pub(super) fn health(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<TypedFunc<(), Answer>> {
        instance.get_typed_func(store, self.health)
    }

    pub(super) fn shutdown(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<TypedFunc<(), ()>> {
        instance.get_typed_func(store, self.shutdown)
    }
}

/// Calls a function, on a fiber if `on_fiber`. Without a fiber the future never waits.
pub(crate) async fn call<P, R>(
    store: &mut Store<State>,
    function: TypedFunc<P, R>,
    params: P,
    on_fiber: bool,
) -> wasmtime::Result<R>
where
    P: ComponentNamedList + Lower + Send + Sync + 'static,
    R: ComponentNamedList + Lift + Send + Sync + 'static,
{
    if on_fiber { function.call_async(store, params).await } else { function.call(store, params) }
}
