//! Whether a vtable can be called.

use std::fmt;
use std::mem::offset_of;

use crate::raw::size_of_u32;
use crate::{VERSION, Vtable};

/// Why a vtable was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incompatible {
    /// The entry function returned null.
    Null,
    /// It returned what is no address of a vtable.
    Unaligned,
    /// It is of another version of the ABI.
    Version {
        /// What the plugin has.
        found: u32,
    },
    /// It lacks functions that this version of the ABI has.
    Size {
        /// What the plugin has, in bytes.
        found: u32,
    },
    /// One of its functions is null.
    Missing {
        /// The field.
        function: &'static str,
    },
}

impl fmt::Display for Incompatible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Null => f.write_str("expected a vtable, found null"),
            Self::Unaligned => {
                let align = align_of::<Vtable>();
                write!(f, "expected a vtable at a multiple of {align}, found another address")
            }
            Self::Version { found } => write!(f, "expected ABI version {VERSION}, found {found}"),
            Self::Size { found } => {
                let expected = size_of_u32::<Vtable>();
                write!(f, "expected a vtable of {expected} bytes, found {found}")
            }
            Self::Missing { function } => {
                write!(f, "expected a vtable with a function {function}, found null")
            }
        }
    }
}

impl std::error::Error for Incompatible {}

/// The functions of a [`Vtable`], in its order: one pointer each, behind one another.
const FUNCTIONS: [&str; 8] =
    ["describe", "create", "health", "encode", "decode", "handle", "shutdown", "destroy"];

/// What any of them is to one who only asks whether it is there.
type Function = Option<unsafe extern "C" fn()>;

const _: () = {
    let end = offset_of!(Vtable, describe) + FUNCTIONS.len() * size_of::<Function>();
    assert!(end == size_of::<Vtable>(), "each function has its name");
};

/// Sees whether this host can call it.
///
/// # Safety
///
/// Unless null or unaligned, `vtable` is a [`Vtable`] of some version, which nothing changes. (Of
/// one of another version or size only its first two fields are read.)
pub(super) unsafe fn check(vtable: *const Vtable) -> Result<(), Incompatible> {
    if vtable.is_null() {
        return Err(Incompatible::Null);
    }
    if !vtable.is_aligned() {
        return Err(Incompatible::Unaligned);
    }
    // SAFETY: neither null nor unaligned, so by the contract above a table of some version; each
    // begins with `size` and `version`.
    let (size, version) = unsafe { ((*vtable).size, (*vtable).version) };
    if version != VERSION {
        return Err(Incompatible::Version { found: version });
    }
    if size < size_of_u32::<Vtable>() {
        return Err(Incompatible::Size { found: size });
    }
    // A function pointer of Rust may not even be looked at if it is null; an optional one may.
    // SAFETY: it is of our version and has all our fields; where the first function is, lies a
    // pointer for each of them.
    let functions = unsafe { vtable.byte_add(offset_of!(Vtable, describe)) }.cast::<Function>();
    for (index, function) in FUNCTIONS.into_iter().enumerate() {
        // SAFETY: as above. `None` is how null reads, and a function of any type is one of `fn()`
        // to one who does not call it.
        if unsafe { functions.add(index).read() }.is_none() {
            return Err(Incompatible::Missing { function });
        }
    }
    Ok(())
}
