//! Reads from a library's bytes what it is, before any of its code runs.
//!
//! To open a library is to run it: its constructors run before `dlopen` returns. So everything that
//! can be read from the file is read from the file: its kind, the system and processor that it was
//! built for, and the [`Header`] that every plugin carries in a section of its own. The checks are
//! made in the order in which [`HeaderError`] lists them.
//!
//! ELF: System V ABI, chapter 4; Mach-O: `mach-o/loader.h`; PE: Microsoft's "PE Format".
//!
//! Whatever the bytes are, nothing here panics, allocates by a number that the file gives, or takes
//! longer than reading the file once.

mod error;
mod extent;
mod find;
mod target;
#[cfg(test)]
mod tests;

use object::elf::{DF_1_PIE, DT_FLAGS_1, PF_X, PT_GNU_STACK};
use object::read::elf::{ElfFile, FileHeader, ProgramHeader};
use object::read::macho::{FatArch, MachOFatFile};
use object::{BinaryFormat, Endianness, File, FileKind, Object, ObjectKind};
use plugbay_abi::{ENTRY, Header, MAGIC, VERSION};

pub use error::HeaderError;
pub use extent::is_whole;
use target::Target;

/// The versions of the native ABI that this host serves.
pub const ABI_VERSIONS: &[u32] = &[VERSION];

/// What a plugin's header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LibraryHeader {
    /// The version of the ABI; one of [`ABI_VERSIONS`].
    pub version: u32,
    /// The size of the header in bytes.
    pub header_size: u32,
    /// The size of the plugin's vtable in bytes.
    pub vtable_size: u32,
}

/// The first bytes of each kind of file that is read here. Archives are among them, so that the
/// refusal of a static library can say that it is one.
const MAGICS: [&[u8]; 9] = [
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xce\xfa\xed\xfe",
    b"\xfe\xed\xfa\xcf",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
    b"MZ",
    ARCHIVE,
];
const ARCHIVE: &[u8] = b"!<arch>\n";

/// Whether the bytes begin like a native library of any system. A file that is shorter than such a
/// beginning counts as a library: it may still be being written.
#[must_use]
pub fn recognises(bytes: &[u8]) -> bool {
    let begins = |magic: &&[u8]| {
        let length = magic.len().min(bytes.len());
        length > 0 && bytes[..length] == magic[..length]
    };
    MAGICS.iter().any(begins) && !is_java(bytes)
}

/// Whether the bytes begin like a static library (`.a`, `.rlib`), which no loader opens.
#[must_use]
pub(crate) fn is_archive(bytes: &[u8]) -> bool {
    bytes.starts_with(ARCHIVE)
}

/// Whether the bytes are a Java class, which begins like a universal Mach-O file. Where such a file
/// has the number of its architectures, a class has its version, which is at least 45.
fn is_java(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\xca\xfe\xba\xbe")
        && bytes.get(4..8).is_some_and(|at| u32::from_be_bytes([at[0], at[1], at[2], at[3]]) >= 45)
}

/// Reads the header of a library for this process.
///
/// # Errors
///
/// The first check that the file fails.
pub fn read(bytes: &[u8]) -> Result<LibraryHeader, HeaderError> {
    read_for(bytes, Target::host())
}

fn read_for(bytes: &[u8], host: Target) -> Result<LibraryHeader, HeaderError> {
    if is_archive(bytes) {
        return Err(HeaderError::Kind { found: "a static library" });
    }
    if !recognises(bytes) {
        return Err(HeaderError::NoObject { found: beginning(bytes) });
    }
    let file = match FileKind::parse(bytes).map_err(malformed)? {
        FileKind::MachOFat32 => {
            let fat = MachOFatFile::<object::macho::FatArch32>::parse(bytes).map_err(malformed)?;
            slice(bytes, fat.arches(), host)?
        }
        FileKind::MachOFat64 => {
            let fat = MachOFatFile::<object::macho::FatArch64>::parse(bytes).map_err(malformed)?;
            slice(bytes, fat.arches(), host)?
        }
        _ => File::parse(bytes).map_err(malformed)?,
    };
    check_kind(&file)?;
    let found = Target::of(&file);
    if found.format != host.format {
        return Err(HeaderError::System { expected: host.system(), found: found.system() });
    }
    if !found.fits(host) {
        return Err(HeaderError::Architecture { expected: host.name(), found: found.name() });
    }
    let header = section(&file)?;
    if !find::exports(&file, ENTRY).map_err(malformed)? {
        return Err(HeaderError::NoEntry { symbol: ENTRY });
    }
    if wants_executable_stack(&file) {
        return Err(HeaderError::ExecutableStack);
    }
    Ok(header)
}

/// As [`read`], for a host of each system, for the fuzzer.
#[doc(hidden)]
pub fn read_on_each(bytes: &[u8]) -> [Result<LibraryHeader, HeaderError>; 3] {
    Target::EACH.map(|host| read_for(bytes, host))
}

/// The part of a universal Mach-O file that is built for `host`.
fn slice<'a, A: FatArch>(
    bytes: &'a [u8],
    arches: &[A],
    host: Target,
) -> Result<File<'a>, HeaderError> {
    let Some(arch) = arches.iter().find(|arch| arch.architecture() == host.architecture) else {
        let names: Vec<_> =
            arches.iter().take(8).map(|arch| target::name(arch.architecture())).collect();
        return Err(HeaderError::Architecture { expected: host.name(), found: names.join(", ") });
    };
    File::parse(arch.data(bytes).map_err(malformed)?).map_err(malformed)
}

fn check_kind(file: &File<'_>) -> Result<(), HeaderError> {
    let found = match file.kind() {
        ObjectKind::Dynamic if is_position_independent_executable(file) => "an executable",
        ObjectKind::Dynamic => return Ok(()),
        ObjectKind::Executable => "an executable",
        ObjectKind::Relocatable => "an object file that is not linked",
        ObjectKind::Core => "a core dump",
        _ => "another kind of file",
    };
    Err(HeaderError::Kind { found })
}

/// Whether an ELF file is such an executable: its type is that of a shared library, too, and only a
/// flag tells them apart.
fn is_position_independent_executable(file: &File<'_>) -> bool {
    fn flagged<Elf: FileHeader<Endian = Endianness>>(file: &ElfFile<'_, Elf>) -> bool {
        let Ok(table) = file.elf_dynamic_table() else { return false };
        table.iter().any(|entry| entry.tag == DT_FLAGS_1 && entry.val & DF_1_PIE.0 != 0)
    }
    match file {
        File::Elf32(file) => flagged(file),
        File::Elf64(file) => flagged(file),
        _ => false,
    }
}

/// Whether the library asks for executable stacks, which the loader would give the whole process.
fn wants_executable_stack(file: &File<'_>) -> bool {
    fn asked<Elf: FileHeader<Endian = Endianness>>(file: &ElfFile<'_, Elf>) -> bool {
        let endian = file.endian();
        file.elf_program_headers().iter().any(|segment| {
            segment.p_type(endian) == PT_GNU_STACK && segment.p_flags(endian).contains(PF_X)
        })
    }
    match file {
        File::Elf32(file) => asked(file),
        File::Elf64(file) => asked(file),
        _ => false,
    }
}

/// Reads the section that only plugins have.
fn section(file: &File<'_>) -> Result<LibraryHeader, HeaderError> {
    let name = if file.format() == BinaryFormat::MachO { "__plugbay" } else { ".plugbay" };
    let data = find::section(file, name.as_bytes())
        .map_err(malformed)?
        .ok_or(HeaderError::NoHeader { section: name.to_owned() })?;
    let number = |at: usize| -> Option<u32> {
        let bytes: [u8; 4] = data.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(match file.endianness() {
            Endianness::Little => u32::from_le_bytes(bytes),
            Endianness::Big => u32::from_be_bytes(bytes),
        })
    };
    let magic = data.get(..MAGIC.len()).unwrap_or(data);
    if magic != MAGIC {
        return Err(HeaderError::Magic { found: magic.escape_ascii().to_string() });
    }
    let Header { header_size: header_bytes, vtable_size: vtable_bytes, .. } = Header::CURRENT;
    let cut = HeaderError::HeaderSize { expected: header_bytes, found: data.len() as u64 };
    let version = number(std::mem::offset_of!(Header, version)).ok_or_else(|| cut.clone())?;
    if !ABI_VERSIONS.contains(&version) {
        return Err(HeaderError::Version { found: version });
    }
    let header_size =
        number(std::mem::offset_of!(Header, header_size)).ok_or_else(|| cut.clone())?;
    if header_size < header_bytes {
        return Err(HeaderError::HeaderSize { expected: header_bytes, found: header_size.into() });
    }
    if u64::from(header_size) > data.len() as u64 {
        return Err(cut);
    }
    let vtable_size = number(std::mem::offset_of!(Header, vtable_size)).ok_or(cut)?;
    if vtable_size < vtable_bytes {
        return Err(HeaderError::VtableSize { expected: vtable_bytes, found: vtable_size });
    }
    Ok(LibraryHeader { version, header_size, vtable_size })
}

fn malformed(error: object::Error) -> HeaderError {
    HeaderError::Malformed { message: error.to_string() }
}

/// The first bytes, in hexadecimal.
fn beginning(bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return "no bytes".to_owned();
    }
    let hex: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    hex.join(" ")
}
