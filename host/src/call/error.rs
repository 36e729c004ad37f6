//! Why a typed call through a handle failed.

use plugbay_core::CallError;
use plugbay_registry::NotFound;

/// A typed call failed: before the plugin, in it, or after it.
///
/// Small, because every answer has room for one.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The running generation does not hold the capability any more.
    #[error(transparent)]
    NotFound(Box<NotFound>),
    /// The plugin, or the host around it, gave no answer.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The value could not be turned into a document.
    #[error("expected a value that serialises: {0}")]
    Serialize(#[source] Box<plugbay_document::Error>),
    /// The document does not have the shape of the wanted type.
    #[error("expected a document of the wanted type: {0}")]
    Deserialize(#[source] Box<plugbay_document::Error>),
}

impl Error {
    /// The stable word for metrics, logs and APIs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not-found",
            Self::Call(error) => error.reason(),
            Self::Serialize(_) => "serialize",
            Self::Deserialize(_) => "deserialize",
        }
    }
}

impl From<NotFound> for Error {
    fn from(missed: NotFound) -> Self {
        Self::NotFound(Box::new(missed))
    }
}
