//! The plugin's side: a safe trait, and the vtable of a type that implements it.

mod calls;
mod entry;

pub use calls::{
    codecs, decode, encode, generation, inside, log, log_enabled, metric_add, metric_describe,
    metric_observe, metric_set, request_id, time_left, trace_parent, trace_state,
};
pub use entry::vtable;

pub(crate) use calls::Scope;

use crate::Error;
use crate::raw::Kind;

/// The functions of a plugin, without pointers. [`vtable`] wraps them in those of the ABI.
///
/// A panic in any of these becomes [`ErrorKind::Panicked`](crate::ErrorKind::Panicked).
///
/// The functions of its kinds are in traits of their own, as
/// [`CodecExports`](crate::kind::codec::CodecExports).
pub trait Exports: Sized + Send + Sync + 'static {
    /// The kinds of its capabilities, each once, as
    /// [`CodecExports::CODEC`](crate::kind::codec::CodecExports::CODEC).
    const KINDS: &'static [Kind];

    /// Its description, in the JSON that [`Vtable::describe`](crate::Vtable::describe) documents.
    ///
    /// # Errors
    ///
    /// With an error the host refuses the artifact.
    fn describe() -> Result<Vec<u8>, Error>;

    /// Makes one instance from a JSON object.
    ///
    /// # Errors
    ///
    /// With an error the host refuses this version of the plugin.
    fn create(config: &str) -> Result<Self, Error>;

    /// Says whether the instance can serve.
    ///
    /// # Errors
    ///
    /// `Unavailable` says that it cannot serve now.
    fn health(&self) -> Result<(), Error>;

    /// The last call before it is dropped.
    fn shutdown(&self);
}
