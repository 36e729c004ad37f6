//! Why a typed call through a handle failed.

use plugbay_core::CallError;
use plugbay_registry::NotFound;

/// A typed call failed: before it reached the plugin, in the plugin, or after it.
///
/// Its variants are boxed, because every call returns a `Result` with it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The running generation does not hold the capability.
    #[error(transparent)]
    NotFound(Box<NotFound>),
    /// The call failed in the plugin or in the host.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The value could not be turned into a document.
    #[error("the value cannot be serialized: {0}")]
    Serialize(#[source] Box<plugbay_document::Error>),
    /// The document does not have the requested type.
    #[error("the document does not have the requested type: {0}")]
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
