//! The state that the handlers of the data plane share.

use std::sync::Arc;

use plugbay::Host;
use tokio_util::sync::CancellationToken;

use super::blocking::Bulkheads;

/// The host, its codec bulkheads, and whether the server is stopping.
#[derive(Clone)]
pub(super) struct Data {
    pub(super) host: Host,
    pub(super) draining: CancellationToken,
    pub(super) blocking: Arc<Bulkheads>,
}
