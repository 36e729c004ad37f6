//! Libraries that take a naive reader hours: tables of many entries, each of which leads to the same
//! long name.

use std::time::{Duration, Instant};

use super::*;

/// Read to its end for each entry, such a name takes minutes.
const SIZE: usize = 16 << 20;
/// As long as a busy machine needs to look at so many bytes, and far less than those minutes.
const TIMEOUT: Duration = Duration::from_secs(5);

/// An ELF library of sections after the first, which are placed one after the other; the names
/// of all are in the section with index 1.
fn with_sections(sections: &[Section<'_>]) -> Vec<u8> {
    let little = Endianness::Little;
    let content: usize = sections.iter().map(|section| section.5.len()).sum();
    let after = (64 + content) as u64;
    let count = sections.len() as u64 + 1;
    // A number that is too large for the header is stored in the first section.
    let (few, many) = if count < 0xff00 { (count, 0) } else { (0, count) };
    let mut file = Bytes::new(little);
    file.raw(b"\x7fELF\x02\x01\x01").raw(&[0; 9]);
    file.numbers(&[(2, 3), (2, 62), (4, 1), (8, 0), (8, 0), (8, after), (4, 0)]);
    file.numbers(&[(2, 64), (2, 0), (2, 0), (2, 64), (2, few), (2, 1)]);
    for section in sections {
        file.raw(section.5);
    }
    file.raw(&[0; 32]).number(8, many).raw(&[0; 24]);
    let mut at = 64;
    for (name, kind, link, info, size, bytes) in sections {
        let length = bytes.len() as u64;
        file.numbers(&[(4, *name), (4, *kind), (8, 2), (8, 0), (8, at), (8, length)]);
        file.numbers(&[(4, *link), (4, *info), (8, 1), (8, *size)]);
        at += length;
    }
    file.bytes
}

/// Reads the library, and expects it to be refused within a bound.
#[track_caller]
fn is_soon_refused(bytes: &[u8], host: Target, found: &str) {
    let begun = Instant::now();
    assert!(is_whole(bytes));
    let error = refused(bytes, host);
    assert!(error.contains(found), "{error}");
    assert!(begun.elapsed() < TIMEOUT, "it took {:?}", begun.elapsed());
}

fn long_name() -> Vec<u8> {
    [b"\0.plugbay\0".as_slice(), &vec![b'a'; SIZE / 2], b"\0"].concat()
}

const NO_ENTRY: &str = "expected an exported symbol plugbay_entry_v2, found none";

#[test]
fn many_sections_of_one_long_name() {
    let names = long_name();
    let mut sections: Vec<Section<'_>> = vec![(0, 3, 0, 0, 0, &names)];
    sections.resize(SIZE / 2 / 64, (10, 1, 0, 0, 0, b""));
    is_soon_refused(&with_sections(&sections), LINUX, "expected a section .plugbay");
    let header = header_of(Endianness::Little);
    sections.push((1, 1, 0, 0, 0, &header));
    is_soon_refused(&with_sections(&sections), LINUX, NO_ENTRY);
}

#[test]
fn many_symbols_of_one_long_name() {
    let (names, header) = (long_name(), header_of(Endianness::Little));
    let mut symbol = Bytes::new(Endianness::Little);
    symbol.numbers(&[(4, 10), (1, 0x12), (1, 0), (2, 1), (8, 64), (8, 1)]);
    let symbols = symbol.bytes.repeat(SIZE / 2 / 24);
    let bytes = with_sections(&[
        (0, 3, 0, 0, 0, &names),
        (1, 1, 0, 0, 0, &header),
        (0, 11, 1, 1, 24, &symbols),
    ]);
    is_soon_refused(&bytes, LINUX, NO_ENTRY);
}

#[test]
fn many_versions_that_share_a_chain() {
    let (names, header) = (long_name(), header_of(Endianness::Little));
    let count = SIZE as u64 / 2 / 16;
    // Each version claims 65,535 names, of which the first is the last of the table.
    let mut versions = Bytes::new(Endianness::Little);
    for index in 0..count {
        let next = if index + 1 < count { 16 } else { 0 };
        versions.numbers(&[(2, 1), (2, 0xffff), (4, 0), (4, 16 * (count - index)), (4, next)]);
    }
    versions.numbers(&[(4, 0), (2, 0), (2, 2), (4, 10), (4, 0)]);
    let bytes = with_sections(&[
        (0, 3, 0, 0, 0, &names),
        (1, 1, 0, 0, 0, &header),
        (0, 11, 1, 1, 24, &[0; 24]),
        (0, 0x6fff_ffff, 3, 0, 2, &[0; 2]),
        (0, 0x6fff_fffe, 1, count, 0, &versions.bytes),
    ]);
    is_soon_refused(&bytes, LINUX, NO_ENTRY);
}

#[test]
fn many_symbols_of_a_mac() {
    let names = long_name();
    let header = header_of(Endianness::Little);
    let count = SIZE as u64 / 2 / 16;
    let (segment, table) = (72 + 80, 24);
    let (at, strings) = (32 + segment + table, 32 + segment + table + 24 + 16 * count);
    let mut file = Bytes::new(Endianness::Little);
    file.numbers(&[(4, 0xfeed_facf), (4, 0x0100_000c), (4, 0), (4, 6), (4, 2)]);
    file.numbers(&[(4, segment + table), (4, 0), (4, 0)]);
    file.numbers(&[(4, 0x19), (4, segment)]).raw(b"__DATA\0\0\0\0\0\0\0\0\0\0");
    file.numbers(&[(8, 0), (8, 24), (8, at), (8, 24), (4, 3), (4, 3), (4, 1), (4, 0)]);
    file.raw(b"__plugbay\0\0\0\0\0\0\0__DATA\0\0\0\0\0\0\0\0\0\0");
    file.numbers(&[
        (8, 0),
        (8, 24),
        (4, at),
        (4, 3),
        (4, 0),
        (4, 0),
        (4, 0),
        (4, 0),
        (4, 0),
        (4, 0),
    ]);
    file.numbers(&[(4, 2), (4, table), (4, at + 24), (4, count), (4, strings)]);
    file.number(4, names.len() as u64).raw(&header);
    for _ in 0..count {
        file.numbers(&[(4, 10), (1, 0x0f), (1, 1), (2, 0), (8, 0)]);
    }
    file.raw(&names);
    is_soon_refused(&file.bytes, MAC, NO_ENTRY);
}

#[test]
fn many_exports_of_a_dll() {
    let mut bytes = pe("plugbay_entry");
    // The section of exports is the last, so that it can grow.
    let base = 0x2000_u64;
    let count = SIZE as u64 / 2 / 6;
    let names = base + 40;
    let ordinals = names + 4 * count;
    let text = ordinals + 2 * count;
    let mut exports = Bytes::new(Endianness::Little);
    exports.numbers(&[(4, 0), (4, 0), (4, 0), (4, text), (4, 1), (4, 0), (4, count)]);
    exports.numbers(&[(4, 0), (4, names), (4, ordinals)]);
    for _ in 0..count {
        exports.number(4, text);
    }
    exports
        .raw(&vec![0; 2 * usize::try_from(count).unwrap()])
        .raw(&vec![b'a'; SIZE / 2])
        .raw(b"\0");
    let size = u32::try_from(exports.bytes.len()).unwrap().to_le_bytes();
    let at = bytes.windows(8).position(|it| it == b".edata\0\0").unwrap();
    let place = u32::from_le_bytes(bytes[at + 20..at + 24].try_into().unwrap()) as usize;
    bytes.truncate(place);
    bytes[at + 8..at + 12].copy_from_slice(&size);
    bytes[at + 16..at + 20].copy_from_slice(&size);
    let directory = 64 + 24 + 112;
    bytes[directory + 4..directory + 8].copy_from_slice(&size);
    bytes.extend_from_slice(&exports.bytes);
    is_soon_refused(&bytes, WINDOWS, NO_ENTRY);
}
