//! What a warm call allocates: the answer, and nothing else that grows with its input.
//!
//! The counts are of the calling thread, so the host's own threads do not disturb them.

mod support;

use allocation_counter::{AllocationInfo, measure};
use plugbay::Codec;
use plugbay_fixtures::{Behaviour, Export, Guest};
use support::place;

/// A document in CBOR: a byte string of `size` bytes in all.
fn document(size: u32) -> Vec<u8> {
    let mut document = [&[0x5a][..], &(size - 5).to_be_bytes()].concat();
    document.resize(size as usize, 0x61);
    document
}

/// The allocations of the second call.
fn warm(mut call: impl FnMut()) -> AllocationInfo {
    call();
    measure(call)
}

#[test]
fn a_warm_codec_call_allocates_its_answer_only() {
    let site = place().plugin("echo.wasm", Guest::codec("echo")).host();
    let echo = site.codec("echo").expect("the codec is loaded");
    for size in [64, 64 << 10] {
        let document = document(size);
        let allocated = warm(|| {
            let answer = echo.encode_document(&document).expect("an answer");
            assert_eq!(answer.len(), document.len());
        });
        assert_eq!(allocated.count_total, 1, "{size} bytes: {allocated:?}");
        assert_eq!(allocated.bytes_total, u64::from(size), "{size} bytes: {allocated:?}");
    }
}

#[test]
fn a_line_of_the_log_is_copied_only_as_far_as_it_is_written() {
    for (name, behaviour) in
        [("long", Behaviour::LogLong(1, 16 << 20)), ("fields", Behaviour::LogFields(500_000))]
    {
        let guest = Guest::codec(name).on(Export::Encode, behaviour);
        let site = place().plugin(&format!("{name}.wasm"), guest).host();
        let codec = site.codec(name).expect("the codec is loaded");
        let document = document(64);
        let allocated = warm(|| {
            codec.encode_document(&document).expect("an answer");
        });
        assert!(allocated.bytes_total < 256 << 10, "{name}: {allocated:?}");
    }
}

#[test]
fn finding_and_leasing_allocates_nothing() {
    let site = place().plugin("echo.wasm", Guest::codec("echo")).host();
    let echo = site.get::<Codec>("echo").expect("the codec is loaded");
    let allocated = warm(|| drop(echo.lease()));
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
}
