//! The kind `codec`.

use crate::{Document, Result};

/// A capability of the kind `codec`: turns documents into a format's bytes and back.
///
/// A [`Document`] goes into every `serde` serializer and comes out of every self-describing
/// `serde` deserializer, so for a format with a `serde` crate each method is one line.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a codec",
    label = "exported as a codec, but does not implement `Codec`",
    note = "write `impl Codec for {Self} {{ .. }}` with NAME, encode and decode, or export it as what it is"
)]
pub trait Codec: 'static {
    /// The name that callers ask for: lowercase letters, digits, `-`, `_`, `.`; at most 64
    /// characters; unique among the codecs of a generation.
    const NAME: &'static str;

    /// The media types it answers for, without parameters, the preferred one first.
    const MEDIA_TYPES: &'static [&'static str] = &[];

    /// One line for people, at most 1,024 characters.
    const DESCRIPTION: &'static str = "";

    /// Writes `document` in the format.
    ///
    /// # Errors
    ///
    /// What the format cannot hold is an error, never dropped. An error without a kind is
    /// [`Kind::Unsupported`](crate::Kind::Unsupported).
    fn encode(&self, document: &Document) -> Result<Vec<u8>>;

    /// Reads `bytes` of the format.
    ///
    /// # Errors
    ///
    /// Bytes that are not of the format are an error. An error without a kind is
    /// [`Kind::InvalidInput`](crate::Kind::InvalidInput).
    fn decode(&self, bytes: &[u8]) -> Result<Document>;
}
