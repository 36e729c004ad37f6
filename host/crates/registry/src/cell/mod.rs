//! The base of everything else: one value that is replaced while it is read, the right to use a
//! value, and a set of names.
//!
//! - [`Swap`] holds one `Arc` that many read and few replace.
//! - [`Leased`] is a value with its *lease word*: it counts the users of the value, can be closed,
//!   and reports when the last user of a closed value has gone.
//! - [`Table`] is an immutable set of names with fast lookup.
//!
//! A program that publishes several sets at once, such as Plugbay's host, needs these
//! three and no [`Registry`](crate::Registry): it puts all its tables into one value
//! and stores that.

mod counts;
mod fence;
mod lease;
mod step;
mod swap;
mod table;

pub use lease::{Closed, Lease, Leased, Pass};
pub use swap::Swap;
pub use table::{DuplicateName, Table};
