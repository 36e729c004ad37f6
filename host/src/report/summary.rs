//! The report of one reconciliation.

use serde::{Deserialize, Serialize};

use super::rejected::Rejected;

/// The result of one reconciliation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct Report {
    /// The generation that serves now.
    pub generation: u64,
    /// Whether this reconciliation published it.
    pub published: bool,
    /// `name@version` of the versions that were started.
    pub loaded: Vec<String>,
    /// `name@version` of the versions that were retired.
    pub retired: Vec<String>,
    /// Everything that is refused now.
    pub rejected: Vec<Rejected>,
    /// The sources of the artifacts that are new and still being prepared: what runs stays until they
    /// are.
    #[serde(default)]
    pub preparing: Vec<String>,
}

impl Report {
    /// Merges the report of an earlier step of the same reconciliation into this one.
    pub(crate) fn after(mut self, first: Option<Self>) -> Self {
        let Some(first) = first else { return self };
        self.published |= first.published;
        self.loaded.splice(0..0, first.loaded);
        self.retired.splice(0..0, first.retired);
        self
    }
}
