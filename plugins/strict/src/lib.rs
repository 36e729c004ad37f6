//! What every bundled codec refuses in the same way.
//!
//! A document is one CBOR data item (RFC 8949). On the way in, a codec tells a [`Builder`] what
//! it reads, and the builder writes the item: it bounds the depth and refuses duplicate keys, so
//! no codec can forget to. On the way out, a codec pulls [`Item`]s from a [`Reader`], or hands a
//! [`View`] to a `serde` serializer together with the [`Rules`] that say what its format can hold.
//!
//! Every refusal is a [`Refused`]: what was refused, and where in the document.

mod builder;
mod head;
mod item;
mod path;
mod view;

pub use builder::{Builder, Floats, Order};
pub use item::{Item, Reader};
pub use path::Path;
pub use view::{Bytes, Rules, View};

/// The number of levels that a document may have. Arrays, maps and tags are levels; a document
/// that is a single number has none.
pub const MAX_DEPTH: usize = 128;

/// What was refused, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused(String);

impl Refused {
    /// A refusal that says all by itself.
    pub fn new(what: impl std::fmt::Display) -> Self {
        Self(what.to_string())
    }

    fn too_deep() -> Self {
        Self(format!("nested deeper than {MAX_DEPTH} levels"))
    }
}

impl std::fmt::Display for Refused {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}
