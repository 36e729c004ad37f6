//! A program that links the codec crate finds its codec. See `not_linked.rs`.

use plugbay_registry::linked;
use plugbay_registry_example_codec::SharedCodec;
use plugbay_registry_example_hex as _;

#[test]
fn a_linked_codec_is_registered_without_any_code() {
    let codecs = linked::registry::<SharedCodec>("codec").expect("no name is linked twice");
    assert_eq!(codecs.names(), ["hex"]);
    assert_eq!(codecs.must_get("hex").encode(b"\x00\xff"), "00ff");
    assert_eq!(linked::entries::<SharedCodec>()[0].origin(), "plugbay_registry_example_hex");
}
