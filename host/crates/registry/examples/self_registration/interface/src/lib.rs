//! The interface: what a codec is. Knows no codec.
#![forbid(unsafe_code)]

use std::sync::Arc;

/// Turns bytes into text.
pub trait Codec: Send + Sync {
    /// The text for `bytes`.
    fn encode(&self, bytes: &[u8]) -> String;
}

/// What is registered, and the meeting point of those who do and those who look up.
pub type SharedCodec = Arc<dyn Codec>;
