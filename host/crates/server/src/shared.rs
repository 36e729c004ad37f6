//! What the server, its admin plane and its data plane share.

use std::sync::{Arc, OnceLock};

use plugbay::Host;
use tokio_util::sync::CancellationToken;

use crate::history::History;

/// The host, its latest events, and how far the server has come with stopping.
#[derive(Default)]
pub(crate) struct Shared {
    /// Absent until the first generation is built.
    pub(crate) host: OnceLock<Host>,
    pub(crate) history: Arc<History>,
    /// The server is stopping: every response ends its connection, and `/readyz` fails.
    pub(crate) draining: CancellationToken,
    /// The host is shut down: event streams end, and then the admin plane closes.
    pub(crate) over: CancellationToken,
}
