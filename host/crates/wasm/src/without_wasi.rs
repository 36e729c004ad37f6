//! Replaces `wasi` in a build without that feature. A component that imports WASI is refused before
//! any of this is called.

use std::sync::Arc;

use crate::sandbox::grants::Sandbox;

/// The state of WASI in an instance: no instance has one.
pub(crate) enum Wasi {}

impl Wasi {
    pub(crate) fn of(_sandbox: &Arc<Sandbox>, _imported: bool) -> Option<Box<Self>> {
        None
    }

    pub(crate) fn flush(&self) {
        match *self {}
    }
}
