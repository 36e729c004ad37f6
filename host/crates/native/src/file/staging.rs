//! Private copies of libraries, from which they are loaded.
//!
//! A loaded library is its file, mapped: to overwrite the file is to overwrite the code that runs,
//! and to truncate it takes the code away. So no library is ever loaded from a place where others
//! write. Each library is copied under the name of its digest into a folder that only this user can
//! write to. A copy is written once: under another name, then renamed. An existing copy is used if
//! its bytes have the digest that its name says, and is otherwise replaced by a rename; a rename does
//! not change a file that is mapped already.
//!
//! A copy is in use as long as a process holds a shared lock on its file. A library that is loaded
//! into this process holds it for good; a plugin in a worker holds it as long as it runs, because its
//! next worker opens the copy again. Several hosts may share a folder. The last user of a copy removes
//! it; copies that are left from hosts that ended are removed when another host starts
//! ([`Staging::sweep`]).
//!
//! The folder must not be on a volume that is mounted `noexec`.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use plugbay_core::{Artifact, Digest, private_folder};

/// Why a private copy cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StagingError {
    /// The folder is not fit for code.
    #[error("folder {path}: expected a private folder that this user owns, found {found}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with the folder.
        found: String,
    },
    /// The copy could not be written.
    #[error("private copy {path}: expected it to be written, found: {source}")]
    Write {
        /// The copy.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

/// The file whose exclusive lock is the right to change the folder.
const LOCK_FILE: &str = ".lock";
/// How the name of a file begins while it is written.
const WRITING_PREFIX: &str = ".writing-";
/// How long to wait for that lock: its holder writes one copy, or looks for old ones.
const LOCK_WITHIN: Duration = Duration::from_secs(10);
/// How long to wait for it in order to remove a copy. A copy that stays is swept later.
const UNLOCK_WITHIN: Duration = Duration::from_secs(1);

/// A private copy of a library. It is in use until the last clone of this is dropped; then its file
/// is removed, unless another process, or another artifact of these bytes, uses it too.
#[derive(Clone, Debug)]
pub struct PrivateCopy(Arc<InUse>);

#[derive(Debug)]
struct InUse {
    path: PathBuf,
    folder: Staging,
    file: File,
}

impl PrivateCopy {
    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0.path
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        // Under the lock, so that no host starts to use the copy while it is removed.
        let Ok(_lock) = self.folder.lock(UNLOCK_WITHIN) else { return };
        // Unlocked explicitly, because a child that is being started may hold a duplicate of the
        // handle. And another file may have the name by now, so the name is looked at again.
        if self.file.unlock().is_ok() && is_unlocked(&self.path).unwrap_or(false) {
            drop(fs::remove_file(&self.path));
        }
    }
}

/// A folder of private copies that only this user can write to.
#[derive(Clone, Debug)]
pub struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// Opens `folder`, which is created with mode 0700 if it does not exist.
    ///
    /// # Errors
    ///
    /// If the folder cannot be created, belongs to another user, or can be written to by others: its
    /// files are code that this process will run.
    pub fn open(folder: &Path) -> Result<Self, StagingError> {
        let refuse = |found: String| StagingError::Folder { path: folder.to_owned(), found };
        private_folder(folder).map_err(refuse)?;
        // A loader searches its own folders for a name without a slash, and resolves a relative one
        // against the working directory of that moment.
        let folder = folder.canonicalize().map_err(|error| refuse(error.to_string()))?;
        Ok(Self { folder })
    }

    /// The folder of the private copies.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The private copy of an artifact, written if it does not exist.
    ///
    /// Blocks while another thread or process changes the folder.
    ///
    /// # Errors
    ///
    /// If the copy cannot be written, or another one holds the folder's lock for more than 10 s.
    pub fn stage(&self, artifact: &Artifact) -> Result<PrivateCopy, StagingError> {
        let name = format!("{}.{}", artifact.digest.hex(), std::env::consts::DLL_EXTENSION);
        let path = self.folder.join(name);
        let file = self.copy(&path, artifact);
        let file = file.map_err(|source| StagingError::Write { path: path.clone(), source })?;
        Ok(PrivateCopy(Arc::new(InUse { path, folder: self.clone(), file })))
    }

    /// The copy at `path`, open and with a shared lock, which says that it is in use.
    fn copy(&self, path: &Path, artifact: &Artifact) -> io::Result<File> {
        // Held until the copy itself is locked, so that no other host sweeps it in between.
        let _lock = self.lock(LOCK_WITHIN)?;
        if !is_copy(path, artifact) {
            self.write(path, &artifact.bytes)?;
        }
        let used = File::open(path)?;
        match used.try_lock_shared() {
            // A volume without locks is not swept either.
            Ok(()) | Err(TryLockError::Error(_)) => Ok(used),
            Err(TryLockError::WouldBlock) => {
                Err(io::Error::other("a program that is not a host has locked it"))
            }
        }
    }

    /// Waits for the folder's lock. The caller may change the folder until it closes the returned file.
    fn lock(&self, timeout: Duration) -> io::Result<File> {
        let lock = self.lock_file()?;
        let until = Instant::now() + timeout;
        while let Err(TryLockError::WouldBlock) = lock.try_lock() {
            if Instant::now() >= until {
                let message = format!("another host has held the folder's lock for {timeout:?}");
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            thread::park_timeout(Duration::from_millis(1));
        }
        Ok(lock)
    }

    fn lock_file(&self) -> io::Result<File> {
        let path = self.folder.join(LOCK_FILE);
        OpenOptions::new().create(true).truncate(false).write(true).open(path)
    }

    /// Removes the copies that no process uses and that are older than `age`, and files that a crash
    /// left half written. Returns how many were removed. Does nothing if the folder is being changed,
    /// or if its volume has no locks.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read.
    pub fn sweep(&self, age: Duration) -> io::Result<usize> {
        let lock = self.lock_file()?;
        if lock.try_lock().is_err() {
            return Ok(0);
        }
        let mut removed = 0;
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if is_copy_name(&path) && is_unused(&path, age).unwrap_or(false) {
                removed += usize::from(fs::remove_file(&path).is_ok());
            }
        }
        Ok(removed)
    }

    /// Writes a new file, then renames it to `path`. It is not synced to the disk: a file that a crash
    /// of the machine damaged is found out by its digest.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new().prefix(WRITING_PREFIX).tempfile_in(&self.folder)?;
        file.write_all(bytes)?;
        make_executable(file.as_file())?;
        file.persist(path)?;
        Ok(())
    }
}

/// Whether the name is that of a copy, or of a file that is being written.
fn is_copy_name(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digest = name.strip_suffix(std::env::consts::DLL_EXTENSION);
    let digest = digest.and_then(|name| name.strip_suffix('.'));
    let is_copy =
        digest.is_some_and(|it| it.len() == 64 && it.bytes().all(|b| b.is_ascii_hexdigit()));
    is_copy || name.starts_with(WRITING_PREFIX)
}

/// Whether the file is a regular file that was written longer than `age` ago and that no process has
/// locked. Under the folder's lock the answer stays true.
fn is_unused(path: &Path, age: Duration) -> io::Result<bool> {
    let metadata = fs::symlink_metadata(path)?;
    // A copy from the future, after the clock was set back, is not old.
    let old = metadata.modified()?.elapsed().is_ok_and(|it| it >= age);
    Ok(metadata.is_file() && old && is_unlocked(path)?)
}

fn is_unlocked(path: &Path) -> io::Result<bool> {
    Ok(File::open(path)?.try_lock().is_ok())
}

/// Whether `path` is a regular file with the artifact's bytes.
fn is_copy(path: &Path, artifact: &Artifact) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    metadata.is_file()
        && metadata.len() == artifact.bytes.len() as u64
        && fs::read(path).is_ok_and(|bytes| Digest::of(&bytes) == artifact.digest)
}

/// Makes a copy executable, and read-only even for its owner.
#[cfg(unix)]
fn make_executable(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o500))
}

#[cfg(not(unix))]
fn make_executable(_: &File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use plugbay_core::Source;

    use super::*;

    fn artifact(bytes: &[u8]) -> Artifact {
        Artifact::new(Source::Memory("test".into()), bytes)
    }

    /// The names of the files in the folder, sorted.
    fn names(staging: &Staging) -> Vec<String> {
        let names = fs::read_dir(staging.folder()).unwrap();
        let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }

    #[test]
    fn a_copy_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(&folder.path().join("a/b")).unwrap();
        let copy = staging.stage(&artifact(b"code")).unwrap();
        let path = copy.path();
        assert_eq!(fs::read(path).unwrap(), b"code");
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name, Digest::of(b"code").hex());
        let made = fs::metadata(path).unwrap().modified().unwrap();
        assert_eq!(staging.stage(&artifact(b"code")).unwrap().path(), path);
        assert_eq!(fs::metadata(path).unwrap().modified().unwrap(), made);
        assert_eq!(names(&staging), [LOCK_FILE, path.file_name().unwrap().to_str().unwrap()]);
    }

    #[test]
    #[cfg(unix)]
    fn a_bad_copy_is_replaced_and_never_written_to() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(&folder.path().join("copies")).unwrap();
        let used = staging.stage(&artifact(b"code")).unwrap();
        let path = used.path().to_owned();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o500);
        // Of the right length, so that only the digest tells.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(&path, b"evil").unwrap();
        let mapped = fs::File::open(&path).unwrap();
        let _used = staging.stage(&artifact(b"code")).unwrap();
        // Dropping the user of the old file leaves the new file alone.
        drop(used);
        assert_eq!(fs::read(&path).unwrap(), b"code");
        assert_eq!(
            io::read_to_string(mapped).unwrap(),
            "evil",
            "a file that is open does not change"
        );
        // A link in its place is replaced too, and its target is left alone.
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, b"code").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        let _used = staging.stage(&artifact(b"code")).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    #[cfg(unix)]
    fn a_folder_that_others_write_to_is_refused() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let ours = folder.path().join("ours");
        assert_eq!(
            Staging::open(&ours).map(|_| fs::metadata(&ours).unwrap().mode() & 0o777).unwrap(),
            0o700
        );
        fs::set_permissions(&ours, fs::Permissions::from_mode(0o770)).unwrap();
        let error = Staging::open(&ours).unwrap_err().to_string();
        assert!(error.contains("expected a private folder"), "{error}");
        assert!(error.ends_with("found mode 770: others can write to it"), "{error}");
        let file = folder.path().join("file");
        fs::write(&file, b"").unwrap();
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path(), &link).unwrap();
        for path in [file, link] {
            let error = Staging::open(&path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    const DAY: Duration = Duration::from_hours(24);

    /// Two hosts that share a folder.
    fn hosts() -> (tempfile::TempDir, Staging, Staging) {
        let folder = tempfile::tempdir().unwrap();
        let copies = folder.path().join("copies");
        let host = || Staging::open(&copies).unwrap();
        let (one, other) = (host(), host());
        (folder, one, other)
    }

    /// A copy that is left from a host that ended.
    fn left_over(host: &Staging, bytes: &[u8]) -> PathBuf {
        let path = host.stage(&artifact(bytes)).unwrap().path().to_owned();
        assert!(!path.exists(), "its last user removed it");
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Makes a file look as if it was written `age` ago.
    fn write_earlier(path: &Path, age: Duration) {
        let then = std::time::SystemTime::now() - age;
        File::open(path).unwrap().set_modified(then).unwrap();
    }

    #[test]
    fn a_copy_stays_until_its_last_user_drops_it() {
        let (_folder, one, other) = hosts();
        let used = one.stage(&artifact(b"code")).unwrap();
        let path = used.path().to_owned();
        write_earlier(&path, 2 * DAY);
        let used_twice = other.stage(&artifact(b"code")).unwrap();
        assert_eq!(other.sweep(DAY).unwrap(), 0);
        drop(used);
        assert_eq!(one.sweep(DAY).unwrap(), 0, "the other host uses it");
        drop(used_twice.clone());
        assert_eq!(one.sweep(DAY).unwrap(), 0, "and still does");
        assert!(path.exists());
        drop(used_twice);
        assert!(!path.exists());
        assert_eq!(fs::read(one.stage(&artifact(b"code")).unwrap().path()).unwrap(), b"code");
    }

    #[test]
    fn new_copies_and_foreign_files_are_not_swept() {
        let (_folder, one, other) = hosts();
        let path = left_over(&one, b"code");
        assert_eq!(other.sweep(DAY).unwrap(), 0, "it is new");
        let crashed = one.folder().join(format!("{WRITING_PREFIX}abc"));
        let foreign = one.folder().join("README");
        for path in [&crashed, &foreign] {
            fs::write(path, b"").unwrap();
        }
        assert_eq!(other.sweep(DAY).unwrap(), 0, "it may be being written");
        for path in [&path, &crashed, &foreign] {
            write_earlier(path, 2 * DAY);
        }
        assert_eq!(other.sweep(DAY).unwrap(), 2);
        assert_eq!(names(&one), [LOCK_FILE, "README"]);
    }

    #[test]
    fn a_folder_that_is_locked_is_not_swept() {
        let (_folder, one, other) = hosts();
        let path = left_over(&one, b"code");
        write_earlier(&path, 2 * DAY);
        let lock = one.lock(LOCK_WITHIN).unwrap();
        assert_eq!(other.sweep(DAY).unwrap(), 0);
        drop(lock);
        assert_eq!(other.sweep(DAY).unwrap(), 1);
    }

    #[test]
    fn hosts_that_stage_and_sweep_at_once_keep_what_they_use() {
        let (_folder, one, other) = hosts();
        std::thread::scope(|scope| {
            for host in [&one, &other, &one, &other] {
                scope.spawn(move || {
                    for round in 0..200_u32 {
                        let bytes = (round % 3).to_ne_bytes();
                        let copy = host.stage(&artifact(&bytes)).unwrap();
                        host.sweep(Duration::ZERO).unwrap();
                        assert_eq!(fs::read(copy.path()).unwrap(), bytes);
                    }
                });
            }
        });
        one.sweep(Duration::ZERO).unwrap();
        assert_eq!(names(&one), [LOCK_FILE]);
    }
}
