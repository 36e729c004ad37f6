//! Kinds with their types erased, for a runtime's list of kinds.

use std::marker::PhantomData;
use std::sync::Arc;

use plugbay_core::Provider;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use super::calls::{Calls, WasmKind};
use super::exports::Interface;
use super::guest::{AnyGuest, AnyIndices};
use super::instances::Instances;
use crate::sandbox::state::State;

/// A kind that the runtime serves.
pub(crate) trait AnyKind: Send + Sync {
    fn name(&self) -> &'static str;
    fn interface(&self) -> &'static str;
    fn resolve(&self, component: &InstancePre<State>) -> wasmtime::Result<Arc<dyn Served>>;
}

/// An interface that a plugin exports, and that the runtime serves.
pub(crate) trait Served: AnyIndices {
    fn kind(&self) -> &'static str;
    fn provide(&self, plugin: &Arc<Instances>, slot: usize, capability: u32) -> Provider;
}

/// Erases `K`.
pub(crate) struct Erased<K>(PhantomData<fn() -> K>);

impl<K> Default for Erased<K> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<K: WasmKind> AnyKind for Erased<K> {
    fn name(&self) -> &'static str {
        K::NAME
    }

    fn interface(&self) -> &'static str {
        K::INTERFACE
    }

    fn resolve(&self, component: &InstancePre<State>) -> wasmtime::Result<Arc<dyn Served>> {
        let interface = Interface::find(component, K::INTERFACE)?;
        Ok(Arc::new(Resolved::<K> { interface, kind: PhantomData }))
    }
}

struct Resolved<K> {
    interface: Interface,
    kind: PhantomData<fn() -> K>,
}

impl<K: WasmKind> AnyIndices for Resolved<K> {
    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<AnyGuest> {
        Ok(K::erase_guest(K::load(&mut self.interface.of(store, instance))?))
    }
}

impl<K: WasmKind> Served for Resolved<K> {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn provide(&self, plugin: &Arc<Instances>, slot: usize, capability: u32) -> Provider {
        Provider::new::<K>(K::provide(Calls::new(Arc::clone(plugin), slot, capability)))
    }
}
