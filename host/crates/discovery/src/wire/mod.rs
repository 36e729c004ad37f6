//! The vocabulary of the API: what is read from JSON and written as JSON.

mod bounds;
mod change;
mod check;
mod endpoint;
mod fields;
mod health;
mod host;
mod id;
mod invalid;
mod name;
mod registration;
#[cfg(feature = "server")]
mod schema;
pub(crate) mod seconds;
mod sequence;
pub(crate) mod timestamp;

pub use change::{Change, ChangeKind, DeregisterReason};
pub use check::{CheckSpec, Probe};
pub use endpoint::Endpoint;
pub use health::{Health, HealthReport, HealthStatus};
pub use host::Host;
pub use id::EndpointId;
pub use invalid::{FieldError, Invalid};
pub use name::ServiceName;
pub use registration::Registration;
pub use sequence::Sequence;
