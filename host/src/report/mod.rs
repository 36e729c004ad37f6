//! What happened and what was refused, in one vocabulary for the log, events, status and APIs.
//!
//! | file | idea |
//! |---|---|
//! | `outcome` | every step of a change ends in one closed [`Outcome`] |
//! | `journal` | where outcomes go: the log and all subscribers |
//! | `rejected` | what was refused, and why |
//! | `look` | what one look of the reconciler came to |
//! | `time`, [`timestamp`] | durations and points in time as all of these write them |

mod journal;
mod look;
mod outcome;
mod rejected;
mod time;
pub mod timestamp;

pub(crate) use self::journal::Journal;
pub use self::journal::{Event, Events};
pub use self::look::Report;
pub use self::outcome::Outcome;
pub use self::rejected::Rejected;
pub(crate) use self::rejected::Rejection;
pub(crate) use self::time::millis;
