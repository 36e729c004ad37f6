//! Private copies of libraries, from which they are loaded.
//!
//! A loaded library is its file, mapped: whoever overwrites the file overwrites the code that
//! runs, and whoever cuts it takes the code away. So no library is ever loaded from a place
//! where others write. Each is copied under the name of its digest into a folder that only
//! this user can write to. A copy is written once: under another name, then renamed. One that
//! is there already is used if its bytes have the digest that its name says, and replaced by
//! a rename if not; a rename leaves alone what is mapped of the file before.
//!
//! Copies stay, as the libraries stay loaded; whoever empties the folder while no host runs
//! loses nothing. It must lie where code may be run from: not on a volume mounted `noexec`.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use plugbay_core::{Artifact, Digest, private_folder};

/// A copy cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StagingError {
    /// The folder is not fit for code.
    #[error("folder {path}: expected a private folder that this user owns, found {found}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// What is wrong with it.
        found: String,
    },
    /// The copy could not be written.
    #[error("private copy {path}: expected it to be written, found: {source}")]
    Write {
        /// The copy.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// A folder of private copies that only this user can write to.
#[derive(Clone, Debug)]
pub struct Staging {
    folder: PathBuf,
}

impl Staging {
    /// Opens `folder`, which is made with mode 0700 if it is not there.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made, belongs to someone else, or others can write to it: what
    /// lies there is code that this process will run.
    pub fn open(folder: &Path) -> Result<Self, StagingError> {
        let refuse = |found: String| StagingError::Folder { path: folder.to_owned(), found };
        private_folder(folder).map_err(refuse)?;
        // A loader looks up a name without a slash elsewhere, and a relative one from wherever
        // the process stands by then.
        let folder = folder.canonicalize().map_err(|error| refuse(error.to_string()))?;
        Ok(Self { folder })
    }

    /// Where the private copies are.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The private copy of an artifact, made if it is not there.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn stage(&self, artifact: &Artifact) -> Result<PathBuf, StagingError> {
        let name = format!("{}.{}", artifact.digest.hex(), std::env::consts::DLL_EXTENSION);
        let path = self.folder.join(name);
        if !is_copy(&path, artifact) {
            let write = |source| StagingError::Write { path: path.clone(), source };
            self.write(&path, &artifact.bytes).map_err(write)?;
        }
        Ok(path)
    }

    /// Writes a fresh file, then gives it the name. Nothing waits for the disk: what a crash
    /// of the machine leaves is found by its digest.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        file.write_all(bytes)?;
        make_executable(file.as_file())?;
        file.persist(path)?;
        Ok(())
    }
}

/// Whether a plain file is there that holds what it should.
fn is_copy(path: &Path, artifact: &Artifact) -> bool {
    let Ok(metadata) = fs::symlink_metadata(path) else { return false };
    metadata.is_file()
        && metadata.len() == artifact.bytes.len() as u64
        && fs::read(path).is_ok_and(|bytes| Digest::of(&bytes) == artifact.digest)
}

/// Nobody writes to a copy again, its owner included.
#[cfg(unix)]
fn make_executable(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o500))
}

#[cfg(not(unix))]
fn make_executable(_: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use plugbay_core::Source;

    use super::*;

    fn artifact(bytes: &[u8]) -> Artifact {
        Artifact::new(Source::Memory("test".into()), bytes)
    }

    #[test]
    fn a_copy_is_written_once() {
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(&folder.path().join("a/b")).unwrap();
        let path = staging.stage(&artifact(b"code")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"code");
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert_eq!(name, Digest::of(b"code").hex());
        let made = fs::metadata(&path).unwrap().modified().unwrap();
        assert_eq!(staging.stage(&artifact(b"code")).unwrap(), path);
        assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), made);
        assert_eq!(fs::read_dir(staging.folder()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    #[cfg(unix)]
    fn a_bad_copy_is_replaced_and_never_written_to() {
        use std::os::unix::fs::{MetadataExt, PermissionsExt};
        let folder = tempfile::tempdir().unwrap();
        let staging = Staging::open(&folder.path().join("copies")).unwrap();
        let path = staging.stage(&artifact(b"code")).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o500);
        // Of the right length, so that only the digest tells.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(&path, b"evil").unwrap();
        let mapped = fs::File::open(&path).unwrap();
        staging.stage(&artifact(b"code")).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"code");
        assert_eq!(io::read_to_string(mapped).unwrap(), "evil", "what is open stays as it was");
        // A link in its place is replaced too, and what it leads to is left alone.
        let elsewhere = folder.path().join("elsewhere");
        fs::write(&elsewhere, b"code").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
        staging.stage(&artifact(b"code")).unwrap();
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
}
