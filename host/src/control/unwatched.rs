//! Replaces the file watcher in a build without the feature `watch`.

use std::convert::Infallible;
use std::path::Path;

use super::signal::Signal;

/// A watcher that cannot be created.
pub(crate) struct Watch(Infallible);

/// Why there is no watcher.
#[derive(Debug, thiserror::Error)]
#[error("this host is built without the feature `watch`")]
pub(crate) struct Unwatched;

impl Watch {
    pub(crate) fn new(_signal: Signal) -> Result<Self, Unwatched> {
        Err(Unwatched)
    }

    pub(crate) fn follow(&mut self, _folder: &Path, _file: Option<&Path>) -> Result<(), Unwatched> {
        match self.0 {}
    }
}
