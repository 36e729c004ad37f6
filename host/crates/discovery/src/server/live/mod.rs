//! The one directory of a process.
//!
//! Its state is behind one lock, which is held for moments and never across a wait. A change passes the
//! *journal* first, if there is a store: one thread decides a batch of changes, writes it, and only then
//! applies it. Watchers have no queues: a change wakes those in whose scope it is, and each reads the
//! history from where it was.

mod clock;
mod directory;
mod error;
mod figures;
mod job;
mod journal;
mod settings;
mod state;
mod tasks;
mod topics;
mod watcher;

pub use clock::{Clock, SystemClock};
pub use directory::LiveDirectory;
pub use error::ChangeError;
pub use figures::{Figures, Histogram};
pub use settings::LiveSettings;
pub use tasks::Tasks;
pub use watcher::Watcher;
