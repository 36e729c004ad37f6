//! Outcomes and rejections: one vocabulary for the log, events, status and APIs.
//!
//! | file | idea |
//! |---|---|
//! | `action`, `change` | what operators can do, and what it changes |
//! | `outcome` | the [`Outcome`] of each step of a change |
//! | `sentence` | the sentence for each outcome |
//! | `journal` | sends outcomes to the log and to all subscribers |
//! | `counts` | counts of reconciliations, registrations and rejections |
//! | `rejected` | refused files, plugins and configurations, with the reasons |
//! | `warning` | parts of the configuration that have no effect |
//! | `summary` | the report of one reconciliation |
//! | `time`, [`timestamp`] | durations and points in time, as reports write them |

mod action;
mod change;
mod counts;
mod journal;
mod outcome;
mod rejected;
mod sentence;
mod sink;
mod summary;
mod time;
pub mod timestamp;
mod warning;

pub use self::action::{Action, ActionReport, CallsLeft};
pub use self::change::{Change, KeyChange, PluginChange, PluginVersion};
pub(crate) use self::counts::{
    HostCounts, PreparationOutcome, RegisterOutcome, ReloadOutcome, WordCounts,
};
pub(crate) use self::journal::Journal;
pub use self::journal::{Event, Events, Missed};
pub use self::outcome::Outcome;
pub use self::rejected::Rejected;
pub(crate) use self::rejected::Rejection;
pub use self::sink::EventSink;
pub use self::summary::Report;
pub(crate) use self::time::millis;
pub use self::warning::ConfigWarning;
