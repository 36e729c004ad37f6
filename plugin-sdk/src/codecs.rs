//! The other codecs of the host, as they were when the current call began.
//!
//! Outside of a call, as in a plugin's own tests, there are none.

mod info;

pub use info::CodecInfo;

use crate::{Document, Result, form};

/// The codecs there are, sorted by name.
#[must_use]
pub fn available() -> Vec<CodecInfo> {
    form::codecs()
}

/// Writes `document` with the codec `name`.
///
/// # Errors
///
/// The codec's own; [`Kind::Unsupported`](crate::Kind::Unsupported) if there is none of that
/// name, which lists those that are.
pub fn encode(name: &str, document: &Document) -> Result<Vec<u8>> {
    form::encode(name, document.as_cbor())
}

/// Reads `bytes` with the codec `name`.
///
/// # Errors
///
/// As for [`encode`].
pub fn decode(name: &str, bytes: &[u8]) -> Result<Document> {
    // The host has checked what the codec answered.
    Ok(Document::from_trusted_cbor(form::decode(name, bytes)?))
}
