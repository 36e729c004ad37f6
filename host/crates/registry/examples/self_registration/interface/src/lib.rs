//! The interface: what a codec is. Knows no codec.
#![forbid(unsafe_code)]

use std::sync::Arc;

/// Turns bytes into text.
pub trait Codec: Send + Sync {
    /// The text for `bytes`.
    fn encode(&self, bytes: &[u8]) -> String;
}

/// The registered type, which crates that register a codec and crates that look one up share.
pub type SharedCodec = Arc<dyn Codec>;
