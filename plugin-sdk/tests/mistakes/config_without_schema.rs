use plugbay_sdk::prelude::*;

#[derive(serde::Deserialize)]
struct Settings {
    depth: u8,
}

struct Sample(Settings);

impl Plugin for Sample {
    const NAME: &'static str = "sample";
    const DESCRIPTION: &'static str = "a sample";
    type Config = Settings;
    fn new(_: Settings) -> Result<Self> {
        unreachable!()
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

export!(Sample: codec);

fn main() {}
