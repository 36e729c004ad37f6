//! What happened and what was refused, in one vocabulary for the log, events, status and APIs.
//!
//! | file | idea |
//! |---|---|
//! | `outcome` | every step of a change ends in one closed [`Outcome`] |
//! | `journal` | where outcomes go: the log, and whoever subscribed |
//! | `rejected` | what was refused, and why |
//! | `report` | what one look came to |
//! | `time`, [`timestamp`] | durations and points in time as all of these write them |

mod journal;
mod outcome;
mod rejected;
mod report;
mod time;
pub mod timestamp;

pub(crate) use self::journal::Journal;
pub use self::journal::{Event, Events};
pub use self::outcome::Outcome;
pub(crate) use self::rejected::Refused;
pub use self::rejected::Rejected;
pub use self::report::Report;
pub(crate) use self::time::millis;
