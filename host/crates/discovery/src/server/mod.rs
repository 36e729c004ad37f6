//! The directory as a server.
//!
//! - `live`: [`LiveDirectory`], the one directory of a process, which handlers, watchers, the sweeper and
//!   the checks share.
//! - `check`: checks endpoints, and reports what it finds.
//! - `access`: who may do what to which services.
//! - `metrics`: its figures, for Prometheus.
//! - `api`: the HTTP API, as an [`axum::Router`].

mod access;
mod api;
mod check;
mod live;
mod metrics;

pub use access::{Access, Bearer, Denied, Grants, GrantsError, Right};
pub use api::{
    ApiSettings, Heartbeat, HeartbeatBody, Heartbeats, Lease, NotRenewed, ProblemBody,
    RegisteredBody, Renewed, SnapshotBody, router,
};
pub use check::CheckSettings;
pub use live::{
    ChangeError, Clock, Figures, Histogram, LiveDirectory, LiveSettings, SystemClock, Tasks,
    Watcher,
};
pub use metrics::DirectoryCollector;
