//! What readers ask for, and what they get.

use std::sync::Arc;

use crate::wire::{Endpoint, EndpointId, HealthStatus, Sequence, ServiceName};

/// What a watcher sees.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The endpoints of one service, whether it exists or not.
    Service(ServiceName),
    /// The whole directory.
    All,
}

impl Scope {
    pub(super) fn contains(&self, service: &ServiceName) -> bool {
        match self {
            Self::Service(name) => name == service,
            Self::All => true,
        }
    }
}

/// Which endpoints of a service a reader wants. The default is all that are usable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query {
    /// Critical ones too.
    pub include_unhealthy: bool,
    /// Only those with all of these tags.
    pub tags: Vec<String>,
    /// Only those with all of these entries of metadata.
    pub metadata: Vec<(String, String)>,
    /// Only those after this identifier: where the last page ended.
    pub after: Option<EndpointId>,
    /// At most this many.
    pub limit: Option<usize>,
}

impl Query {
    /// Whether an endpoint is wanted, by all but its place.
    #[must_use]
    pub fn matches(&self, endpoint: &Endpoint) -> bool {
        (self.include_unhealthy || endpoint.health.is_usable())
            && self.tags.iter().all(|tag| endpoint.tags.contains(tag))
            && self.metadata.iter().all(|(key, value)| endpoint.metadata.get(key) == Some(value))
    }
}

/// The endpoints that a query found, in the order of their identifiers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The number of the last change of the service; if it has no endpoints, of the directory. A
    /// blocking query waits until it is passed.
    pub sequence: Sequence,
    /// The endpoints.
    pub endpoints: Vec<Arc<Endpoint>>,
    /// Where the next page begins, if there is one.
    pub next: Option<EndpointId>,
}

/// How many endpoints a service has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// All whose lease holds or that are retained.
    pub all: usize,
    /// By status.
    pub passing: usize,
    /// By status.
    pub unknown: usize,
    /// By status.
    pub warning: usize,
    /// By status.
    pub critical: usize,
    /// Those whose lease ran out in a mass expiry.
    pub retained: usize,
}

impl Counts {
    pub(super) fn add(&mut self, status: HealthStatus, retained: bool) {
        self.all += 1;
        self.retained += usize::from(retained);
        *match status {
            HealthStatus::Passing => &mut self.passing,
            HealthStatus::Unknown => &mut self.unknown,
            HealthStatus::Warning => &mut self.warning,
            HealthStatus::Critical => &mut self.critical,
        } += 1;
    }
}
