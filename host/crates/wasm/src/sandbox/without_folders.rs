//! Stands for `folders` in a build without WASI, by which alone a plugin could reach them.

use std::convert::Infallible;

use plugbay_core::Grants;

/// No folders.
#[derive(Default)]
pub(crate) struct Folders;

impl Folders {
    pub(crate) fn open(_grants: &Grants) -> Result<Self, Infallible> {
        Ok(Self)
    }
}
