//! What a codec of the host says of itself.

/// What a codec says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecInfo {
    /// The capability's name.
    pub name: String,
    /// Its media types, the preferred one first.
    pub media_types: Vec<String>,
}
