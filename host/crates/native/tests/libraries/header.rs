//! A real library, truncated and changed everywhere: its header is read or refused, without a panic.

use plugbay_native::header::{self, HeaderError};
use proptest::prelude::*;

use crate::compile;
use crate::site::Site;

/// An unstripped library of a few pages, as the compiler writes it.
fn library() -> Option<Vec<u8>> {
    let site = Site::new();
    let path = compile::example(site.folder(), "rot13.c")?;
    Some(std::fs::read(path).unwrap())
}

fn read(bytes: &[u8]) -> Result<header::LibraryHeader, HeaderError> {
    let _ = (header::recognises(bytes), header::is_whole(bytes));
    header::read(bytes).inspect_err(|error| {
        assert!(error.to_string().starts_with("expected "), "{error}");
    })
}

#[test]
fn the_header_is_read() {
    let Some(bytes) = library() else { return };
    assert!(header::recognises(&bytes) && header::is_whole(&bytes));
    let found = read(&bytes).unwrap();
    assert_eq!((found.version, found.header_size, found.vtable_size), (2, 24, 64));
}

#[test]
fn a_truncated_library_is_not_whole() {
    let Some(bytes) = library() else { return };
    for length in 0..bytes.len() {
        assert!(!header::is_whole(&bytes[..length]), "{length} of {} bytes", bytes.len());
        let _ = read(&bytes[..length]);
    }
}

#[test]
fn a_library_with_a_wrong_byte_is_read_or_refused_without_a_panic() {
    let Some(mut bytes) = library() else { return };
    for at in 0..bytes.len() {
        let right = bytes[at];
        for wrong in [!right, right ^ 0x80, right.wrapping_add(1)] {
            bytes[at] = wrong;
            let _ = read(&bytes);
        }
        bytes[at] = right;
    }
    assert!(read(&bytes).is_ok());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_library_with_wrong_bytes_is_read_or_refused_without_a_panic(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..40),
        headers in prop::collection::vec((0_usize..64, any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
    ) {
        static LIBRARY: std::sync::LazyLock<Option<Vec<u8>>> = std::sync::LazyLock::new(library);
        if let Some(library) = &*LIBRARY {
            let mut bytes = library.clone();
            for (at, byte) in changes {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            for (at, byte) in headers {
                bytes[at] = byte;
            }
            let _ = read(&bytes);
            let _ = read(&bytes[..cut.index(bytes.len())]);
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused_without_a_panic(
        magic in prop::sample::select(vec![
            b"\x7fELF\x02\x01\x01".as_slice(), b"\x7fELF\x01\x02\x01", b"MZ", b"\xcf\xfa\xed\xfe",
            b"\xce\xfa\xed\xfe", b"\xca\xfe\xba\xbe\0\0\0\x02", b"\xca\xfe\xba\xbf\0\0\0\x01", b"!<arch>\n",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..400),
    ) {
        let _ = read(&[magic, &rest].concat());
    }
}
