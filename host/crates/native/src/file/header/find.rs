//! Finds a section and an exported symbol by name.
//!
//! The tables of a file are foreign. Thousands of entries may lead to one name of megabytes, and to
//! read each of them to its end would take hours; tables of symbol versions and tries of exports can
//! be made to take as long. So a name is compared in place, over as many bytes as the name that is
//! looked for has, and no other tables are read than those of the names. The work is linear in the
//! size of the file, and less than computing its digest.

use object::elf::{SHN_UNDEF, STB_LOCAL, STV_DEFAULT, STV_PROTECTED};
use object::pe::IMAGE_DIRECTORY_ENTRY_EXPORT;
use object::read::elf::{ElfFile, FileHeader, SectionHeader, Sym};
use object::read::macho::{MachHeader, MachOFile, Nlist};
use object::read::pe::{ExportTable, ImageNtHeaders, PeFile};
use object::{Endianness, File, LittleEndian, Object, ObjectSection, SectionIndex};

/// The content of the first section called `name`.
pub(super) fn section<'a>(file: &File<'a>, name: &[u8]) -> object::Result<Option<&'a [u8]>> {
    match file {
        File::Elf32(file) => section_of_elf(file, name),
        File::Elf64(file) => section_of_elf(file, name),
        File::MachO32(file) => section_of_macho(file, name),
        File::MachO64(file) => section_of_macho(file, name),
        File::Pe32(file) => section_of_pe(file, name),
        File::Pe64(file) => section_of_pe(file, name),
        _ => Ok(None),
    }
}

/// Whether the loader would find the symbol `name`.
pub(super) fn exports(file: &File<'_>, name: &str) -> object::Result<bool> {
    match file {
        File::Elf32(file) => elf_exports(file, name.as_bytes()),
        File::Elf64(file) => elf_exports(file, name.as_bytes()),
        File::MachO32(file) => macho_exports(file, format!("_{name}").as_bytes()),
        File::MachO64(file) => macho_exports(file, format!("_{name}").as_bytes()),
        File::Pe32(file) => pe_exports(file, name.as_bytes()),
        File::Pe64(file) => pe_exports(file, name.as_bytes()),
        _ => Ok(false),
    }
}

/// Whether the zero-terminated text at `at` is `name`.
fn is_named(texts: &[u8], at: u32, name: &[u8]) -> bool {
    let found = texts.get(at as usize..).unwrap_or_default();
    found.strip_prefix(name).is_some_and(|rest| rest.first() == Some(&0))
}

fn section_of_elf<'a, Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'a, Elf>,
    name: &[u8],
) -> object::Result<Option<&'a [u8]>> {
    let (endian, data) = (file.endian(), file.data());
    let sections = file.elf_section_table();
    if sections.is_empty() {
        return Ok(None);
    }
    let names = file.elf_header().section_strings_index(endian, data)?;
    let names = sections.section(names)?.data(endian, data)?;
    let mut found = sections.iter().filter(|it| is_named(names, it.sh_name(endian), name));
    found.next().map(|section| section.data(endian, data)).transpose()
}

fn elf_exports<Elf: FileHeader<Endian = Endianness>>(
    file: &ElfFile<'_, Elf>,
    name: &[u8],
) -> object::Result<bool> {
    let endian = file.endian();
    let symbols = file.elf_dynamic_symbol_table();
    if symbols.string_section() == SectionIndex(0) {
        return Ok(false);
    }
    let names = file.elf_section_table().section(symbols.string_section())?;
    let names = names.data(endian, file.data())?;
    Ok(symbols.iter().any(|symbol| {
        symbol.st_bind() != STB_LOCAL
            && symbol.st_shndx(endian) != SHN_UNDEF
            && [STV_DEFAULT, STV_PROTECTED].contains(&symbol.st_visibility())
            && is_named(names, symbol.st_name(endian), name)
    }))
}

fn section_of_macho<'a, Mach: MachHeader<Endian = Endianness>>(
    file: &MachOFile<'a, Mach>,
    name: &[u8],
) -> object::Result<Option<&'a [u8]>> {
    // The names of sections are 16 bytes in the table itself.
    let mut found = file.sections().filter(|section| section.name_bytes() == Ok(name));
    found.next().map(|section| section.data()).transpose()
}

fn macho_exports<Mach: MachHeader<Endian = Endianness>>(
    file: &MachOFile<'_, Mach>,
    name: &[u8],
) -> object::Result<bool> {
    let (endian, data) = (file.endian(), file.data());
    let mut commands = file.macho_load_commands()?;
    // The last symbol table, which is the one that `object` reads the symbols from.
    let mut names: &[u8] = &[];
    while let Some(command) = commands.next()? {
        if let Some(table) = command.symtab()? {
            let start = table.stroff.get(endian) as usize;
            let end = start.saturating_add(table.strsize.get(endian) as usize);
            names = data.get(start..end).unwrap_or_default();
        }
    }
    Ok(file.macho_symbol_table().iter().any(|symbol| {
        let kind = symbol.n_type();
        symbol.is_definition()
            && kind.is_ext()
            && !kind.is_pext()
            && is_named(names, symbol.n_strx(endian), name)
    }))
}

fn section_of_pe<'a, Pe: ImageNtHeaders>(
    file: &PeFile<'a, Pe>,
    name: &[u8],
) -> object::Result<Option<&'a [u8]>> {
    // The name in the table itself, of at most 8 bytes: the loader does not know longer ones.
    let sections = file.section_table();
    let mut found = sections.iter().filter(|section| section.raw_name() == name);
    found.next().map(|section| section.pe_data(file.data())).transpose()
}

fn pe_exports<Pe: ImageNtHeaders>(file: &PeFile<'_, Pe>, name: &[u8]) -> object::Result<bool> {
    let Some(directory) = file.data_directories().get(IMAGE_DIRECTORY_ENTRY_EXPORT) else {
        return Ok(false);
    };
    let data = directory.data(file.data(), &file.section_table())?;
    let address = directory.virtual_address.get(LittleEndian);
    let exports = ExportTable::parse(data, address)?;
    Ok(exports
        .name_pointers()
        .iter()
        .any(|pointer| is_named(data, pointer.get(LittleEndian).wrapping_sub(address), name)))
}
