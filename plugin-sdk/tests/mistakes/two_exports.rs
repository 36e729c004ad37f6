use plugbay_sdk::prelude::*;

struct Sample;

struct Other;

impl Plugin for Sample {
    const NAME: &'static str = "sample";
    const DESCRIPTION: &'static str = "a sample";
    type Config = ();
    fn new((): ()) -> Result<Self> {
        Ok(Sample)
    }
}

impl Codec for Sample {
    const NAME: &'static str = "sample";
    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        Ok(document.as_cbor().to_vec())
    }
    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        Ok(Document::from_cbor(bytes)?)
    }
}

impl Plugin for Other {
    const NAME: &'static str = "sample";
    const DESCRIPTION: &'static str = "a sample";
    type Config = ();
    fn new((): ()) -> Result<Self> {
        Ok(Other)
    }
}

impl Codec for Other {
    const NAME: &'static str = "sample";
    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        Ok(document.as_cbor().to_vec())
    }
    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        Ok(Document::from_cbor(bytes)?)
    }
}

export!(Sample: codec);
export!(Other: codec);

fn main() {}
