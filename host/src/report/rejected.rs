//! What was refused: as the host works with it, and as status shows it.

use std::time::SystemTime;

use plugbay_core::{Digest, Reason, Refusal, Source};
use serde::{Deserialize, Serialize};

use super::timestamp;

/// Something that was refused on the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Rejection {
    pub(crate) source: Source,
    pub(crate) plugin: Option<String>,
    pub(crate) digest: Option<Digest>,
    pub(crate) refusal: Refusal,
}

/// Something that was refused.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Rejected {
    /// The file, or `linked:NAME`.
    pub source: String,
    /// The plugin's name, if it got so far.
    pub plugin: Option<String>,
    /// The digest, if the file could be read.
    pub digest: Option<String>,
    /// Why: a stable word.
    pub reason: Reason,
    /// What was expected and found.
    pub message: String,
    /// What to do about it; may be empty.
    pub hint: String,
    /// Since when, for this very reason.
    #[serde(with = "timestamp")]
    pub since: SystemTime,
}
