//! The HTTP API.
//!
//! | file | idea |
//! |---|---|
//! | `router` | the paths, and the bounds around them |
//! | `state` | what all handlers share; who makes a request, and whether it may |
//! | `problem` | errors as `application/problem+json` |
//! | `register` | registrations, heartbeats, deregistrations |
//! | `lookup`, `query` | lookups, their parameters, blocking queries |
//! | `events` | the watch, as server-sent events |
//! | `compat` | the same directory in the shapes of an earlier API |
//! | `openapi` | the description of the API |
//! | `probes` | liveness and metrics |

mod bodies;
mod compat;
mod events;
mod lookup;
mod openapi;
mod probes;
mod problem;
mod query;
mod register;
mod router;
mod state;

pub use bodies::{
    Heartbeat, HeartbeatBody, Heartbeats, Lease, NotRenewed, RegisteredBody, Renewed, SnapshotBody,
};
pub use problem::ProblemBody;
pub use router::router;
pub use state::ApiSettings;
