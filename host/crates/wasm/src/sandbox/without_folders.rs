//! Replaces `folders` in a build without WASI: a plugin can reach no folders then.

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
