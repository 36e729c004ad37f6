//! The interface of a codec.

use super::direction::Direction;
use super::future::CodecFuture;
use crate::{CallError, Context};

/// The interface of a codec. A document is one CBOR data item (RFC 8949).
pub trait CodecCall: Send + Sync {
    /// Converts a document to bytes of the codec's format, or such bytes to a document.
    ///
    /// # Errors
    ///
    /// To encode: `unsupported` if the format cannot hold the document; `invalid-input` if it is
    /// not one CBOR item. To decode: `invalid-input` if the bytes are not of the format. Otherwise
    /// the failure of the plugin.
    fn convert(
        &self,
        context: &Context<'_>,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError>;

    /// As [`CodecCall::convert`], for a plugin that calls the codec on a thread that many calls
    /// share: the call must not block the thread.
    ///
    /// The default implementation does all of the work in the first poll, which suits a fast codec.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the call, and does not affect other calls.
    fn convert_async<'a>(
        &'a self,
        context: Context<'a>,
        direction: Direction,
        input: Vec<u8>,
    ) -> CodecFuture<'a> {
        Box::pin(async move { self.convert(&context, direction, &input) })
    }

    /// Writes `document` in the codec's format.
    ///
    /// # Errors
    ///
    /// Those of [`CodecCall::convert`].
    #[inline]
    fn encode(&self, context: &Context<'_>, document: &[u8]) -> Result<Vec<u8>, CallError> {
        self.convert(context, Direction::Encode, document)
    }

    /// Reads `bytes` into a document.
    ///
    /// # Errors
    ///
    /// Those of [`CodecCall::convert`].
    #[inline]
    fn decode(&self, context: &Context<'_>, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        self.convert(context, Direction::Decode, bytes)
    }
}
