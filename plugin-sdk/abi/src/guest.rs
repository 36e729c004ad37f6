//! The plugin's side: a safe trait, and the vtable that is made of it.

mod calls;
mod entry;

pub use calls::{codecs, decode, encode, inside, log, log_enabled, metric_add, metric_set};
pub use entry::vtable;

use crate::{Error, Request, Response};

/// What a plugin does, without any pointer. [`vtable`] makes the functions of the ABI of it.
///
/// A panic in any of these becomes [`Kind::Panicked`](crate::Kind::Panicked).
pub trait Exports: Sized + Send + Sync + 'static {
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

    /// Writes `document` with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn encode(&self, index: u32, document: &[u8]) -> Result<Vec<u8>, Error>;

    /// Reads `bytes` with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn decode(&self, index: u32, bytes: &[u8]) -> Result<Vec<u8>, Error>;

    /// Answers one request with the capability `index`.
    ///
    /// # Errors
    ///
    /// The plugin's own.
    fn handle(&self, index: u32, request: Request<'_>) -> Result<Response, Error>;

    /// The last call before it is dropped.
    fn shutdown(&self);
}
