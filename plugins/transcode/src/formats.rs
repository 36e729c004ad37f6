//! The available formats.

use plugbay_sdk::{Document, Result, codecs};

/// A set of codecs.
pub trait Formats: Send + Sync + 'static {
    /// Pairs of a codec and one of its media types, the preferred one first.
    fn available(&self) -> Vec<(String, String)>;

    /// Writes a document with a codec.
    fn encode(&self, codec: &str, document: &Document) -> Result<Vec<u8>>;

    /// Reads bytes with a codec.
    fn decode(&self, codec: &str, bytes: &[u8]) -> Result<Document>;
}

/// The codecs of the host, in the snapshot of the request.
#[derive(Clone, Copy, Debug)]
pub struct HostFormats;

impl Formats for HostFormats {
    fn available(&self) -> Vec<(String, String)> {
        let known = codecs::available().into_iter();
        known
            .flat_map(|codec| {
                let name = codec.name;
                codec.media_types.into_iter().map(move |media_type| (name.clone(), media_type))
            })
            .collect()
    }

    fn encode(&self, codec: &str, document: &Document) -> Result<Vec<u8>> {
        codecs::encode(codec, document)
    }

    fn decode(&self, codec: &str, bytes: &[u8]) -> Result<Document> {
        codecs::decode(codec, bytes)
    }
}
