//! The kinds of capabilities: for each the table of functions that crosses, and both of its sides.
//!
//! A kind is one module here. It has a table whose first two fields are its size and its version,
//! a trait that a plugin's side implements ([`codec::CodecExports`]), and, for hosts, functions of
//! [`Instance`](crate::host::Instance). What a new kind adds elsewhere in this crate is its line in
//! `Tables`, below.

pub mod codec;
pub mod handler;

use crate::raw::{Bytes, Kind};

/// A kind's table of functions.
///
/// # Safety
///
/// It is `repr(C)` and has these fields: its size and its version, each a `u32`, then one pointer
/// to a function for each of `FUNCTIONS`, and no other.
pub(crate) unsafe trait Table: Copy + 'static {
    /// The kind's name.
    const KIND: &'static str;
    /// The version that this crate knows.
    const VERSION: u32;
    /// The fields that are functions, in their order.
    const FUNCTIONS: &'static [&'static str];
}

/// The entry of a plugin's list of kinds for `table`.
pub(crate) const fn entry<T: Table>(table: &'static T) -> Kind {
    let name = Bytes { ptr: T::KIND.as_ptr(), len: T::KIND.len() };
    Kind { name, table: std::ptr::from_ref(table).cast() }
}

/// The tables of the kinds that a plugin offers, found once.
#[cfg(feature = "host")]
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tables {
    pub(crate) codec: Option<&'static codec::CodecTable>,
    pub(crate) handler: Option<&'static handler::raw::HandlerTable>,
}

#[cfg(feature = "host")]
impl Tables {
    /// The tables in a plugin's list.
    ///
    /// # Safety
    ///
    /// The contract of [`Vtable::kinds`](crate::Vtable::kinds) holds, but for what
    /// [`Incompatible`](crate::host::Incompatible) names.
    pub(crate) unsafe fn find(kinds: &[Kind]) -> Result<Self, crate::host::Incompatible> {
        use crate::host::find;
        // SAFETY: the caller's promise.
        unsafe { Ok(Self { codec: find(kinds)?, handler: find(kinds)? }) }
    }

    /// Whether the table of this kind is there, if the ABI has the kind.
    pub(crate) fn offers(&self, kind: &str) -> Option<bool> {
        match kind {
            codec::CodecTable::KIND => Some(self.codec.is_some()),
            handler::raw::HandlerTable::KIND => Some(self.handler.is_some()),
            _ => None,
        }
    }
}
