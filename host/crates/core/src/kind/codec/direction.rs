//! The direction of a conversion.

/// The direction of a conversion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From a document to bytes of the codec's format.
    Encode,
    /// From bytes of the codec's format to a document.
    Decode,
}
