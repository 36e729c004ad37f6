//! The functions of a codec in one instance.

use std::sync::OnceLock;

use plugbay_core::codec::Direction;
use wasmtime::Store;
use wasmtime::component::{ComponentExportIndex, Instance, TypedFunc};

use crate::bindings::exports::plugbay::plugin::codec;
use crate::bindings::plugbay::plugin::types;
use crate::call::exports::Exports;
use crate::sandbox::state::State;

/// A function for calls on a fiber, whose arguments are owned.
pub(super) type OnFiber = TypedFunc<(u32, Vec<u8>), (Result<Vec<u8>, types::Error>,)>;

/// The functions of one instance. Finding a function checks its type, which is a large part of the
/// cost of a fresh instance, so those for a fiber are found when they are first called.
pub struct CodecGuest {
    /// For calls on the caller's stack, whose arguments are borrowed.
    pub(super) direct: codec::Guest,
    instance: Instance,
    encode: Fiber,
    decode: Fiber,
}

/// A function for calls on a fiber, found when it is first called.
struct Fiber {
    index: ComponentExportIndex,
    function: OnceLock<OnFiber>,
}

impl Fiber {
    fn at(index: ComponentExportIndex) -> Self {
        Self { index, function: OnceLock::new() }
    }

    fn get(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<OnFiber> {
        if let Some(function) = self.function.get() {
            return Ok(*function);
        }
        let function = instance.get_typed_func(store, self.index)?;
        Ok(*self.function.get_or_init(|| function))
    }
}

impl CodecGuest {
    pub(super) fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self> {
        let (encode, decode) = (exports.index("encode")?, exports.index("decode")?);
        let (store, instance, indices) = exports.indices(codec::GuestIndices::new)?;
        Ok(Self {
            direct: indices.load(store, instance)?,
            instance: *instance,
            encode: Fiber::at(encode),
            decode: Fiber::at(decode),
        })
    }

    /// The function that converts in this direction, for a call on a fiber.
    pub(super) fn on_fiber(
        &self,
        store: &mut Store<State>,
        direction: Direction,
    ) -> wasmtime::Result<OnFiber> {
        let function = match direction {
            Direction::Encode => &self.encode,
            Direction::Decode => &self.decode,
        };
        function.get(store, &self.instance)
    }
}
