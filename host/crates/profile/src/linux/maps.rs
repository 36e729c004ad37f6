//! Which files of machine code are where in memory, as `/proc/self/maps` lists them.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// A part of a file that is mapped for execution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mapped {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) offset: u64,
    inode: u64,
    /// The path; or a name in brackets, such as `[vdso]`; or nothing.
    pub(super) file: String,
}

/// All of them, by their addresses.
pub(super) fn read() -> io::Result<Vec<Mapped>> {
    Ok(fs::read_to_string("/proc/self/maps")?.lines().filter_map(parse).collect())
}

/// A line such as `7f00-7f80 r-xp 00001000 08:01 1234   /usr/lib/libc.so.6`; `None` if it is not executable.
fn parse(line: &str) -> Option<Mapped> {
    let (addresses, rest) = line.split_once(' ')?;
    let (start, end) = addresses.split_once('-')?;
    let (access, rest) = rest.split_once(' ')?;
    let (offset, rest) = rest.split_once(' ')?;
    let (_device, rest) = rest.split_once(' ')?;
    let (inode, file) = rest.split_once(' ').unwrap_or((rest, ""));
    let mapped = Mapped {
        start: usize::from_str_radix(start, 16).ok()?,
        end: usize::from_str_radix(end, 16).ok()?,
        offset: u64::from_str_radix(offset, 16).ok()?,
        inode: inode.parse().ok()?,
        file: file.trim_start().to_owned(),
    };
    access.contains('x').then_some(mapped)
}

impl Mapped {
    pub(super) fn contains(&self, address: usize) -> bool {
        (self.start..self.end).contains(&address)
    }

    /// The file's name without its folders.
    pub(super) fn name(&self) -> &str {
        let name = Path::new(&self.file).file_name().and_then(|name| name.to_str());
        name.unwrap_or(if self.file.is_empty() { "unknown code" } else { &self.file })
    }

    /// Opens the file that is mapped.
    ///
    /// # Errors
    ///
    /// If it is no file, or another one has its path now.
    pub(super) fn open(&self) -> io::Result<File> {
        let is_this = |file: &File| file.metadata().is_ok_and(|is| is.ino() == self.inode);
        // The program itself, also after it was replaced by a newer one.
        let program = File::open("/proc/self/exe");
        if let Ok(program) = program
            && is_this(&program)
        {
            return Ok(program);
        }
        let file = File::open(&self.file)?;
        if is_this(&file) { Ok(file) } else { Err(io::Error::other("another file has this path")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn executable_parts_of_files_are_read() {
        let libc = "7f1c00028000-7f1c001bd000 r-xp 00028000 08:01 1972   /usr/lib/a b/libc.so.6";
        let libc = parse(libc).unwrap();
        assert_eq!((libc.start, libc.end), (0x7f1c_0002_8000, 0x7f1c_001b_d000));
        assert_eq!((libc.offset, libc.inode, libc.name()), (0x28000, 1972, "libc.so.6"));
        assert_eq!(libc.file, "/usr/lib/a b/libc.so.6");
        assert_eq!(parse("7f00-7f80 r-xp 00000000 00:00 0 ").unwrap().name(), "unknown code");
        assert_eq!(parse("7f00-7f80 r-xp 00000000 00:00 0    [vdso]").unwrap().name(), "[vdso]");
        for other in ["7f00-7f80 rw-p 00000000 00:00 0", "", "x", "7f00-7f80 r-xp"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }

    #[test]
    fn this_program_is_mapped_and_can_be_opened() {
        let here = this_program_is_mapped_and_can_be_opened as fn() as usize;
        let maps = read().unwrap();
        let mapped = maps.iter().find(|mapped| mapped.contains(here)).unwrap();
        mapped.open().unwrap();
        let other = Mapped { inode: 1, ..mapped.clone() };
        other.open().unwrap_err();
    }
}
