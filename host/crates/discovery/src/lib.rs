//! Service discovery: a directory that maps names of services to their endpoints, with leases,
//! health checks and a watch.
//!
//! A process *registers* an endpoint (a host and a port) under the name of a service, and keeps it
//! there by *heartbeats*, each of which renews its *lease*. Others *look up* the service, or *watch*
//! it. The directory may *check* endpoints by itself.
//!
//! # The layers
//!
//! - `wire`: the vocabulary. Its types are what the HTTP API reads and writes, as JSON.
//! - [`Directory`]: the state machine. It decides and never acts: time, identifiers and results of
//!   checks are arguments, and every change is a value. All tests of it are exact.
//! - [`Store`]: what a directory keeps across restarts, as a log of [`Record`]s. `SqliteStore` (feature
//!   `sqlite`) keeps it in a file, with backups.
//! - `server` (feature `server`): the directory that others reach over HTTP.
//! - `dns` (feature `dns`): its services as a DNS zone.
//! - `client` (feature `client`): the producer and consumer that reaches it.
//!
//! # The order of a change
//!
//! [`Directory::register`] and its sisters *decide* and change nothing: they return [`Record`]s.
//! The server appends these to the store, and only then [applies](Directory::apply) them. So no
//! reader sees a registration, and no client gets an answer for it, that a crash could take back.
//! Heartbeats and results of checks are not stored: after a restart every lease begins again in full.
//!
//! # What is never done here
//!
//! - The wall clock decides nothing: leases are measured by the monotonic clock, and wall time is
//!   only shown. (One exception: no directory begins to count below its microseconds.)
//! - A sequence number is never given twice, and never goes back.
//! - A watcher has no queue: it reads the history at its own pace, so a slow one blocks nobody.
#![forbid(unsafe_code)]

#[cfg(feature = "client")]
pub mod client;
mod directory;
#[cfg(feature = "dns")]
pub mod dns;
#[cfg(feature = "server")]
mod server;
mod store;
mod wire;

pub use directory::{
    Actor, Caught, CheckResult, Counts, Decision, Directory, EndpointError, HistoryLost, Limits,
    MassExpiry, Moment, Query, RegisterError, Registered, Scope, Snapshot,
};
#[cfg(feature = "server")]
pub use server::{
    Access, ApiSettings, Bearer, ChangeError, CheckSettings, Clock, Denied, DirectoryCollector,
    Figures, Grants, GrantsError, Heartbeat, HeartbeatBody, Heartbeats, Histogram, Lease,
    LiveDirectory, LiveSettings, NotRenewed, ProblemBody, RegisteredBody, Renewed, Right,
    SnapshotBody, SystemClock, Tasks, Watcher, router,
};
#[cfg(feature = "sqlite")]
pub use store::{BackedUp, FileError, Restored, SqliteStore, back_up, restore};
pub use store::{Loaded, MemoryStore, Record, Store, StoreError};
pub use wire::{
    Change, ChangeKind, CheckSpec, DeregisterReason, Endpoint, EndpointId, FieldError, Health,
    HealthReport, HealthStatus, Host, Invalid, Probe, Registration, Sequence, ServiceName,
};
