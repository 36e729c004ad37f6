//! The state machine of the directory. `directory.rs` opens with its parts.

mod actor;
mod decide;
#[expect(clippy::module_inception, reason = "the folder is named after its main type")]
mod directory;
mod entry;
mod error;
mod history;
mod lease;
mod limits;
mod moment;
mod query;
mod read;
mod service;
#[cfg(test)]
mod tests;

pub use actor::Actor;
pub use decide::{Decision, Registered};
pub use directory::Directory;
pub use entry::CheckResult;
pub use error::{EndpointError, RegisterError};
pub use history::{Caught, HistoryLost};
pub use limits::{Limits, MassExpiry};
pub use moment::Moment;
pub use query::{Counts, Query, Scope, Snapshot};
