//! The functions of the kind `codec`.

use std::sync::OnceLock;

use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

use crate::bindings::{direct, fiber};
use crate::sandbox::state::State;

/// Where the functions are: on the caller's stack, and on a fiber for plugins that may wait.
pub struct CodecIndices {
    direct: direct::codec::GuestIndices,
    fiber: fiber::codec::GuestIndices,
}

impl CodecIndices {
    pub(super) fn new(component: &InstancePre<State>) -> wasmtime::Result<Self> {
        Ok(Self {
            direct: direct::codec::GuestIndices::new(component)?,
            fiber: fiber::codec::GuestIndices::new(component)?,
        })
    }

    pub(super) fn load(
        &self,
        store: &mut Store<State>,
        instance: &Instance,
    ) -> wasmtime::Result<CodecGuest> {
        Ok(CodecGuest {
            direct: self.direct.load(store, instance)?,
            fiber: OnceLock::new(),
            indices: self.fiber.clone(),
            instance: *instance,
        })
    }
}

/// The functions of one instance. Finding a function checks its type, which costs a fresh
/// instance dearly: those for a fiber are found when one is needed.
pub struct CodecGuest {
    pub(super) direct: direct::codec::Guest,
    fiber: OnceLock<fiber::codec::Guest>,
    indices: fiber::codec::GuestIndices,
    instance: Instance,
}

impl CodecGuest {
    pub(super) fn on_fiber(
        &self,
        store: &mut Store<State>,
    ) -> wasmtime::Result<&fiber::codec::Guest> {
        if let Some(guest) = self.fiber.get() {
            return Ok(guest);
        }
        let guest = self.indices.load(store, &self.instance)?;
        Ok(self.fiber.get_or_init(|| guest))
    }
}
