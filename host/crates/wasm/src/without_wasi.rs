//! Stands for `wasi` in a build without that feature: a component that imports WASI is refused
//! before any of this is needed.

use std::sync::Arc;

use crate::sandbox::grants::Sandbox;

/// What one instance holds of WASI: no instance has it.
pub(crate) enum Wasi {}

impl Wasi {
    pub(crate) fn of(_sandbox: &Arc<Sandbox>, _imported: bool) -> Option<Box<Self>> {
        None
    }

    pub(crate) fn flush(&self) {
        match *self {}
    }
}
