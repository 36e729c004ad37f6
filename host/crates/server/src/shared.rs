//! The state that the server, its admin plane and its data plane share.

use std::sync::{Arc, OnceLock};

use plugbay::Host;
use tokio_util::sync::CancellationToken;

use crate::history::History;

/// The host, its latest events, and the progress of a shutdown.
#[derive(Default)]
pub(crate) struct Shared {
    /// Empty until the first generation is built.
    pub(crate) host: OnceLock<Host>,
    pub(crate) history: Arc<History>,
    /// Cancelled when the server begins to stop: every response closes its connection, and
    /// `/readyz` fails.
    pub(crate) draining: CancellationToken,
    /// Cancelled when the host is shut down: event streams end, and then the admin plane closes.
    pub(crate) stopped: CancellationToken,
}
