//! A program that does not link the codec crate, though Cargo has built it, gets an error
//! at run time, which lists the known names. See `linked.rs`.

use std::sync::Arc;

use plugbay_registry::linked;
use plugbay_registry_example_codec::{Codec, SharedCodec};

struct Plain;

impl Codec for Plain {
    fn encode(&self, bytes: &[u8]) -> String {
        String::from_utf8_lossy(bytes).into_owned()
    }
}

plugbay_registry::link!(SharedCodec, "plain", || Arc::new(Plain));

#[test]
fn the_lookup_fails_at_run_time_and_lists_the_known_names() {
    let codecs = linked::registry::<SharedCodec>("codec").expect("no name is linked twice");
    let missed = codecs.get("hex").expect_err("not linked");
    assert_eq!(missed.to_string(), r#"no codec "hex"; known: plain"#);
}
