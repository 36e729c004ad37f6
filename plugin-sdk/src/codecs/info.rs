//! The description of a codec of the host.

/// A codec of the host, as it is described.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CodecInfo {
    /// The capability's name.
    pub name: String,
    /// Its media types, the preferred one first.
    pub media_types: Vec<String>,
}
