//! What a caller of a codec calls.

use super::future::CodecFuture;
use crate::{CallError, Context};

/// What a caller of a codec calls. A document is one CBOR data item (RFC 8949).
pub trait CodecCall: Send + Sync {
    /// Writes `document` in the codec's format.
    ///
    /// # Errors
    ///
    /// `unsupported` if the format cannot hold the document; `invalid-input` if it is not
    /// one CBOR item; otherwise what went wrong with the plugin.
    fn encode(&self, context: &Context<'_>, document: &[u8]) -> Result<Vec<u8>, CallError>;

    /// Reads `bytes` into a document.
    ///
    /// # Errors
    ///
    /// `invalid-input` if the bytes are not of the format; otherwise what went wrong with
    /// the plugin.
    fn decode(&self, context: &Context<'_>, bytes: &[u8]) -> Result<Vec<u8>, CallError>;

    /// As [`CodecCall::encode`], for a plugin that calls another on a thread which many calls
    /// share: however long the codec takes, it blocks no other call.
    ///
    /// The default does all the work in the first poll, which suits a codec that takes no time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the call up; no other call notices.
    fn encode_async<'a>(&'a self, context: Context<'a>, document: Vec<u8>) -> CodecFuture<'a> {
        Box::pin(async move { self.encode(&context, &document) })
    }

    /// As [`CodecCall::decode`], in the way of [`CodecCall::encode_async`].
    ///
    /// # Cancel safety
    ///
    /// That of [`CodecCall::encode_async`].
    fn decode_async<'a>(&'a self, context: Context<'a>, bytes: Vec<u8>) -> CodecFuture<'a> {
        Box::pin(async move { self.decode(&context, &bytes) })
    }
}
