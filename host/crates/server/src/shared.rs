//! The state that the server, its admin plane and its data plane share.

use std::sync::{Arc, OnceLock};
use std::time::SystemTime;

use plugbay::config::AdminSettings;
use plugbay::{Host, Liveness};
use plugbay_discovery::LiveDirectory;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::access::Tokens;
use crate::admin::{Idempotent, Rates};
use crate::audit::AuditLog;
use crate::data::DataPlane;
use crate::history::History;
use crate::log::LogTail;
use crate::upgrades::AskForUpgrade;

/// The host, its latest events, and the progress of a shutdown.
pub(crate) struct Shared {
    /// Empty until the first generation is built.
    pub(crate) host: OnceLock<Host>,
    /// Whether the reconciler makes progress, also before the first generation.
    pub(crate) liveness: Liveness,
    pub(crate) history: Arc<History>,
    /// Who may use the admin plane; `None` if everyone may who reaches it.
    pub(crate) tokens: Option<Arc<Tokens>>,
    /// Where requests to the admin plane are written that change something.
    pub(crate) audit: Option<Arc<AuditLog>>,
    /// How often each token asks, on all listeners of the plane together.
    pub(crate) rates: Arc<Rates>,
    /// The answers to requests that may be sent again.
    pub(crate) idempotent: Arc<Idempotent>,
    /// The latest lines of the log, if this process keeps them.
    pub(crate) logs: OnceLock<LogTail>,
    /// Answers the trial requests of the dashboard. Empty if the application serves the data plane itself.
    pub(crate) data: OnceLock<DataPlane>,
    /// The directory of the host and its address, if it serves one.
    pub(crate) directory: OnceLock<(LiveDirectory, String)>,
    /// Asks the program to replace this process, if it can.
    pub(crate) upgrades: OnceLock<AskForUpgrade>,
    /// When this was made: it tells a reader of numbered events and lines that another process has begun to count.
    pub(crate) started_at: SystemTime,
    /// One permit for each event stream that may be open.
    pub(crate) streams: Arc<Semaphore>,
    /// Cancelled when the server begins to stop: every response closes its connection, and
    /// `/readyz` fails.
    pub(crate) draining: CancellationToken,
    /// Cancelled before `draining` if another process serves the same sockets: a probe that still reaches this one asks
    /// about both.
    pub(crate) replaced: CancellationToken,
    /// Cancelled when the host is shut down: event streams end, and then the admin plane closes.
    pub(crate) stopped: CancellationToken,
}

/// The maximum number of open event streams: a fraction of the connections of the admin plane, so
/// that streams never keep a probe from connecting.
pub(crate) const EVENT_STREAMS: usize = 64;

impl Shared {
    /// The state before the first generation.
    pub(crate) fn new(
        liveness: Liveness,
        tokens: Option<Arc<Tokens>>,
        audit: Option<Arc<AuditLog>>,
        settings: &AdminSettings,
    ) -> Self {
        Self {
            host: OnceLock::new(),
            liveness,
            history: Arc::default(),
            tokens,
            audit,
            rates: Arc::new(Rates::new(settings)),
            idempotent: Arc::default(),
            logs: OnceLock::new(),
            data: OnceLock::new(),
            directory: OnceLock::new(),
            upgrades: OnceLock::new(),
            started_at: SystemTime::now(),
            streams: Arc::new(Semaphore::new(EVENT_STREAMS)),
            draining: CancellationToken::new(),
            replaced: CancellationToken::new(),
            stopped: CancellationToken::new(),
        }
    }
}
