//! The kinds of capabilities: for each the table of functions that crosses, and both of its sides.
//!
//! A kind is one module here: a table whose first two fields are its size and its version, a trait
//! that a plugin's side implements ([`codec::CodecExports`]), and for hosts, in `host.rs`, functions
//! of `Instance`. The only other thing that a new kind adds to this crate is its lines in `Tables`.

pub mod codec;
pub mod handler;
pub(crate) mod table;

#[cfg(feature = "host")]
use crate::host::incompatible::{Incompatible, find};
#[cfg(feature = "host")]
use crate::kind::table::Table as _;
#[cfg(feature = "host")]
use crate::raw::Kind;

/// The tables of the kinds that a plugin offers, found once.
#[cfg(feature = "host")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    pub(crate) codec: Option<&'static codec::CodecTable>,
    pub(crate) handler: Option<&'static handler::HandlerTable>,
}

#[cfg(feature = "host")]
impl Tables {
    /// The tables in a plugin's list.
    ///
    /// # Safety
    ///
    /// The contract of [`Vtable::kinds`](crate::Vtable::kinds) holds, but for what
    /// [`Incompatible`] names.
    pub(crate) unsafe fn find(kinds: &[Kind]) -> Result<Self, Incompatible> {
        // SAFETY: the caller's promise.
        unsafe { Ok(Self { codec: find(kinds)?, handler: find(kinds)? }) }
    }

    /// Whether the plugin lists the table of this kind; `None` for a kind that the ABI does not have.
    pub(crate) fn offers(&self, kind: &str) -> Option<bool> {
        match kind {
            codec::CodecTable::KIND => Some(self.codec.is_some()),
            handler::HandlerTable::KIND => Some(self.handler.is_some()),
            _ => None,
        }
    }
}
