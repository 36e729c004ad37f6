//! Why a file cannot be used.

use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// A file of a directory cannot be opened, read, written, backed up or restored.
#[derive(Debug)]
pub struct FileError {
    file: PathBuf,
    failure: Failure,
}

/// What is wrong.
#[derive(Debug)]
pub(super) enum Failure {
    /// Another process has the file's lock.
    InUse,
    /// The file is not a directory's.
    Foreign,
    /// A newer version wrote the file.
    Newer { found: usize, known: usize },
    /// The file does not hold what it should.
    Corrupt { found: String },
    /// Beside the file is a log with changes that are not in it.
    Unfinished { log: PathBuf },
    /// The file would be backed up to, or restored from, itself.
    Itself,
    /// The system refused.
    Io(io::Error),
    /// SQLite refused.
    Sqlite(rusqlite::Error),
}

impl FileError {
    pub(super) fn new(file: &Path, failure: Failure) -> Self {
        Self { file: file.to_owned(), failure }
    }

    pub(super) fn io(file: &Path, source: io::Error) -> Self {
        Self::new(file, Failure::Io(source))
    }

    pub(super) fn sqlite(file: &Path, source: rusqlite::Error) -> Self {
        Self::new(file, Failure::Sqlite(source))
    }

    /// The stable word for this kind of error.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match &self.failure {
            Failure::InUse => "file-in-use",
            Failure::Foreign => "file-foreign",
            Failure::Newer { .. } => "file-newer",
            Failure::Corrupt { .. } => "file-corrupt",
            Failure::Unfinished { .. } => "file-unfinished",
            Failure::Itself => "file-itself",
            Failure::Io(source) => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk-full",
                io::ErrorKind::ReadOnlyFilesystem => "disk-read-only",
                io::ErrorKind::NotFound => "file-missing",
                io::ErrorKind::PermissionDenied => "file-permission",
                _ => "disk-error",
            },
            Failure::Sqlite(source) => match source.sqlite_error_code() {
                Some(ErrorCode::DiskFull) => "disk-full",
                Some(ErrorCode::ReadOnly) => "disk-read-only",
                Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "file-in-use",
                Some(ErrorCode::NotADatabase) => "file-foreign",
                Some(ErrorCode::DatabaseCorrupt) => "file-corrupt",
                _ => "disk-error",
            },
        }
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        match &self.failure {
            Failure::InUse => write!(
                f,
                "{file} is in use by another process: stop that one, or name another file"
            ),
            Failure::Foreign => {
                write!(f, "expected a directory's file or none, found another kind of file: {file}")
            }
            Failure::Newer { found, known } => write!(
                f,
                "expected a file with schema 1 to {known}, found schema {found}, of a newer version of Plugbay: {file}"
            ),
            Failure::Corrupt { found } => write!(
                f,
                "{file} is damaged ({found}): restore a backup (docs/directory-durability.md)"
            ),
            Failure::Unfinished { log } => write!(
                f,
                "expected a file that is whole by itself, found changes beside it in {}: make a backup of {file}, which has them (docs/directory-durability.md)",
                log.display()
            ),
            Failure::Itself => write!(f, "expected two different files, found {file} twice"),
            Failure::Io(_) | Failure::Sqlite(_) => match self.reason() {
                "disk-full" => write!(f, "the disk of {file} is full"),
                "disk-read-only" => write!(f, "the disk of {file} is read-only"),
                "file-foreign" => {
                    write!(
                        f,
                        "expected a directory's file or none, found another kind of file: {file}"
                    )
                }
                "file-corrupt" => {
                    write!(f, "{file} is damaged: restore a backup (docs/directory-durability.md)")
                }
                "file-missing" => write!(f, "expected {file}, found no such file or folder"),
                "file-in-use" => write!(f, "{file} is in use by another process"),
                _ => match &self.failure {
                    Failure::Io(source) => write!(f, "{file} cannot be used: {source}"),
                    Failure::Sqlite(source) => write!(f, "{file} cannot be used: {source}"),
                    _ => write!(f, "{file} cannot be used"),
                },
            },
        }
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.failure {
            Failure::Io(source) => Some(source),
            Failure::Sqlite(source) => Some(source),
            _ => None,
        }
    }
}
