//! Rejections: as the host uses them internally, and as the status shows them.

use std::time::SystemTime;

use plugbay_core::{Digest, Reason, Refusal, Source};
use serde::{Deserialize, Serialize};

use super::timestamp;

/// A refused file, plugin or configuration, as the host uses it internally.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) source: Source,
    pub(crate) plugin: Option<String>,
    pub(crate) digest: Option<Digest>,
    pub(crate) refusal: Refusal,
}

/// A refused file, plugin or configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Rejected {
    /// The file, or `linked:NAME`.
    pub source: String,
    /// The plugin's name, if it is known.
    pub plugin: Option<String>,
    /// The digest, if the file could be read.
    pub digest: Option<String>,
    /// The stable reason.
    pub reason: Reason,
    /// What was expected and found.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// Since when it is refused for this reason.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub since: SystemTime,
}
