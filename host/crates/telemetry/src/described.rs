//! What a collector describes.

use crate::family::Family;

/// What a collector describes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Described {
    /// A family.
    Family(Family),
    /// Every family whose name begins with this prefix, such as `plugbay_guest_`. The collector may
    /// collect such families without having described them one by one.
    Namespace(String),
}

impl From<Family> for Described {
    fn from(family: Family) -> Self {
        Self::Family(family)
    }
}
