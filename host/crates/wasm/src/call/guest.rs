//! An instance's functions of any kind.

use std::any::Any;

use wasmtime::Store;
use wasmtime::component::Instance;

use crate::kind::codec::guest::CodecGuest;
use crate::sandbox::state::State;

/// An instance's functions of any kind. A codec's have a variant of their own, as its call object
/// has in `plugbay_core`: finding them costs a comparison, not a downcast.
#[doc(hidden)]
pub enum AnyGuest {
    Codec(CodecGuest),
    Other(Box<dyn Any + Send + Sync>),
}

/// An interface of some kind that a plugin exports: finds its functions in an instance.
pub(crate) trait AnyIndices: Send + Sync {
    fn load(&self, store: &mut Store<State>, instance: &Instance) -> wasmtime::Result<AnyGuest>;
}
