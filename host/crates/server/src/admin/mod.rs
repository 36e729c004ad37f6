//! The admin plane: what runs, what was refused and why, what happened lately.
//!
//! | path | answers |
//! |---|---|
//! | `GET /v1/status` | everything below in one document |
//! | `GET /v1/plugins`, `/v1/plugins/{name}` | the plugins that serve; by name, or by `KIND:NAME` that one offers |
//! | `GET /v1/generations` | the running generation, those to roll back to, what drains, the latest events |
//! | `GET /v1/rejected` | what was refused, with reason and hint |
//! | `GET /v1/events` | events as they come, server-sent; `Last-Event-ID` is honoured |
//! | `POST /v1/generations/{number}/rollback` | rolls back to that generation; changes are then held back |
//! | `POST /v1/resume` | applies changes again |
//! | `POST /v1/reload` | reads the folder and the configuration now |
//! | `GET /debug/registry`, `/debug/registry/{name}` | the names of a kind, or of `plugins` |
//! | `GET /livez` | 200 unless the reconciler is stuck |
//! | `GET /readyz` | 200 between the first generation and the signal to stop |
//!
//! It listens on a loopback address and needs no password, so `guard` alone keeps it from web pages in a
//! browser on the same machine.

mod bodies;
mod events;
mod guard;
mod plugin;
mod registry;
mod router;
mod views;

pub use self::bodies::{Generations, Names, Plugins, RejectedList, Versions};
pub use self::plugin::plugin;
pub use self::registry::{Entry, Registry, State, names, registry};
pub(crate) use self::router::router;
