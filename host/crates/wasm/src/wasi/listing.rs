//! Reads a folder in batches, so that the host's memory for it does not depend on its size.

use std::collections::VecDeque;

use wasmtime_wasi::p2::FsResult;
use wasmtime_wasi::p2::bindings::filesystem::types::DirectoryEntry;

use super::blocking::{FileView, Opened};
use crate::sandbox::grants::OpenPermit;

/// The number of entries in a batch.
const BATCH: usize = 64;

/// A folder that is being read.
pub(super) struct Listing {
    ready: VecDeque<FsResult<DirectoryEntry>>,
    /// The entries that are not read yet; `None` at the end of the folder.
    rest: Option<Rest>,
}

pub(super) struct Rest {
    entries: Box<dyn Iterator<Item = FsResult<DirectoryEntry>> + Send>,
    /// Held until the folder is read to its end.
    _permit: OpenPermit,
}

impl Listing {
    /// Opens the folder and reads the first batch. Blocks.
    pub(super) fn begin(
        view: &mut FileView<'_>,
        folder: &Opened,
        permit: OpenPermit,
    ) -> FsResult<Self> {
        let entries = Box::new(system::entries(view, folder)?);
        Ok(Rest { entries, _permit: permit }.read())
    }

    /// The next entry of the batch.
    pub(super) fn next(&mut self) -> Option<FsResult<DirectoryEntry>> {
        self.ready.pop_front()
    }

    /// Takes the entries that are not read yet.
    pub(super) fn rest(&mut self) -> Option<Rest> {
        self.rest.take()
    }
}

impl Rest {
    /// Reads the next batch. Blocks.
    pub(super) fn read(mut self) -> Listing {
        let ready: VecDeque<_> = self.entries.by_ref().take(BATCH).collect();
        let rest = (ready.len() == BATCH).then_some(self);
        Listing { ready, rest }
    }
}

#[cfg(unix)]
mod system {
    use std::fs::File;
    use std::sync::Arc;

    use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags, openat, statat};
    use rustix::io::Result;
    use wasmtime_wasi::filesystem::Descriptor;
    use wasmtime_wasi::p2::bindings::filesystem::types::{DescriptorType, ErrorCode};

    use super::{DirectoryEntry, FileView, FsResult, Opened};

    pub(super) fn entries(
        _view: &mut FileView<'_>,
        folder: &Opened,
    ) -> FsResult<impl Iterator<Item = FsResult<DirectoryEntry>> + use<>> {
        let Descriptor::Dir(folder) = &folder.descriptor else {
            return Err(ErrorCode::NotDirectory.into());
        };
        let folder = Arc::clone(&folder.dir);
        // Opened again, so that two listings of a folder do not share a position.
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let mut read = openat(&folder, c".", flags, Mode::empty())
            .and_then(Dir::new)
            .map_err(std::io::Error::from)?;
        Ok(std::iter::from_fn(move || entry(&folder, &mut read)))
    }

    /// The next entry other than `.` and `..`.
    fn entry(folder: &File, read: &mut Dir) -> Option<FsResult<DirectoryEntry>> {
        loop {
            let found = match read.read()? {
                Ok(found) => found,
                Err(error) => return Some(Err(std::io::Error::from(error).into())),
            };
            let name = found.file_name();
            if matches!(name.to_bytes(), b"." | b"..") {
                continue;
            }
            let kind = kind(folder, name, found.file_type());
            return Some(match (name.to_str(), kind) {
                (Ok(name), Ok(type_)) => Ok(DirectoryEntry { type_, name: name.to_owned() }),
                (Err(_), _) => Err(ErrorCode::IllegalByteSequence.into()),
                (_, Err(error)) => Err(std::io::Error::from(error).into()),
            });
        }
    }

    /// The type of an entry. `listed` is unknown on file systems that do not store it with the name.
    fn kind(folder: &File, name: &std::ffi::CStr, listed: FileType) -> Result<DescriptorType> {
        let found = match listed {
            FileType::Unknown => {
                FileType::from_raw_mode(statat(folder, name, AtFlags::SYMLINK_NOFOLLOW)?.st_mode)
            }
            known => known,
        };
        Ok(match found {
            FileType::RegularFile => DescriptorType::RegularFile,
            FileType::Directory => DescriptorType::Directory,
            FileType::Symlink => DescriptorType::SymbolicLink,
            FileType::BlockDevice => DescriptorType::BlockDevice,
            FileType::CharacterDevice => DescriptorType::CharacterDevice,
            _ => DescriptorType::Unknown,
        })
    }
}

/// On other systems wasmtime-wasi reads the whole folder at once.
#[cfg(not(unix))]
mod system {
    use futures_lite::future::block_on;
    use wasmtime_wasi::p2::bindings::filesystem::types::HostDescriptor;

    use super::{DirectoryEntry, FileView, FsResult, Opened};

    pub(super) fn entries(
        view: &mut FileView<'_>,
        folder: &Opened,
    ) -> FsResult<impl Iterator<Item = FsResult<DirectoryEntry>> + use<>> {
        let folder = folder.push_to(view).map_err(wasmtime_wasi::p2::FsError::trap)?;
        let entries = block_on(HostDescriptor::read_directory(view, folder))?;
        Ok(view.table.delete(entries)?.into_iter())
    }
}
