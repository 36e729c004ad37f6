//! The other codecs of the host, as they were when the current call began.
//!
//! Outside of a call, as in a plugin's own tests, there are none.

mod info;

pub use info::CodecInfo;

use crate::{Document, Result, form};

/// All codecs of the host, sorted by name.
#[must_use]
pub fn available() -> Vec<CodecInfo> {
    form::codecs()
}

/// Writes `document` with the codec `name`.
///
/// # Errors
///
/// The codec's own; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the host has no
/// codec `name`: the message lists those that it has.
pub fn encode(name: &str, document: &Document) -> Result<Vec<u8>> {
    form::encode(name, document.as_cbor())
}

/// Reads `bytes` with the codec `name`.
///
/// # Errors
///
/// As for [`encode`].
pub fn decode(name: &str, bytes: &[u8]) -> Result<Document> {
    // The host has checked that the codec returned a valid document.
    Ok(Document::from_trusted_cbor(form::decode(name, bytes)?))
}
