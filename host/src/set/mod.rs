//! What is published: one immutable, numbered, complete set, and what it is made of.
//!
//! Everything here is read by calls and immutable once it is published, but for counters, guards
//! and the figures of a trial. This room decides nothing: the rooms above it start, stop and
//! publish.
//!
//! | file | idea |
//! |---|---|
//! | `identity`, `offer` | what makes two plugins the same; a described artifact; a plugin that should run |
//! | `running`, `hosted`, `dedicated` | a started plugin version, and where it is freed |
//! | `tally`, `health` | what came of its calls and of its health checks |
//! | `member`, `trial` | a plugin in a generation; its new version on trial |
//! | `capability`, `retries` | who offers a capability, and how calls are given out among several |
//! | `router` | the routes of a generation |
//! | `generation` | the set itself |
//! | `past` | a generation that can be gone back to |
//! | `published` | what the one cell holds, and the right to call what it holds |

mod capability;
mod dedicated;
mod generation;
mod health;
mod hosted;
mod identity;
mod member;
mod offer;
mod past;
mod published;
mod retries;
mod router;
mod running;
mod tally;
mod trial;

pub(crate) use self::capability::{Capability, Rule, Spread, Target};
pub(crate) use self::dedicated::spawn_dedicated;
pub(crate) use self::generation::Generation;
pub(crate) use self::health::HealthRecord;
pub use self::health::HealthStatus;
pub(crate) use self::hosted::Hosted;
pub(crate) use self::identity::PluginIdentity;
pub(crate) use self::member::{Canary, Member, condition, is_well};
pub(crate) use self::offer::{Incumbent, Offer, Wanted};
pub(crate) use self::past::{Past, previous};
pub(crate) use self::published::{Cell, PublishedSet};
pub(crate) use self::retries::Retries;
pub use self::retries::RetryStatus;
pub(crate) use self::router::{Route, RouteOrigin, RouteTarget, Router};
pub(crate) use self::running::{Running, Shutdown, shut_down};
pub use self::tally::CallStatus;
pub(crate) use self::tally::Tally;
pub use self::trial::TrialStatus;
pub(crate) use self::trial::{Change, End, Terms, Trial};
