//! The private cache of compiled components.
//!
//! The name of an entry is wasmtime's compatibility hash and the component's digest. An entry is
//! written once, by rename, and begins with that digest and a checksum. A bad, foreign or truncated
//! entry is a miss, never a crash. An entry that was not used for a month is removed when a host
//! starts. When all entries together grow beyond [`MAX_SIZE`], those that were not used for the longest
//! time are removed.

use std::fs;
#[cfg(feature = "compile")]
use std::hash::{Hash, Hasher};
#[cfg(feature = "compile")]
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use plugbay_core::{Digest, private_folder};
use wasmtime::component::Component;

use crate::engine::Engine;

/// The first bytes of every entry; the digit changes with the layout.
const MAGIC: &[u8; 16] = b"plugbay-aot-v2\0\0";

/// The file name extension of an entry.
const EXTENSION: &str = "aot";
/// An entry that was not used for this long is removed.
const MAX_UNUSED: Duration = Duration::from_hours(30 * 24);
/// How often the time of an entry's last use is recorded.
const STAMP_INTERVAL: Duration = Duration::from_hours(24);

/// The most that all entries may take together, in bytes.
#[cfg(feature = "compile")]
const MAX_SIZE: u64 = 1 << 30;
/// A temporary file of this age was left behind by a host that was killed.
const MAX_TEMPORARY: Duration = Duration::from_hours(1);
/// The beginning of the names of temporary files.
const TEMPORARY: &str = ".plugbay-";

/// The cache folder cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cache folder {path}: expected a private folder that this user owns, found {found}")]
pub struct CacheError {
    path: PathBuf,
    found: String,
}

/// A folder of compiled components that only this user can write to.
#[derive(Clone, Debug)]
pub struct AotCache {
    folder: PathBuf,
}

impl AotCache {
    /// Opens the cache in `folder`, which is created with mode 0700 if it does not exist. Entries
    /// that no host has used for a month are removed.
    ///
    /// # Errors
    ///
    /// If the folder cannot be created, another user owns it, or other users can write to it: its
    /// entries are machine code that this process will run.
    pub fn open(folder: &Path) -> Result<Self, CacheError> {
        let refuse = |found: String| CacheError { path: folder.to_owned(), found };
        private_folder(folder).map_err(refuse)?;
        remove_unused(folder);
        Ok(Self { folder: folder.to_owned() })
    }

    /// The entry's file for a component of this digest.
    #[cfg(feature = "compile")]
    fn path(&self, engine: &Engine, digest: &Digest) -> PathBuf {
        let mut hasher = Sha256Hasher::default();
        engine.wasmtime().precompile_compatibility_hash().hash(&mut hasher);
        self.folder.join(format!("{}-{}.{EXTENSION}", hasher.digest().short(), digest.hex()))
    }

    /// The compiled component and the size of its code, if a good entry is there. A bad one
    /// is removed.
    #[cfg(feature = "compile")]
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<(Component, u64)> {
        let path = self.path(engine, digest);
        let entry = fs::read(&path).ok()?;
        let component = component(&entry, engine, digest);
        if component.is_none() {
            // It fails if another host has removed the entry already.
            let _ = fs::remove_file(&path);
        } else {
            stamp(&path);
        }
        component
    }

    /// The compiled component and the size of its code, if a good entry is there. Without a compiler
    /// the compatibility hash in an entry's name is not known, so all entries of the component are
    /// tried. None is removed: another host may use it.
    #[cfg(not(feature = "compile"))]
    pub(crate) fn load(&self, engine: &Engine, digest: &Digest) -> Option<(Component, u64)> {
        let name = format!("-{}.{EXTENSION}", digest.hex());
        let is_of = |path: &Path| {
            path.file_name().is_some_and(|it| it.as_encoded_bytes().ends_with(name.as_bytes()))
        };
        let entries = fs::read_dir(&self.folder).ok()?;
        let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
        paths.filter(|path| is_of(path)).find_map(|path| {
            let component = component(&fs::read(&path).ok()?, engine, digest)?;
            stamp(&path);
            Some(component)
        })
    }

    /// Writes an entry: temporary file, then rename, so that no reader sees half of it. Creates the
    /// folder again if it was removed.
    #[cfg(feature = "compile")]
    pub(crate) fn store(&self, engine: &Engine, digest: &Digest, code: &[u8]) -> io::Result<()> {
        let temporary = || tempfile::Builder::new().prefix(TEMPORARY).tempfile_in(&self.folder);
        let mut file = match temporary() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                private_folder(&self.folder).map_err(io::Error::other)?;
                temporary()?
            }
            file => file?,
        };
        file.write_all(MAGIC)?;
        file.write_all(digest.as_bytes())?;
        file.write_all(Digest::of(code).as_bytes())?;
        file.write_all(code)?;
        file.persist(self.path(engine, digest))?;
        remove_beyond(&self.folder, MAX_SIZE);
        Ok(())
    }
}

/// Records that an entry is used; without it, the entry would be removed after a month.
fn stamp(path: &Path) {
    if age(path).is_some_and(|age| age > STAMP_INTERVAL) {
        let _ = fs::File::open(path).and_then(|file| file.set_modified(SystemTime::now()));
    }
}

/// The component of a good entry, and the size of its code.
fn component(entry: &[u8], engine: &Engine, digest: &Digest) -> Option<(Component, u64)> {
    let code = code(entry, digest)?;
    Some((deserialize(engine, code).ok()?, code.len() as u64))
}

/// How long ago the file was written, or last stamped.
fn age(path: &Path) -> Option<Duration> {
    fs::metadata(path).ok()?.modified().ok()?.elapsed().ok()
}

/// Removes entries that were not used for a month, and temporary files that were left behind. Errors are
/// ignored.
fn remove_unused(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let max_age = match name.starts_with(TEMPORARY.as_bytes()) {
            true => MAX_TEMPORARY,
            false if is_entry(&path) => MAX_UNUSED,
            false => continue,
        };
        if age(&path).is_some_and(|age| age > max_age) {
            let _ = fs::remove_file(&path);
        }
    }
}

/// Removes the entries that were not used for the longest time, until all entries together take at most
/// `max` bytes. Errors are ignored.
#[cfg(feature = "compile")]
fn remove_beyond(folder: &Path, max: u64) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<(SystemTime, u64, PathBuf)> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let metadata = entry.metadata().ok()?;
            let path = entry.path();
            is_entry(&path).then_some((metadata.modified().ok()?, metadata.len(), path))
        })
        .collect();
    let mut size: u64 = entries.iter().map(|(_, size, _)| size).sum();
    if size <= max {
        return;
    }
    entries.sort();
    for (_, freed, path) in entries {
        if size <= max {
            return;
        }
        if fs::remove_file(&path).is_ok() {
            size -= freed;
        }
    }
}

fn is_entry(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

/// The code in an entry, if it is of this component and its checksum is right.
fn code<'a>(entry: &'a [u8], digest: &Digest) -> Option<&'a [u8]> {
    let rest = entry.strip_prefix(MAGIC)?.strip_prefix(digest.as_bytes())?;
    let (checksum, code) = rest.split_at_checked(32)?;
    (Digest::of(code).as_bytes() == checksum).then_some(code)
}

/// Turns compiled code back into a component.
///
/// # Errors
///
/// If the code is of another engine, or needs more than an instance of this engine's pool has.
pub(crate) fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `Component::deserialize` requires bytes that `Engine::precompile_component`
    // or `Component::serialize` produced, unmodified. They come either straight from the
    // former, in this process or in its compiler process, or from an entry that this module wrote
    // into a folder which only this user can write to (`AotCache::open`), and whose SHA-256 still
    // matches. wasmtime itself checks version and settings. The bytes are a copy: the file may change.
    unsafe { Component::deserialize(engine.wasmtime(), code) }
}

/// A `Hasher` whose result is the SHA-256 of all that was written: the compatibility hash must not
/// depend on a random hash function, or on one that changes.
#[cfg(feature = "compile")]
#[derive(Default)]
struct Sha256Hasher(Vec<u8>);

#[cfg(feature = "compile")]
impl Sha256Hasher {
    fn digest(&self) -> Digest {
        Digest::of(&self.0)
    }
}

#[cfg(feature = "compile")]
impl Hasher for Sha256Hasher {
    fn write(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(bytes);
    }

    fn finish(&self) -> u64 {
        let digest = self.digest();
        digest.as_bytes().iter().take(8).fold(0, |hash, &byte| (hash << 8) | u64::from(byte))
    }
}

#[cfg(all(test, feature = "compile"))]
mod tests {
    use super::*;

    #[test]
    fn the_entries_that_were_used_last_stay() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, size: u64, age: u64| {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_len(size).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
        };
        for (name, size, age) in
            [("old.aot", 40, 300), ("older.aot", 40, 400), ("new.aot", 40, 100), ("note", 99, 900)]
        {
            write(name, size, age);
        }
        let names = || {
            let entries = fs::read_dir(folder.path()).unwrap();
            let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        remove_beyond(folder.path(), 120);
        assert_eq!(names().len(), 4, "all of them fit");
        remove_beyond(folder.path(), 80);
        assert_eq!(names(), ["new.aot", "note", "old.aot"]);
        remove_beyond(folder.path(), 1);
        assert_eq!(names(), ["note"], "no other file is removed");
    }

    #[test]
    fn what_a_killed_host_left_behind_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        for (name, age) in [(".plugbay-left", 2), (".plugbay-now", 0), ("a.aot", 31 * 24)] {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_hours(age)).unwrap();
        }
        remove_unused(folder.path());
        assert!(folder.path().join(".plugbay-now").exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
