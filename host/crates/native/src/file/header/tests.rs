//! Libraries of every system, made byte by byte. Libraries that compilers make are in the crate's
//! `tests/`.

use object::write::{Object as Writer, Symbol, SymbolSection};
use object::{Architecture, BinaryFormat, Endianness, SymbolFlags, SymbolKind, SymbolScope};
use plugbay_abi::{ENTRY, MAGIC};

use super::target::Target;
use super::*;

mod slow;

const LINUX: Target = Target::EACH[0];
const MAC: Target = Target::EACH[1];
const WINDOWS: Target = Target::EACH[2];
const MAINFRAME: Target =
    Target { architecture: Architecture::S390x, endianness: Endianness::Big, ..LINUX };

/// Numbers in the byte order of the target.
struct Bytes {
    big: bool,
    bytes: Vec<u8>,
}

impl Bytes {
    fn new(endianness: Endianness) -> Self {
        Self { big: endianness == Endianness::Big, bytes: Vec::new() }
    }

    /// A number of `size` bytes.
    fn number(&mut self, size: usize, value: u64) -> &mut Self {
        let (big, little) = (value.to_be_bytes(), value.to_le_bytes());
        self.bytes.extend_from_slice(if self.big { &big[8 - size..] } else { &little[..size] });
        self
    }

    fn numbers(&mut self, numbers: &[(usize, u64)]) -> &mut Self {
        for (size, value) in numbers {
            self.number(*size, *value);
        }
        self
    }

    fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(bytes);
        self
    }
}

fn header_of(endianness: Endianness) -> Vec<u8> {
    let Header { version, header_size, vtable_size, .. } = Header::CURRENT;
    let sizes = [(4, version.into()), (4, header_size.into()), (4, vtable_size.into()), (4, 0)];
    let mut bytes = Bytes::new(endianness);
    bytes.raw(&MAGIC).numbers(&sizes);
    bytes.bytes
}

/// Name, type, link, info, size of an entry, and content.
type Section<'a> = (u64, u64, u64, u64, u64, &'a [u8]);

/// A 64-bit ELF library with one section for the header and one exported symbol.
fn elf(target: Target, header: &[u8], symbol: &str) -> Vec<u8> {
    let machine = if target.architecture == Architecture::S390x { 22 } else { 62 };
    let names = b"\0.plugbay\0.dynsym\0.dynstr\0.names\0";
    let strings = [b"\0", symbol.as_bytes(), b"\0"].concat();
    let mut symbols = Bytes::new(target.endianness);
    symbols.raw(&[0; 24]).numbers(&[(4, 1), (1, 0x12), (1, 0), (2, 1), (8, 64), (8, 1)]);
    let sections: [Section<'_>; 4] = [
        (1, 1, 0, 0, 0, header),
        (10, 11, 3, 1, 24, &symbols.bytes),
        (18, 3, 0, 0, 0, &strings),
        (26, 3, 0, 0, 0, names),
    ];
    let content: usize = sections.iter().map(|section| section.5.len()).sum();
    let mut file = Bytes::new(target.endianness);
    file.raw(b"\x7fELF\x02").raw(&[if file_is_big(target) { 2 } else { 1 }, 1]).raw(&[0; 9]);
    let after = 64 + content as u64;
    file.numbers(&[(2, 3), (2, machine), (4, 1), (8, 0), (8, 0), (8, after), (4, 0)]);
    file.numbers(&[(2, 64), (2, 0), (2, 0), (2, 64), (2, 5), (2, 4)]);
    for section in sections {
        file.raw(section.5);
    }
    file.raw(&[0; 64]);
    let mut at = 64;
    for (name, kind, link, info, size, bytes) in sections {
        let length = bytes.len() as u64;
        file.numbers(&[(4, name), (4, kind), (8, 2), (8, 0), (8, at), (8, length)]);
        file.numbers(&[(4, link), (4, info), (8, 1), (8, size)]);
        at += length;
    }
    file.bytes
}

fn file_is_big(target: Target) -> bool {
    target.endianness == Endianness::Big
}

/// A Mach-O library, made of an object file by changing its type.
fn macho(architecture: Architecture) -> Vec<u8> {
    let mut file = Writer::new(BinaryFormat::MachO, architecture, Endianness::Little);
    let section =
        file.add_section(b"__DATA".into(), b"__plugbay".into(), object::SectionKind::Data);
    file.append_section_data(section, &header_of(Endianness::Little), 8);
    file.add_symbol(Symbol {
        name: ENTRY.into(),
        value: 0,
        size: 0,
        kind: SymbolKind::Data,
        scope: SymbolScope::Dynamic,
        weak: false,
        section: SymbolSection::Section(section),
        flags: SymbolFlags::None,
    });
    let mut bytes = file.write().unwrap();
    bytes[12] = 6; // MH_DYLIB
    bytes
}

/// A universal file of two Mach-O libraries.
fn fat(slices: [(u32, &[u8]); 2]) -> Vec<u8> {
    let mut file = Bytes::new(Endianness::Big);
    file.numbers(&[(4, 0xcafe_babe), (4, 2)]);
    let mut at = 48;
    for (processor, slice) in slices {
        let length = slice.len() as u64;
        file.numbers(&[(4, processor.into()), (4, 0), (4, at), (4, length), (4, 0)]);
        at += length;
    }
    file.raw(slices[0].1).raw(slices[1].1);
    file.bytes
}

/// A PE library for x86-64 with a section for the header and one for the exports.
fn pe(symbol: &str) -> Vec<u8> {
    let little = Endianness::Little;
    let header = header_of(little);
    let mut exports = Bytes::new(little);
    // addresses at 40, pointers to names at 44, ordinals at 48, the library's name at 50
    let base = 0x2000_u64;
    exports.numbers(&[(4, 0), (4, 0), (4, 0), (4, base + 50), (4, 1), (4, 1), (4, 1)]);
    exports.numbers(&[(4, base + 40), (4, base + 44), (4, base + 48)]);
    exports.numbers(&[(4, 0x1000), (4, base + 52), (2, 0)]).raw(b"x\0");
    exports.raw(symbol.as_bytes()).raw(b"\0");
    let mut file = Bytes::new(little);
    file.raw(b"MZ").raw(&[0; 58]).number(4, 64).raw(b"PE\0\0");
    file.numbers(&[(2, 0x8664), (2, 2), (4, 0), (4, 0), (4, 0), (2, 240), (2, 0x2022)]);
    let optional = file.bytes.len();
    file.number(2, 0x20b).raw(&[0; 106]).number(4, 16);
    file.numbers(&[(4, base), (4, exports.bytes.len() as u64)]);
    let missing = 240 - (file.bytes.len() - optional);
    file.raw(&vec![0; missing]);
    let mut at = file.bytes.len() as u64 + 80;
    for (name, address, bytes) in
        [(b".plugbay", 0x1000, &header), (b".edata\0\0", base, &exports.bytes)]
    {
        let length = bytes.len() as u64;
        file.raw(name).numbers(&[(4, length), (4, address), (4, length), (4, at)]);
        file.numbers(&[(4, 0), (4, 0), (2, 0), (2, 0), (4, 0x4000_0040)]);
        at += length;
    }
    file.raw(&header).raw(&exports.bytes);
    file.bytes
}

/// A library for Linux whose header was changed.
fn with(change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut header = header_of(Endianness::Little);
    change(&mut header);
    elf(LINUX, &header, ENTRY)
}

/// For every system, a library that it loads.
fn good() -> Vec<(&'static str, Target, Vec<u8>)> {
    let arm = macho(Architecture::Aarch64);
    let intel = macho(Architecture::X86_64);
    let intel_mac = Target { architecture: Architecture::X86_64, ..MAC };
    let both = fat([(0x0100_0007, &intel), (0x0100_000c, &arm)]);
    vec![
        ("elf", LINUX, elf(LINUX, &header_of(Endianness::Little), ENTRY)),
        ("big-endian elf", MAINFRAME, elf(MAINFRAME, &header_of(Endianness::Big), ENTRY)),
        ("mach-o", MAC, arm),
        ("universal mach-o", MAC, both.clone()),
        ("universal mach-o, the other half", intel_mac, both),
        ("pe", WINDOWS, pe(ENTRY)),
    ]
}

#[test]
fn libraries_of_every_system_are_read() {
    let Header { version, header_size, vtable_size, .. } = Header::CURRENT;
    for (name, target, bytes) in good() {
        let expected = LibraryHeader { version, header_size, vtable_size };
        assert_eq!(read_for(&bytes, target), Ok(expected), "{name}");
        assert!(recognises(&bytes) && is_whole(&bytes), "{name}");
        let wide = [bytes.as_slice(), b"appended"].concat();
        assert!(is_whole(&wide), "{name}: what follows does not matter");
    }
}

#[test]
fn a_truncated_library_is_not_whole() {
    for (name, target, bytes) in good() {
        for length in 0..bytes.len() {
            let cut = &bytes[..length];
            let whole = is_whole(cut);
            assert!(length == 0 || recognises(cut), "{name}: {length} bytes");
            let _ = read_for(cut, target);
            // The symbols of a Mach-O object file lie in no segment.
            assert!(!whole || name == "mach-o", "{name}: {length} of {}", bytes.len());
        }
    }
}

#[test]
fn any_wrong_byte_is_refused_without_a_panic() {
    for (name, target, bytes) in good() {
        for at in 0..bytes.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff, bytes[at] ^ 0x10] {
                let mut wrong = bytes.clone();
                wrong[at] = value;
                let _ = (recognises(&wrong), is_whole(&wrong));
                if let Err(error) = read_for(&wrong, target) {
                    assert!(error.to_string().starts_with("expected"), "{name}: {error}");
                    assert!(!error.hint().is_empty());
                }
            }
        }
    }
}

/// The message with which `host` refuses the library.
fn refused(bytes: &[u8], host: Target) -> String {
    read_for(bytes, host).unwrap_err().to_string()
}

#[test]
fn another_system_comes_before_another_processor() {
    let linux = elf(LINUX, &header_of(Endianness::Little), ENTRY);
    assert_eq!(
        refused(&linux, MAC),
        "expected a library in the format Mach-O (macOS), found ELF (Linux)"
    );
    assert_eq!(
        refused(&pe(ENTRY), MAINFRAME),
        "expected a library in the format ELF (Linux), found PE (Windows)"
    );
    assert_eq!(
        refused(&linux, MAINFRAME),
        "expected a library for s390x (big-endian), found one for x86-64"
    );
    let power = |endianness| Target { architecture: Architecture::X86_64, endianness, ..LINUX };
    assert_eq!(
        refused(&linux, power(Endianness::Big)),
        "expected a library for x86-64 (big-endian), found one for x86-64"
    );
    let intel = macho(Architecture::X86_64);
    let universal = fat([(0x0100_0007, &intel), (7, &intel)]);
    assert_eq!(
        refused(&universal, MAC),
        "expected a library for aarch64, found one for x86-64, i386"
    );
}

#[test]
fn narrow_libraries_are_for_other_processors() {
    // i386, and x32: the processor's 64 bits with pointers of 32.
    for (machine, found) in [(3, "i386"), (62, "x86-64 (x32)")] {
        let mut file = Bytes::new(Endianness::Little);
        file.raw(b"\x7fELF\x01\x01\x01").raw(&[0; 9]);
        file.numbers(&[(2, 3), (2, machine), (4, 1), (4, 0), (4, 0), (4, 0), (4, 0)]);
        file.numbers(&[(2, 52), (2, 0), (2, 0), (2, 40), (2, 0), (2, 0)]);
        let expected = format!("expected a library for x86-64, found one for {found}");
        assert_eq!(refused(&file.bytes, LINUX), expected);
    }
}

#[test]
fn the_header_is_checked_in_order() {
    let cases = [
        (with(|header| header[0] = b'p'), "begins with PLUGBAY\\x00, found \"pLUGBAY\\\\x00\""),
        (with(|header| header.truncate(4)), "begins with PLUGBAY\\x00, found \"PLUG\""),
        (with(|header| header[8] = 9), "expected ABI version 2, found 9"),
        (with(|header| header.truncate(14)), "expected a header of at least 24 bytes, found 14"),
        (with(|header| header[12] = 23), "expected a header of at least 24 bytes, found 23"),
        (with(|header| header[12] = 25), "expected a header of at least 24 bytes, found 24"),
        (with(|header| header[16] = 8), "expected a vtable of at least 64 bytes, found 8"),
    ];
    for (bytes, expected) in cases {
        let found = refused(&bytes, LINUX);
        assert!(found.contains(expected), "expected {expected}, found {found}");
    }
    // A later release may append to the header.
    let longer = with(|header| {
        header[12] = 32;
        header[16] = 200;
        header.extend_from_slice(&[7; 8]);
    });
    assert_eq!(read_for(&longer, LINUX).unwrap().vtable_size, 200);
}

#[test]
fn an_entry_under_another_name_is_refused() {
    let header = header_of(Endianness::Little);
    for bytes in [elf(LINUX, &header, "plugbay_entry_v1"), elf(LINUX, &header, "")] {
        assert_eq!(
            refused(&bytes, LINUX),
            "expected an exported symbol plugbay_entry_v2, found none"
        );
    }
    assert!(refused(&pe("plugbay_entry"), WINDOWS).contains("plugbay_entry_v2"));
}

#[test]
fn other_files_are_named() {
    let kinds = [
        (1, "an object file that is not linked"),
        (2, "an executable"),
        (4, "a core dump"),
        (9, "another kind of file"),
    ];
    for (kind, found) in kinds {
        let mut bytes = elf(LINUX, &header_of(Endianness::Little), ENTRY);
        bytes[16] = kind;
        // On every host, because the kind is checked first.
        assert_eq!(refused(&bytes, MAC), format!("expected a shared library, found {found}"));
    }
    assert_eq!(
        refused(b"!<arch>\nwhatever", LINUX),
        "expected a shared library, found a static library"
    );
    assert_eq!(
        refused(b"#!/bin/sh\n", LINUX),
        "expected a native library, found a file that begins with 23 21 2f 62 69 6e 2f 73"
    );
    assert!(refused(b"", LINUX).ends_with("begins with no bytes"));
    assert!(refused(b"\x7fELF", LINUX).contains("found one that cannot be read: "));
}

#[test]
fn only_libraries_are_recognised() {
    for bytes in [b"\x7fELF".as_slice(), b"MZ", b"\xca\xfe\xba\xbe", b"\x7fE", b"!<arch>\n"] {
        assert!(recognises(bytes), "{}", bytes.escape_ascii());
    }
    // The last is a Java class.
    for bytes in [b"".as_slice(), b"\0asm", b"{}", b"\xca\xfe\xba\xbe\0\0\0\x41"] {
        assert!(!recognises(bytes), "{}", bytes.escape_ascii());
    }
}
