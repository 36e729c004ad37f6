//! What the server, its admin plane and its data plane share.

use std::sync::{Arc, OnceLock};

use plugbay::Host;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::history::History;

/// The host, its latest events, and how far the server has come with stopping.
pub(crate) struct Shared {
    /// Absent until the first generation is built.
    pub(crate) host: OnceLock<Host>,
    pub(crate) history: Arc<History>,
    /// One permit for each event stream that may be open.
    pub(crate) streams: Arc<Semaphore>,
    /// The server is stopping: every response ends its connection, and `/readyz` fails.
    pub(crate) draining: CancellationToken,
    /// The host is shut down: event streams end, and then the admin plane closes.
    pub(crate) over: CancellationToken,
}

/// Event streams at once: a fraction of the connections that the admin plane takes, so that streams
/// never keep a probe out.
pub(crate) const EVENT_STREAMS: usize = 64;

impl Default for Shared {
    fn default() -> Self {
        Self {
            host: OnceLock::new(),
            history: Arc::default(),
            streams: Arc::new(Semaphore::new(EVENT_STREAMS)),
            draining: CancellationToken::new(),
            over: CancellationToken::new(),
        }
    }
}
