//! What the tables of all kinds have in common.

#[cfg(feature = "host")]
use crate::Error;
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
    /// The names of the fields that are functions, in their order.
    #[cfg_attr(
        not(feature = "host"),
        expect(dead_code, reason = "only a host checks the tables of a plugin")
    )]
    const FUNCTIONS: &'static [&'static str];
}

/// The entry of a plugin's list of kinds for `table`.
pub(crate) const fn entry<T: Table>(table: &'static T) -> Kind {
    let name = Bytes { ptr: T::KIND.as_ptr(), len: T::KIND.len() };
    Kind { name, table: std::ptr::from_ref(table).cast() }
}

/// The error of a call of a kind that the plugin does not list.
#[cfg(feature = "host")]
#[cold]
pub(crate) fn missing(kind: &str) -> Error {
    let message = format!("expected a plugin that lists the kind {kind}, found none in its vtable");
    Error::new(crate::ErrorKind::Contract, message)
}
