//! Stands where a build without the feature `watch` has no watcher of files.

use std::convert::Infallible;
use std::path::Path;

use super::signal::Signal;

/// A watcher that never is.
pub(crate) struct Watch(Infallible);

/// Why there is none.
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
