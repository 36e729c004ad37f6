use plugbay_sdk::prelude::*;

struct Sample {
    csv: Csv,
}

struct Csv;

impl Plugin for Sample {
    const NAME: &'static str = "sample";
    const DESCRIPTION: &'static str = "a sample";
    type Config = ();
    fn new((): ()) -> Result<Self> {
        Ok(Sample { csv: Csv })
    }
}

export!(Sample: codec csv);

fn main() {}
