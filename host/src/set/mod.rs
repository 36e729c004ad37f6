//! What is published: one immutable, numbered, complete set, and what it is made of.
//!
//! Everything here is read by calls and changed by nobody once it is published, but for counters,
//! guards and the figures of a trial. This room decides nothing: who starts, stops and publishes
//! stands in the rooms above it.
//!
//! | file | idea |
//! |---|---|
//! | `identity`, `offer` | what makes two plugins the same; a described artifact; a plugin that should run |
//! | `running`, `hosted`, `apart` | a started plugin version, and where it is freed |
//! | `tally`, `health` | what came of its calls and of its health checks |
//! | `member`, `trial` | a plugin in a generation; its new version on trial |
//! | `capability`, `second_tries` | who offers a capability, and how calls are given out among several |
//! | `router` | the routes of a generation |
//! | `generation` | the set itself |
//! | `past` | a generation that can be gone back to |
//! | `published` | what the one cell holds, and the right to call what it holds |

mod apart;
mod capability;
mod generation;
mod health;
mod hosted;
mod identity;
mod member;
mod offer;
mod past;
mod published;
mod router;
mod running;
mod second_tries;
mod tally;
mod trial;

pub(crate) use self::apart::apart;
pub(crate) use self::capability::{Capability, Rule, Spread, Target};
pub(crate) use self::generation::Generation;
pub(crate) use self::health::HealthRecord;
pub use self::health::HealthStatus;
pub(crate) use self::hosted::Hosted;
pub(crate) use self::identity::Identity;
pub(crate) use self::member::{Canary, Member, condition, is_well};
pub(crate) use self::offer::{Incumbent, Offer, Wanted};
pub(crate) use self::past::{Past, previous};
pub(crate) use self::published::{Cell, Published};
pub(crate) use self::router::{Origin, Route, RouteTarget, Router};
pub(crate) use self::running::{Goodbye, Running, shut_down};
pub(crate) use self::second_tries::SecondTries;
pub use self::second_tries::SecondTryStatus;
pub use self::tally::CallStatus;
pub(crate) use self::tally::Tally;
pub use self::trial::TrialStatus;
pub(crate) use self::trial::{Change, End, Terms, Trial};
