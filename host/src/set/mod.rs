//! The published state: one immutable, numbered, complete set, and its parts. Calls read everything
//! here, and it is immutable once it is published, except for counters, guards and the figures of a
//! trial. This module decides nothing: the modules above it start, stop and publish.
//!
//! | file | idea |
//! |---|---|
//! | `identity`, `offer` | the identity of a plugin; a described artifact; a plugin that should run |
//! | `running`, `hosted`, `dedicated` | a started plugin version, and the thread that frees it |
//! | `tally`, `health` | the results and durations of its calls, and the results of its health checks |
//! | `figures`, `ledger`, `counts` | the counts of a version, those of all versions that ever were, and those of no version |
//! | `absent` | plugins that are known and do not serve, and their routes |
//! | `member`, `trial` | a plugin in a generation, and its new version on trial |
//! | `capability`, `retries` | the providers of a capability, and how calls are distributed among them |
//! | `router` | the routes of a generation |
//! | `generation` | the set itself |
//! | `past` | a generation that can be rolled back to |
//! | `published` | the content of the one cell, and the right to call a capability in it |

mod absent;
mod capability;
mod counts;
mod dedicated;
mod figures;
mod generation;
mod health;
mod hosted;
mod identity;
mod ledger;
mod member;
mod offer;
mod overrides;
mod past;
mod published;
mod retries;
mod router;
mod running;
mod tally;
mod trial;

pub use self::absent::{Absence, NotServing};
pub(crate) use self::absent::{Absent, AbsentPlugin};
pub(crate) use self::capability::{Balancing, Capability, Rule, Target};
pub(crate) use self::dedicated::spawn_dedicated;
pub(crate) use self::figures::{Totals, histogram};
pub(crate) use self::generation::Generation;
pub(crate) use self::health::HealthRecord;
pub use self::health::HealthStatus;
pub(crate) use self::hosted::DropOnThread;
pub(crate) use self::identity::PluginIdentity;
pub(crate) use self::ledger::{Ledger, Live, Row};
pub(crate) use self::member::{Canary, Member, condition, gets_calls};
pub(crate) use self::offer::{Incumbent, Offer, Wanted};
pub(crate) use self::overrides::{Hold, Overrides, is_enabled, key_of, weighted, weights_text};
pub use self::overrides::{Override, Switch};
pub(crate) use self::past::{PastGeneration, previous};
pub(crate) use self::published::{Cell, PublishedSet};
pub(crate) use self::retries::Retries;
pub use self::retries::RetryStatus;
pub(crate) use self::router::{Route, RouteOrigin, RouteTarget, Router};
pub(crate) use self::running::{Running, Shutdown, shut_down};
pub use self::tally::CallStatus;
pub use self::trial::TrialStatus;
pub(crate) use self::trial::{Change, End, Terms, Trial};
