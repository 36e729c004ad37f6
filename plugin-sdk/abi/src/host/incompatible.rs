//! The checks of a vtable, and of the tables of its kinds, before they are called.

use std::fmt;
use std::mem::offset_of;

use crate::kind::table::Table;
use crate::raw::{Kind, size_of_u32};
use crate::{VERSION, Vtable};

/// Why a vtable was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Incompatible {
    /// The entry function returned null.
    Null,
    /// It returned an address that is not aligned for a vtable.
    Unaligned,
    /// The vtable is of another version of the ABI.
    Version {
        /// The version that this host has.
        expected: u32,
        /// The version that the plugin has.
        found: u32,
    },
    /// The vtable is smaller than in this version of the ABI: it lacks functions.
    Size {
        /// The size that this host expects, in bytes.
        expected: u32,
        /// The size that the plugin states, in bytes.
        found: u32,
    },
    /// A function of the vtable is null.
    Missing {
        /// The name of its field.
        function: &'static str,
    },
    /// The list of kinds cannot be read.
    Kinds,
    /// The table of a kind cannot be called.
    Kind {
        /// The kind's name.
        kind: &'static str,
        /// Why not.
        problem: Box<Incompatible>,
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
            Self::Version { expected, found } => {
                write!(f, "expected ABI version {expected}, found {found}")
            }
            Self::Size { expected, found } => {
                write!(f, "expected a vtable of {expected} bytes, found {found}")
            }
            Self::Missing { function } => {
                write!(f, "expected a vtable with a function {function}, found null")
            }
            Self::Kinds => f.write_str(
                "expected a list of kinds, found a null or unaligned pointer or an impossible length",
            ),
            Self::Kind { kind, problem } => write!(f, "kind {kind}: {problem}"),
        }
    }
}

impl std::error::Error for Incompatible {}

/// The functions of a [`Vtable`], in its order: one pointer each, without gaps.
const FUNCTIONS: &[&str] = &["describe", "create", "health", "shutdown", "destroy"];

/// A pointer to any function, for code that only checks whether it is null.
type Function = Option<unsafe extern "C" fn()>;

/// The first fields of a table: its size and its version, each of 32 bits.
type Head = [u32; 2];

const _: () = {
    assert!(offset_of!(Vtable, describe) == size_of::<Head>(), "functions follow the head");
    let end =
        size_of::<Head>() + size_of_val(FUNCTIONS) / size_of::<&str>() * size_of::<Function>();
    assert!(offset_of!(Vtable, kinds) == end, "each function has its name");
};

/// Checks that this host can call the functions of `vtable`.
///
/// # Safety
///
/// Unless null or unaligned, `vtable` is a [`Vtable`] of some version, which nothing changes. (Of
/// one of another version or size only its first two fields are read.)
pub(super) unsafe fn check(vtable: *const Vtable) -> Result<(), Incompatible> {
    // SAFETY: the contract above; the functions are where `FUNCTIONS` says, see there.
    unsafe { check_table(vtable, VERSION, FUNCTIONS) }
}

/// The table of the kind that `T` is of, if it is in a plugin's list.
///
/// # Safety
///
/// The contract of [`Vtable::kinds`] holds, but for what [`Incompatible`] names.
pub(crate) unsafe fn find<T: Table>(kinds: &[Kind]) -> Result<Option<&'static T>, Incompatible> {
    const { assert!(size_of::<T>() == size_of::<Head>() + T::FUNCTIONS.len() * size_of::<Function>()) };
    // SAFETY: the names are valid as long as the list is.
    let is_of_kind = |kind: &&Kind| unsafe { kind.name.slice() } == Ok(T::KIND.as_bytes());
    let Some(found) = kinds.iter().find(is_of_kind) else { return Ok(None) };
    let table = found.table.cast::<T>();
    // SAFETY: by its name it is a table of this kind, of some version.
    unsafe { check_table(table, T::VERSION, T::FUNCTIONS) }
        .map_err(|problem| Incompatible::Kind { kind: T::KIND, problem: problem.into() })?;
    // SAFETY: it is of our version and has all our fields, of which none is null.
    Ok(Some(unsafe { &*table }))
}

/// Checks that a table is of a version and that none of these functions is null.
///
/// # Safety
///
/// Unless null or unaligned, `table` points to a [`Head`]; if that has this version and the size of
/// a `T`, these functions follow it, one pointer each.
unsafe fn check_table<T>(
    table: *const T,
    version: u32,
    functions: &[&'static str],
) -> Result<(), Incompatible> {
    if table.is_null() {
        return Err(Incompatible::Null);
    }
    if !table.is_aligned() {
        return Err(Incompatible::Unaligned);
    }
    // SAFETY: neither null nor unaligned, so by the contract above there is a head.
    let [size, found] = unsafe { table.cast::<Head>().read() };
    if found != version {
        return Err(Incompatible::Version { expected: version, found });
    }
    let expected = size_of_u32::<T>();
    if size < expected {
        return Err(Incompatible::Size { expected, found: size });
    }
    // Reading a null pointer as a function is undefined behaviour; as an optional one it is `None`.
    // SAFETY: it is of this version and has all fields of a `T`.
    let first = unsafe { table.byte_add(size_of::<Head>()) }.cast::<Function>();
    for (index, function) in functions.iter().enumerate() {
        // SAFETY: as above. Null reads as `None`, and the type of the function does not matter to
        // code that does not call it.
        if unsafe { first.add(index).read() }.is_none() {
            return Err(Incompatible::Missing { function });
        }
    }
    Ok(())
}
