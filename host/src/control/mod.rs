//! Decides when to act: the only module that changes what is published. One thread, the reconciler,
//! reads the folder and the configuration and publishes the generation that `change` computes from
//! them. `signal` wakes it: when `watch` saw a change, an operator sent a command, a timer ran out,
//! a plugin is unhealthy, or a trial is decided.
//!
//! | file | idea |
//! |---|---|
//! | `signal` | wakes the reconciler, and carries the commands of operators |
//! | `places` | which folders are watched, and which of their entries matter |
//! | `watch` | wakes the reconciler when the folder or the configuration changes; `unwatched` replaces it in a build without the feature `watch` |
//! | `config_file` | when a changed configuration file is complete, and taken over |
//! | `watching` | keeps the files of the configuration watched, and reports a watcher that is lost |
//! | `reconcile` | the only writer: one reconciliation after the other |
//! | `reload_span` | the span of a reconciliation, for a trace |
//! | `action` | the actions of operators; `reconcile/act` carries them out |
//! | `overrides_file` | keeps what operators switched over a restart of the host |
//! | `callers` | answers the callers of a reload once their artifacts are prepared |
//! | `leaving` | keeps a plugin whose file is gone while new files are prepared, one of which may replace it |
//! | `publish` | publishes the next set by one atomic store |
//! | `drain`, `stop` | drains retired plugins; stops the host |
//! | `health`, `restarts` | runs health checks; restarts unhealthy plugins |
//! | `canary` | judges versions on trial |
//! | `liveness` | whether the reconciler makes progress |
//! | `rollback` | why a rollback failed |
//! | `shared` | the state that these share with the host's handles |

mod action;
mod callers;
mod canary;
mod config_file;
mod drain;
mod health;
mod leaving;
mod liveness;
mod overrides_file;
#[cfg(feature = "watch")]
mod places;
mod publish;
mod reconcile;
mod reload_span;
mod restarts;
mod rollback;
mod shared;
mod signal;
pub(crate) mod stop;
#[cfg(not(feature = "watch"))]
mod unwatched;
#[cfg(feature = "watch")]
mod watch;
mod watching;

pub(crate) use self::action::ActionRequest;
pub use self::action::{ActionError, ActionOptions};
pub(crate) use self::config_file::ConfigFile;
pub(crate) use self::drain::{Draining, other_calls};
pub use self::liveness::Liveness;
pub(crate) use self::reconcile::Reconciler;
pub use self::rollback::{GenerationNumbers, RollbackError};
pub(crate) use self::shared::{ConfigLoader, HostState};
pub(crate) use self::signal::{OperatorCommand, Signal, channel};
