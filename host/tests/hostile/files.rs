//! Files that are large, unusual or damaged: they are refused or served in time, and the neighbour
//! answers meanwhile.

use std::time::{Duration, Instant};

use plugbay::Reason;
use plugbay_fixtures::{Guest, with_core_section, with_cut_section, with_section};

use crate::attack::{beside_a_neighbour, replace, restore_good};
use crate::figures::{Figures, alone};
use crate::neighbour::Watch;

/// How long a reconciliation with any of these files may take, unoptimized and on a busy machine.
const RECONCILE_TIMEOUT: Duration = Duration::from_mins(3);
const MB: usize = 1_000_000;

/// Replaces the good version by the file, and restores it. The file is served, or refused with this
/// reason and this part of the message.
fn withstand(file: &[u8], refused: Option<(Reason, &str)>) {
    let _alone = alone();
    let site = beside_a_neighbour("").host();
    let visit = |bytes: Vec<u8>| {
        let began = Instant::now();
        let report = replace(&site, bytes);
        let took = began.elapsed();
        assert!(took < RECONCILE_TIMEOUT, "the reconciliation took {took:?}");
        match (refused, &report.rejected[..]) {
            (None, []) => assert_eq!(report.loaded, ["bad@2.0.0"]),
            (Some((reason, part)), [rejected]) => {
                assert_eq!(rejected.reason, reason, "{rejected:?}");
                assert!(rejected.message.contains(part), "{rejected:?}");
                assert!(!report.published, "{report:?}");
            }
            _ => panic!("expected {refused:?}, found {report:?}"),
        }
        let expected = if refused.is_some() { "good" } else { "second" };
        assert_eq!(site.encode("bad"), expected);
        restore_good(&site);
    };
    // The first visit fills the caches before the measurement. One more section makes another file.
    visit(with_section(file, "first", &[]));
    let before = Figures::now();
    Watch::during(&site, || visit(file.to_vec()));
    before.wait_until_released();
}

fn assert_refused(file: &[u8], reason: Reason, part: &str) {
    withstand(file, Some((reason, part)));
}

fn assert_served(file: &[u8]) {
    withstand(file, None);
}

fn guest() -> Guest {
    Guest::both("bad").version("2.0.0").stamp("second")
}

#[test]
fn ten_thousand_functions() {
    assert_served(&guest().functions(10_000).build());
}

#[test]
fn a_custom_section_of_100_mb() {
    assert_served(&guest().padding(100 * MB).build());
}

#[test]
fn data_of_100_mb() {
    assert_served(&guest().data(100 * MB).build());
}

#[test]
fn a_memory_of_100_mb_from_the_start() {
    let message = "expected at most 67108864 bytes of memory";
    assert_refused(&guest().pages(1600).build(), Reason::Init, message);
}

#[test]
fn a_file_of_100_mb_that_only_begins_as_a_component() {
    let mut file = guest().build();
    // A section with the rest of the file, of an unknown kind.
    file.extend([0x7f, 0x80, 0xc2, 0xd7, 0x2f]);
    file.resize(file.len() + 100 * MB, 0);
    assert_refused(&file, Reason::Malformed, "malformed section id: 127");
}

/// Names of sections that have a meaning for tools.
const KNOWN: [&str; 7] = [
    "name",
    "component-name",
    "producers",
    "target_features",
    "component-type",
    "sourceMappingURL",
    ".debug_info",
];

/// Such sections are only used for backtraces: garbage in them is not a reason to refuse a plugin.
#[test]
fn custom_sections_of_garbage() {
    assert_served(&KNOWN.iter().fold(guest().build(), |bytes, name| {
        let bytes = with_section(&bytes, name, &[0xff; 100]);
        with_core_section(&bytes, name, b"\x01\xff\xff\xff\xff\x0f\x00")
    }));
}

#[test]
fn ten_thousand_custom_sections() {
    let section = with_section(&[], "producers", &[0xff; 100]);
    assert_served(&[guest().build(), section.repeat(10_000)].concat());
}

#[test]
fn a_custom_section_that_ends_within_its_name() {
    assert_refused(&with_cut_section(&guest().build()), Reason::Malformed, "unexpected end");
}

/// Each level is read by all outer levels: to compile this many takes seconds.
#[test]
fn ten_thousand_components_within_each_other() {
    let file = [guest().build(), nested(10_000)].concat();
    assert_refused(&file, Reason::Malformed, "components nested");
}

/// A section with a component with a section with a component, and so on.
fn nested(depth: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..depth {
        let component = [b"\0asm\x0d\0\x01\0", &bytes[..]].concat();
        bytes = vec![4];
        let mut rest = component.len();
        while rest >= 0x80 {
            bytes.push(u8::try_from(rest % 0x80).unwrap() | 0x80);
            rest /= 0x80;
        }
        bytes.push(u8::try_from(rest).unwrap());
        bytes.extend(component);
    }
    bytes
}
