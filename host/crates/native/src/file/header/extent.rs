//! How long a file should be, by its own tables.

use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::read::macho::{FatArch, MachHeader, MachOFatFile};
use object::{Endianness, FileKind, elf, macho, pe};

/// Whether the file has all the bytes that its tables speak of: false for a file that is still being
/// written, or was truncated. A file without such tables counts as whole; [`read`](super::read) then
/// says what is wrong with it.
#[must_use]
pub fn is_whole(bytes: &[u8]) -> bool {
    extent(bytes).is_some_and(|extent| extent <= bytes.len() as u64)
}

/// How many bytes the file should have; `None` if it ends before the tables that say it.
fn extent(bytes: &[u8]) -> Option<u64> {
    // `object` needs this many bytes to tell the format of a file.
    if bytes.len() < 16 {
        return None;
    }
    match FileKind::parse(bytes) {
        Ok(FileKind::Elf32) => of_elf::<elf::FileHeader32<Endianness>>(bytes),
        Ok(FileKind::Elf64) => of_elf::<elf::FileHeader64<Endianness>>(bytes),
        Ok(FileKind::MachO32) => of_macho::<macho::MachHeader32<Endianness>>(bytes),
        Ok(FileKind::MachO64) => of_macho::<macho::MachHeader64<Endianness>>(bytes),
        Ok(FileKind::MachOFat32) => of_fat::<macho::FatArch32>(bytes),
        Ok(FileKind::MachOFat64) => of_fat::<macho::FatArch64>(bytes),
        // Recognised by its two letters alone: the rest may not be there yet.
        _ if bytes.starts_with(b"MZ") => of_pe(bytes),
        _ => Some(0),
    }
}

/// The end of a table of `count` entries.
fn end(start: impl Into<u64>, count: u64, size: u64) -> u64 {
    start.into().saturating_add(count.saturating_mul(size))
}

fn of_elf<Elf: FileHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<u64> {
    if bytes.len() < size_of::<Elf>() {
        return None;
    }
    // There are enough bytes, so the header itself is wrong.
    let Ok(header) = Elf::parse(bytes) else { return Some(0) };
    let Ok(endian) = header.endian() else { return Some(0) };
    let segments = end(
        header.e_phoff(endian),
        header.e_phnum(endian).into(),
        header.e_phentsize(endian).into(),
    );
    let sections = end(
        header.e_shoff(endian),
        header.e_shnum(endian).into(),
        header.e_shentsize(endian).into(),
    );
    let tables = segments.max(sections);
    if tables > bytes.len() as u64 {
        return None;
    }
    let mut extent = tables;
    for segment in header.program_headers(endian, bytes).unwrap_or_default() {
        extent = extent.max(end(segment.p_offset(endian), segment.p_filesz(endian).into(), 1));
    }
    for section in header.section_headers(endian, bytes).unwrap_or_default() {
        if let Some((offset, size)) = section.file_range(endian) {
            extent = extent.max(end(offset, size, 1));
        }
    }
    Some(extent)
}

fn of_macho<Mach: MachHeader<Endian = Endianness>>(bytes: &[u8]) -> Option<u64> {
    if bytes.len() < size_of::<Mach>() {
        return None;
    }
    let Ok(header) = Mach::parse(bytes, 0) else { return Some(0) };
    let Ok(endian) = header.endian() else { return Some(0) };
    let commands = end(size_of::<Mach>() as u64, header.sizeofcmds(endian).into(), 1);
    if commands > bytes.len() as u64 {
        return None;
    }
    let mut extent = commands;
    let Ok(mut commands) = header.load_commands(endian, bytes, 0) else { return Some(0) };
    while let Ok(Some(command)) = commands.next() {
        if let Ok(Some((segment, _))) = command.segment_64() {
            extent = extent.max(end(segment.fileoff.get(endian), segment.filesize.get(endian), 1));
        } else if let Ok(Some((segment, _))) = command.segment_32() {
            extent = extent.max(end(
                segment.fileoff.get(endian),
                segment.filesize.get(endian).into(),
                1,
            ));
        }
    }
    Some(extent)
}

fn of_fat<A: FatArch>(bytes: &[u8]) -> Option<u64> {
    // The parse fails if a part of the list is missing.
    let fat = MachOFatFile::<A>::parse(bytes).ok()?;
    let ends = fat.arches().iter().map(|arch| {
        let (offset, size) = arch.file_range();
        end(offset, size, 1)
    });
    ends.max().or(Some(0))
}

fn of_pe(bytes: &[u8]) -> Option<u64> {
    let number = |at: usize| -> Option<u32> {
        Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
    };
    let headers = usize::try_from(number(0x3c)?).ok()?;
    let file_header = headers.checked_add(4)?;
    if bytes.get(headers..file_header)? != b"PE\0\0" {
        return Some(0);
    }
    let half = |at: usize| -> Option<u16> {
        Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
    };
    let count = usize::from(half(file_header.checked_add(2)?)?);
    let optional = usize::from(half(file_header.checked_add(16)?)?);
    let table = file_header.checked_add(20)?.checked_add(optional)?;
    let size = size_of::<pe::ImageSectionHeader>();
    let mut extent = end(table as u64, count as u64, size as u64);
    for index in 0..count {
        let section = table.checked_add(index.checked_mul(size)?)?;
        let (raw, at) = (number(section.checked_add(16)?)?, number(section.checked_add(20)?)?);
        if at != 0 {
            extent = extent.max(end(at, raw.into(), 1));
        }
    }
    Some(extent)
}
