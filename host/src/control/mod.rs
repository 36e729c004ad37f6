//! Who acts, and when: the only room that changes what is published.
//!
//! One thread, the reconciler, looks at the folder and the configuration and publishes what
//! `change` makes of them. It is woken by `signal`: because `watch` saw a change, an operator
//! ordered something, a timer ran out, a plugin is unhealthy, or a trial is decided.
//!
//! | file | idea |
//! |---|---|
//! | `signal` | "look again", and what an operator orders |
//! | `watch` | says "look again" when the folder or the configuration changes; `unwatched` takes its place in a build without the feature `watch` |
//! | `reconcile` | the only writer: one look after the other |
//! | `publish` | one store makes the next set serve |
//! | `drain`, `stop` | what left is drained; the end of the host |
//! | `health`, `restarts` | asks plugins whether they are well; starts those again that are not |
//! | `canary` | judges versions on trial |
//! | `rollback` | why an earlier generation cannot serve again |
//! | `shared` | what all of these share with the host's handles |

mod canary;
mod drain;
mod health;
mod publish;
mod reconcile;
mod restarts;
mod rollback;
mod shared;
mod signal;
pub(crate) mod stop;
#[cfg(not(feature = "watch"))]
mod unwatched;
#[cfg(feature = "watch")]
mod watch;

pub(crate) use self::drain::{Draining, others};
pub(crate) use self::reconcile::Reconciler;
pub use self::rollback::{Numbers, RollbackError};
pub(crate) use self::shared::{ConfigLoader, HostState};
pub(crate) use self::signal::{OperatorCommand, Signal, channel};
