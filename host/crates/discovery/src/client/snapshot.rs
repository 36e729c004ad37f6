//! What subscribers of a service get.

use std::sync::Arc;

use crate::{Endpoint, Sequence, ServiceName};

/// All endpoints of a service, the unhealthy ones too, as of one change. Subscribers get a whole one with
/// each change, so one that misses some has lost nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSnapshot {
    /// The service.
    pub service: ServiceName,
    /// The number of the last change in it.
    pub sequence: Sequence,
    /// In the order of their identifiers.
    pub endpoints: Vec<Arc<Endpoint>>,
}
