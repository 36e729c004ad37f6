//! Guests with long texts, which the host cuts.

use plugbay::{CallError, CallErrorKind, Error, Reason};
use plugbay_fixtures::{Behaviour, ErrorKind, Export, Guest, with_core_section};

use crate::attack::{beside_a_neighbour, replace};
use crate::figures::alone;
use crate::support::Bytes;

const MIB: usize = 1 << 20;

/// The error of a call of this version of `bad`.
fn failure(guest: impl Into<Bytes>) -> CallError {
    let _alone = alone();
    let site = beside_a_neighbour("").host();
    let report = replace(&site, guest);
    assert_eq!(report.loaded, ["bad@2.0.0"], "{report:?}");
    match site.codec("bad").unwrap().encode_document(b"in").unwrap_err() {
        Error::Call(error) => error,
        error => panic!("expected a failed call, found {error}"),
    }
}

fn bad(behaviour: Behaviour) -> Guest {
    Guest::both("bad").version("2.0.0").on(Export::Encode, behaviour)
}

#[test]
fn an_error_of_a_mib() {
    let error = failure(bad(Behaviour::Error(ErrorKind::Internal, "x".repeat(MIB))));
    assert_eq!(error.kind(), CallErrorKind::Internal);
    assert!(error.message().ends_with("x… (1048576 bytes)"), "{error}");
    assert!(error.message().len() < 5_000);
}

#[test]
fn a_panic_of_a_mib() {
    let error = failure(bad(Behaviour::Panic("x".repeat(MIB))));
    assert_eq!(error.kind(), CallErrorKind::Panic);
    assert!(error.message().len() < 5_000);
}

#[test]
fn a_log_line_of_32_mib() {
    let _alone = alone();
    let site = beside_a_neighbour("").host();
    let guest = Guest::both("bad").version("2.0.0").on(Export::Health, Behaviour::Output(32 * MIB));
    let report = replace(&site, guest);
    let [rejected] = &report.rejected[..] else { panic!("{report:?}") };
    assert_eq!(rejected.reason, Reason::Unhealthy);
    assert!(rejected.message.ends_with("x… (33554432 bytes)"), "{}", rejected.message);
    assert!(rejected.message.len() < 5_000);
    assert_eq!(site.encode("bad"), "good");
}

#[test]
fn functions_with_names_of_100_kb() {
    const FUNCTIONS: u32 = 64;
    const LENGTH: u32 = 100_000;
    // A name section with the names of the functions.
    let mut names = leb(FUNCTIONS);
    for index in 0..FUNCTIONS {
        names.extend([leb(index), leb(LENGTH), vec![b'n'; LENGTH as usize]].concat());
    }
    let section = [vec![1], leb(u32::try_from(names.len()).unwrap()), names].concat();
    let error = failure(with_core_section(&bad(Behaviour::Trap).build(), "name", &section));
    assert_eq!(error.kind(), CallErrorKind::Trap);
    let backtrace = error.backtrace().unwrap();
    assert!(backtrace.starts_with("nnn") && backtrace.len() < 10_000, "{backtrace}");
}

/// An unsigned number in LEB128.
fn leb(mut number: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    loop {
        let low = u8::try_from(number & 0x7f).unwrap();
        number >>= 7;
        bytes.push(if number == 0 { low } else { low | 0x80 });
        if number == 0 {
            return bytes;
        }
    }
}
