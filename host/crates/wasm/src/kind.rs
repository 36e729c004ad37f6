//! How a kind of capability is called through WIT.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use plugbay_core::{Kind, Provider};
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::call::Calls;
use crate::codec::CodecGuest;
use crate::plugin::Shared;
use crate::state::State;

/// A kind whose capabilities a component exports as one WIT interface.
///
/// `Indices` and `Guest` are what `wasmtime::component::bindgen!` generates for the
/// interface: `GuestIndices` and `Guest`.
pub trait WasmKind: Kind {
    /// The exported interface, for instance `acme:greet/greeter@0.1.0`.
    const INTERFACE: &'static str;

    /// Where the interface's functions are, resolved once per plugin version.
    type Indices: Send + Sync + 'static;

    /// The functions of one instance.
    type Guest: Send + Sync + 'static;

    /// Resolves and type-checks the interface.
    ///
    /// # Errors
    ///
    /// If the component does not export it, or with other types.
    fn indices(component: &InstancePre<State>) -> wasmtime::Result<Self::Indices>;

    /// Finds the functions of one instance.
    ///
    /// # Errors
    ///
    /// If they are not there, which [`WasmKind::indices`] rules out.
    fn load(
        indices: &Self::Indices,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<Self::Guest>;

    /// Makes the object that callers call.
    fn provide(calls: Calls<Self>) -> Arc<Self::Call>
    where
        Self: Sized;

    /// Erases an instance's functions. Not for implementers.
    #[doc(hidden)]
    fn keep(guest: Self::Guest) -> AnyGuest {
        AnyGuest::Other(Box::new(guest))
    }

    /// An instance's functions, if they are of this kind. Not for implementers.
    #[doc(hidden)]
    fn kept(guest: &AnyGuest) -> Option<&Self::Guest> {
        match guest {
            AnyGuest::Other(guest) => guest.downcast_ref(),
            AnyGuest::Codec(_) => None,
        }
    }
}

/// An instance's functions of any kind. A codec's are told by a tag, for the reason that
/// `plugbay_core` tells its call object so.
#[doc(hidden)]
pub enum AnyGuest {
    Codec(CodecGuest),
    Other(Box<dyn Any + Send + Sync>),
}

/// A kind with its types erased: what a runtime keeps a list of.
pub(crate) trait AnyKind: Send + Sync {
    fn name(&self) -> &'static str;
    fn interface(&self) -> &'static str;
    fn resolve(&self, component: &InstancePre<State>) -> wasmtime::Result<Arc<dyn AnyIndices>>;
}

/// A plugin's resolved interface of some kind.
pub(crate) trait AnyIndices: Send + Sync {
    fn kind(&self) -> &'static str;
    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<AnyGuest>;
    fn provide(&self, plugin: &Arc<Shared>, slot: usize, capability: u32) -> Provider;
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

    fn resolve(&self, component: &InstancePre<State>) -> wasmtime::Result<Arc<dyn AnyIndices>> {
        Ok(Arc::new(Resolved::<K>(K::indices(component)?)))
    }
}

struct Resolved<K: WasmKind>(K::Indices);

impl<K: WasmKind> AnyIndices for Resolved<K> {
    fn kind(&self) -> &'static str {
        K::NAME
    }

    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<AnyGuest> {
        Ok(K::keep(K::load(&self.0, store, instance)?))
    }

    fn provide(&self, plugin: &Arc<Shared>, slot: usize, capability: u32) -> Provider {
        Provider::new::<K>(K::provide(Calls::new(Arc::clone(plugin), slot, capability)))
    }
}
