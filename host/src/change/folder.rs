//! The plugin folder: lists its artifacts and reads each once.
//!
//! A file counts if its extension is an artifact's and its name does not begin with a dot: editors
//! and `ConfigMap`s use such names for unfinished changes. A link counts as the file that it points
//! to. A file that changed while it was read, or that ends too early and was written to a moment
//! ago, is "not yet": it is read again later, not refused. If something that is not a file (a folder,
//! a pipe, a dangling link) has an artifact's name, it is refused, and never opened.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Duration;

use plugbay_core::{Artifact, Digest, Reason, Refusal, Source};

use crate::config::file::{SETTLE, Seen, Stamp, regular};

/// How old a file's last change must be before equal time stamps mean that the file is unchanged.
/// Coarse clocks tick every few milliseconds; network file systems are worse.
const TRUSTED_AGE: Duration = Duration::from_secs(3);

/// The largest artifact, in bytes.
const MAX_ARTIFACT: u64 = 256 << 20;

/// The maximum size of all new artifacts that one listing keeps in memory, in bytes. The others are read
/// again when they are prepared.
const MAX_KEPT: u64 = 64 << 20;

const EXTENSIONS: [&str; 4] = ["wasm", "so", "dylib", "dll"];

/// The current content of the folder.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    /// Whole artifacts, by path.
    pub(crate) artifacts: Vec<Found>,
    /// Files that cannot be read or are truncated.
    pub(crate) refused: Vec<(Source, Refusal)>,
    /// Files that are still being written.
    pub(crate) not_yet: Vec<PathBuf>,
}

/// A whole artifact in the folder.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) path: PathBuf,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Its bytes, if they were read in this reconciliation.
    artifact: Option<Artifact>,
}

impl Found {
    fn new(path: &Path, artifact: Artifact) -> Self {
        Self {
            path: path.to_owned(),
            digest: artifact.digest,
            size: artifact.bytes.len() as u64,
            artifact: Some(artifact),
        }
    }

    pub(crate) fn source(&self) -> Source {
        Source::File(self.path.clone())
    }

    /// The artifact with its bytes: those read in this reconciliation, or read again now.
    ///
    /// # Errors
    /// If the file can no longer be read, or has other bytes now.
    pub(crate) fn artifact(&self) -> Result<Artifact, Refusal> {
        if let Some(artifact) = &self.artifact {
            return Ok(artifact.clone());
        }
        let artifact = read(&self.path)?;
        if artifact.digest == self.digest { Ok(artifact) } else { Err(changed_while_read()) }
    }
}

/// Reads a file that may be an artifact, whole or not at all.
///
/// # Errors
/// If it cannot be read, is not a regular file, is too large, or changes meanwhile.
pub(crate) fn read(path: &Path) -> Result<Artifact, Refusal> {
    let size = match regular(path).map_err(|error| unreadable_file(&error))? {
        Ok(metadata) => metadata.len(),
        Err(found) => return Err(no_file(found)),
    };
    let file = File::open(path).map_err(|error| unreadable_file(&error))?;
    let bytes = bytes(&file, size)?.map_err(|error| unreadable_file(&error))?;
    if bytes.len() as u64 != size {
        return Err(changed_while_read());
    }
    Ok(Artifact::new(Source::File(path.to_owned()), bytes))
}

fn no_file(found: &str) -> Refusal {
    Refusal::new(Reason::Unreadable, format!("expected a file, found {found}"))
}

/// The bytes of a file of this size, and one byte more if it has grown since.
fn bytes(file: &File, size: u64) -> Result<io::Result<Vec<u8>>, Refusal> {
    if size > MAX_ARTIFACT {
        let message = format!("expected an artifact of at most {MAX_ARTIFACT} bytes, found {size}");
        return Err(Refusal::new(Reason::Malformed, message));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
    Ok(file.take(size + 1).read_to_end(&mut bytes).map(|_| bytes))
}

fn changed_while_read() -> Refusal {
    Refusal::new(Reason::Unreadable, "the file changed while it was read")
        .hint("the host reads it again")
}

/// The files that were read before, so that an unchanged file is not read again. Their bytes are
/// not kept.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    read: HashMap<PathBuf, (Stamp, Found)>,
    /// Since when each file is as it is now.
    seen: HashMap<PathBuf, Seen>,
}

fn unreadable_file(error: &io::Error) -> Refusal {
    let refusal = Refusal::new(Reason::Unreadable, format!("expected a readable file: {error}"));
    match error.kind() {
        io::ErrorKind::PermissionDenied => refusal.hint("the host's user needs read permission"),
        _ => refusal,
    }
}

/// Lists and reads the folder. `is_whole` says whether an artifact is complete by its format.
///
/// # Errors
/// If the folder is missing or cannot be listed: then nothing is known about its files.
pub(crate) fn list(
    folder: &Path,
    memory: &mut Memory,
    is_whole: impl Fn(&Artifact) -> bool,
) -> Result<Listing, Refusal> {
    let unreadable = |error: io::Error| {
        let message = format!("folder {}: expected a readable folder: {error}", folder.display());
        Refusal::new(Reason::Unreadable, message)
            .hint("create it, or set host.plugins; the host checks again every host.rescan")
    };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if is_artifact_name(&path) {
            paths.push(path);
        }
    }
    paths.sort();
    memory.read.retain(|path, _| paths.binary_search(path).is_ok());
    memory.seen.retain(|path, _| paths.binary_search(path).is_ok());
    let mut listing = Listing::default();
    let mut kept = 0;
    for path in paths {
        match memory.check(&path, &is_whole) {
            Ok(FileState::Artifact(mut found)) => {
                if found.artifact.is_some() {
                    kept += found.size;
                    found.artifact = found.artifact.filter(|_| kept <= MAX_KEPT);
                }
                listing.artifacts.push(found);
            }
            Ok(FileState::NotYet) => listing.not_yet.push(path),
            Ok(FileState::Nothing) => {}
            Err(refusal) => listing.refused.push((Source::File(path), refusal)),
        }
    }
    Ok(listing)
}

/// Whether a file of this name counts as an artifact, if it is in the plugin folder: it has the extension
/// of one, and does not begin with a dot.
#[must_use]
pub fn is_artifact_name(path: &Path) -> bool {
    let hidden = path.file_name().is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && extension.is_some_and(|it| EXTENSIONS.contains(&it.to_ascii_lowercase().as_str()))
}

enum FileState {
    Artifact(Found),
    NotYet,
    /// The file was removed between listing and reading.
    Nothing,
}

impl Memory {
    fn check(
        &mut self,
        path: &Path,
        is_whole: &impl Fn(&Artifact) -> bool,
    ) -> Result<FileState, Refusal> {
        match self.try_check(path, is_whole) {
            Ok(check) => check,
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FileState::Nothing),
            Err(error) => Err(unreadable_file(&error)),
        }
    }

    fn try_check(
        &mut self,
        path: &Path,
        is_whole: &impl Fn(&Artifact) -> bool,
    ) -> io::Result<Result<FileState, Refusal>> {
        let metadata = match regular(path)? {
            Ok(metadata) => metadata,
            Err(found) => return Ok(Err(no_file(found))),
        };
        if let Some((stamp, found)) = self.read.get(path)
            && *stamp == Stamp::of(&metadata)
        {
            return Ok(Ok(FileState::Artifact(found.clone())));
        }
        let file = File::open(path)?;
        let before = Stamp::of(&file.metadata()?);
        let bytes = match bytes(&file, before.size()) {
            Ok(bytes) => bytes?,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // The name may lead to another file by now: then that file is read next time.
        let after = Stamp::of(&fs::metadata(path)?);
        if before != after || bytes.len() as u64 != before.size() {
            return Ok(Ok(FileState::NotYet));
        }
        let seen = self.seen.entry(path.to_owned()).or_insert_with(|| Seen::now(None));
        let age = seen.age(Some(&before));
        let settled = age >= SETTLE;
        if bytes.is_empty() {
            let refusal = Refusal::new(Reason::Empty, "expected a plugin, found an empty file");
            return Ok(if settled { Err(refusal) } else { Ok(FileState::NotYet) });
        }
        let artifact = Artifact::new(Source::File(path.to_owned()), bytes);
        if !is_whole(&artifact) {
            let message = format!(
                "expected a whole file, found {} bytes that end within a section",
                artifact.bytes.len()
            );
            let refusal = Refusal::new(Reason::Truncated, message)
                .hint("copy the file again; write to a temporary name and rename it");
            return Ok(if settled { Err(refusal) } else { Ok(FileState::NotYet) });
        }
        let found = Found::new(path, artifact);
        if age >= TRUSTED_AGE {
            self.seen.remove(path);
            let remembered = Found { artifact: None, ..found.clone() };
            self.read.insert(path.to_owned(), (before, remembered));
        }
        Ok(Ok(FileState::Artifact(found)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Instant, SystemTime};

    use super::*;

    fn names(listing: &Listing) -> Vec<String> {
        listing.artifacts.iter().map(|found| found.source().file_name()).collect()
    }

    fn age(path: &Path, by: Duration) {
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    }

    #[test]
    fn only_artifacts_count() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.wasm", "B.WASM", ".hidden.wasm", "readme.md", "b.wasm~", "c.so"] {
            fs::write(folder.path().join(name), b"x").unwrap();
        }
        let listing = list(folder.path(), &mut Memory::default(), |_| true).unwrap();
        assert_eq!(names(&listing), ["B.WASM", "a.wasm", "c.so"]);
        assert!(listing.refused.is_empty() && listing.not_yet.is_empty());
    }

    #[cfg(unix)]
    #[test]
    fn a_name_of_an_artifact_that_is_not_a_file_is_refused_and_not_opened() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("folder.wasm")).unwrap();
        std::os::unix::fs::symlink("nowhere", path("link.wasm")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", path("device.wasm")).unwrap();
        std::os::unix::fs::symlink("round.wasm", path("round.wasm")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(path("socket.so")).unwrap();
        let listing = list(folder.path(), &mut Memory::default(), |_| true).unwrap();
        let refused = listing.refused.iter();
        let refused = refused.map(|(source, it)| format!("{}: {}", source.file_name(), it.message));
        let mut refused: Vec<_> = refused.collect();
        refused.swap(3, 4);
        assert_eq!(
            refused[..4],
            [
                "device.wasm: expected a file, found a pipe, a socket or a device",
                "folder.wasm: expected a file, found a folder",
                "link.wasm: expected a file, found a dangling link",
                "socket.so: expected a file, found a pipe, a socket or a device",
            ]
        );
        assert!(refused[4].starts_with("round.wasm: expected a readable file"), "{refused:?}");
        assert!(listing.refused.iter().all(|(_, it)| it.hint.is_empty()), "{:?}", listing.refused);
        assert!(listing.artifacts.is_empty() && listing.not_yet.is_empty());
    }

    #[test]
    fn a_time_stamp_in_the_future_does_not_matter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        fs::write(&path, b"half").unwrap();
        let future = SystemTime::now() + Duration::from_hours(1000);
        File::options().append(true).open(&path).unwrap().set_modified(future).unwrap();
        let mut memory = Memory::default();
        let mut listed = |whole: bool| list(folder.path(), &mut memory, |_| whole).unwrap();
        let begun = Instant::now();
        assert_eq!(listed(false).not_yet.len(), 1);
        while listed(false).refused.is_empty() {
            std::thread::yield_now();
            assert!(begun.elapsed() < 10 * SETTLE, "it never settles");
        }
        assert!(begun.elapsed() >= SETTLE);
        while listed(true).artifacts[0].artifact.is_some() {
            std::thread::yield_now();
            assert!(begun.elapsed() < 10 * TRUSTED_AGE, "it is read again and again");
        }
    }

    #[test]
    fn one_listing_keeps_a_bounded_number_of_bytes() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a.wasm", "b.wasm", "c.wasm"] {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_len(MAX_KEPT / 2).unwrap();
        }
        let listing = list(folder.path(), &mut Memory::default(), |_| true).unwrap();
        let kept = listing.artifacts.iter().filter(|found| found.artifact.is_some()).count();
        assert_eq!((listing.artifacts.len(), kept), (3, 2));
        assert!(listing.artifacts[2].artifact().is_ok(), "it is read again");
    }

    #[test]
    fn a_cut_file_is_not_yet_until_it_settles() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        fs::write(&path, b"half").unwrap();
        let mut memory = Memory::default();
        let listing = list(folder.path(), &mut memory, |_| false).unwrap();
        assert_eq!((listing.not_yet.len(), listing.refused.len()), (1, 0));
        age(&path, SETTLE * 2);
        let listing = list(folder.path(), &mut memory, |_| false).unwrap();
        assert_eq!(listing.refused[0].1.reason, Reason::Truncated);
        fs::write(&path, b"").unwrap();
        age(&path, SETTLE * 2);
        let listing = list(folder.path(), &mut memory, |_| false).unwrap();
        assert_eq!(listing.refused[0].1.reason, Reason::Empty);
    }

    #[test]
    fn a_change_is_seen_though_size_and_time_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        let mut memory = Memory::default();
        let mut digests = Vec::new();
        for bytes in [b"one", b"two"] {
            fs::write(&path, bytes).unwrap();
            age(&path, TRUSTED_AGE * 2);
            digests.push(list(folder.path(), &mut memory, |_| true).unwrap().artifacts[0].digest);
        }
        assert_ne!(digests[0], digests[1]);
    }

    #[test]
    fn what_is_no_file_or_too_large_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.wasm");
        File::create(&path).unwrap().set_len(MAX_ARTIFACT + 1).unwrap();
        assert_eq!(read(&path).unwrap_err().reason, Reason::Malformed);
        assert_eq!(read(folder.path()).unwrap_err().reason, Reason::Unreadable);
        #[cfg(unix)]
        assert_eq!(read(Path::new("/dev/zero")).unwrap_err().reason, Reason::Unreadable);
    }

    #[test]
    fn a_missing_folder_is_refused_and_named() {
        let refusal = list(Path::new("/nowhere/at/all"), &mut Memory::default(), |_| true);
        let refusal = refusal.unwrap_err();
        assert_eq!(refusal.reason, Reason::Unreadable);
        assert!(refusal.message.contains("/nowhere/at/all"), "{refusal}");
    }
}
