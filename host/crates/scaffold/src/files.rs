//! Writes many files into a folder that was not there, or none.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use plugbay_kind::KindError;
use thiserror::Error;

/// A file of a folder: its path from the folder, with `/`, and its text.
pub(crate) type File = (String, String);

/// The folder of a plugin could not be made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ScaffoldError {
    /// The name is not one that a plugin, a crate and a folder can have.
    #[error(
        "expected a name of 1 to 64 of a-z, 0-9 and -, which begins with a letter and does not end with -, found {0:?}"
    )]
    Name(String),
    /// The name means something else for the language.
    #[error("expected a name that is no word of the language, found {0:?}")]
    Reserved(String),
    /// There is no template of this kind in this language.
    #[error(
        "expected a kind that has a template in this language, found another: take --lang rust, which has all; C has codec, JavaScript codec and handler"
    )]
    NoTemplate,
    /// There is something in the folder.
    #[error("expected no folder, or an empty one, at {}, found files in it", .0.display())]
    NotEmpty(PathBuf),
    /// The folder is not that of a plugin with an SDK.
    #[error("expected a folder with the SDK in sdk/, found none in {}", .0.display())]
    NoSdk(PathBuf),
    /// A file of a new kind is there already.
    #[error("expected no file at {}, found one", .0.display())]
    Exists(PathBuf),
    /// The WIT is not that of a kind.
    #[error(transparent)]
    Wit(#[from] KindError),
    /// The SDK in the program cannot be read: a bug of the program.
    #[error("the SDK in this program is broken: {0}")]
    Sdk(String),
    /// A file or folder could not be written.
    #[error("cannot write {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl ScaffoldError {
    /// The stable name of the kind.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Name(_) => "plugin-name",
            Self::Reserved(_) => "reserved-name",
            Self::NoTemplate => "no-template",
            Self::NotEmpty(_) => "folder-not-empty",
            Self::NoSdk(_) => "no-sdk",
            Self::Exists(_) => "file-exists",
            Self::Wit(_) => "wit",
            Self::Sdk(_) => "broken-sdk",
            Self::Io { .. } => "cannot-write",
        }
    }
}

/// Writes the files below `folder`, which must not exist, or be empty.
pub(crate) fn write_new(folder: &Path, files: &[File]) -> Result<(), ScaffoldError> {
    match folder.read_dir() {
        Ok(mut entries) => {
            if entries.next().is_some() {
                return Err(ScaffoldError::NotEmpty(folder.to_owned()));
            }
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(ScaffoldError::Io { path: folder.to_owned(), source }),
    }
    write_over(folder, files)
}

/// Writes the files below `folder`, in place of those that are there.
pub(crate) fn write_over(folder: &Path, files: &[File]) -> Result<(), ScaffoldError> {
    for (name, text) in files {
        let path = folder.join(name);
        let written =
            path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| fs::write(&path, text));
        written.map_err(|source| ScaffoldError::Io { path: path.clone(), source })?;
    }
    Ok(())
}
