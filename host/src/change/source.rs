//! The artifacts that a reconciliation finds, from the folder, the program and the application.

use plugbay_core::{Artifact, Digest, Refusal, Source};

use super::folder::Found;

/// The source of an offer's artifact.
#[derive(Clone)]
pub(crate) enum ArtifactSource {
    Folder(Found),
    /// An artifact that is linked into the program, or passed in by the application.
    Given(Artifact),
}

impl ArtifactSource {
    pub(crate) fn source(&self) -> Source {
        match self {
            Self::Folder(found) => found.source(),
            Self::Given(artifact) => artifact.source.clone(),
        }
    }

    pub(super) fn digest(&self) -> Digest {
        match self {
            Self::Folder(found) => found.digest,
            Self::Given(artifact) => artifact.digest,
        }
    }

    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Folder(found) => found.size,
            Self::Given(artifact) => artifact.bytes.len() as u64,
        }
    }

    pub(super) fn artifact(&self) -> Result<Artifact, Refusal> {
        match self {
            Self::Folder(found) => found.artifact(),
            Self::Given(artifact) => Ok(artifact.clone()),
        }
    }
}
