use std::cell::RefCell;

use plugbay_sdk::prelude::*;

struct Sample {
    seen: RefCell<Vec<String>>,
}

impl Plugin for Sample {
    const NAME: &'static str = "sample";
    const DESCRIPTION: &'static str = "a sample";
    type Config = ();
    fn new((): ()) -> Result<Self> {
        Ok(Sample { seen: RefCell::default() })
    }
}

impl Codec for Sample {
    const NAME: &'static str = "sample";
    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        Ok(document.as_cbor().to_vec())
    }
    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        self.seen.borrow_mut().push("a document".into());
        Ok(Document::from_cbor(bytes)?)
    }
}

export!(Sample: codec);

fn main() {}
