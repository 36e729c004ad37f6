//! A file, or a linked crate, that may hold a plugin.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use crate::Digest;

/// Where an artifact comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// A file in the plugin folder.
    File(PathBuf),
    /// A crate linked into this program, by the plugin's name.
    Linked(String),
    /// Bytes from the embedding application, under a name that it chooses.
    Memory(String),
}

impl Source {
    /// The name of the file, or of the linked plugin, without a folder.
    #[must_use]
    pub fn file_name(&self) -> String {
        match self {
            Self::File(path) => path.file_name().map_or_else(
                || path.display().to_string(),
                |name| name.to_string_lossy().into_owned(),
            ),
            Self::Linked(name) | Self::Memory(name) => name.clone(),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Linked(name) => write!(f, "linked:{name}"),
            Self::Memory(name) => write!(f, "memory:{name}"),
        }
    }
}

/// A file's bytes, read once, and their digest.
#[derive(Clone)]
pub struct Artifact {
    /// The source of the bytes.
    pub source: Source,
    /// The digest of the bytes.
    pub digest: Digest,
    /// The bytes; empty for a linked plugin.
    pub bytes: Arc<[u8]>,
}

impl Artifact {
    /// An artifact of these bytes; computes their digest.
    pub fn new(source: Source, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { source, digest: Digest::of(&bytes), bytes }
    }

    /// A crate linked into this program. It has no bytes; its digest is computed from its name and
    /// version, so that it changes with the linked version.
    #[must_use]
    pub fn linked(name: &str, version: &str) -> Self {
        Self {
            source: Source::Linked(name.to_owned()),
            digest: Digest::of(format!("linked:{name}@{version}").as_bytes()),
            bytes: Arc::from([]),
        }
    }
}

impl fmt::Debug for Artifact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifact")
            .field("source", &self.source)
            .field("digest", &self.digest)
            .field("bytes", &self.bytes.len())
            .finish()
    }
}
