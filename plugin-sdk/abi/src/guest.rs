//! The plugin's side: a safe trait, and the vtable that is made of it.

mod calls;
mod entry;

pub use calls::{codecs, decode, encode, inside, log, log_enabled, metric_add, metric_set};
pub use entry::vtable;

pub(crate) use calls::Scope;

use crate::Error;
use crate::raw::Kind;

/// What a plugin does, without any pointer. [`vtable`] makes the functions of the ABI of it.
///
/// A panic in any of these becomes [`Kind::Panicked`](crate::Kind::Panicked).
///
/// The functions of its kinds are in traits of their own, as
/// [`CodecExports`](crate::kind::codec::CodecExports).
pub trait Exports: Sized + Send + Sync + 'static {
    /// The kinds of its capabilities, each once, as
    /// [`CodecExports::CODEC`](crate::kind::codec::CodecExports::CODEC).
    const KINDS: &'static [Kind];

    /// What it says of itself, in the JSON that [`Vtable::describe`](crate::Vtable::describe)
    /// documents.
    ///
    /// # Errors
    ///
    /// An error refuses the artifact, as it does in `create`.
    fn describe() -> Result<Vec<u8>, Error>;

    /// Makes one instance from a JSON object.
    ///
    /// # Errors
    ///
    /// An error refuses this version of the plugin.
    fn create(config: &str) -> Result<Self, Error>;

    /// Says whether the instance can serve.
    ///
    /// # Errors
    ///
    /// `Unavailable` means "not now".
    fn health(&self) -> Result<(), Error>;

    /// The last call before it is dropped.
    fn shutdown(&self);
}
