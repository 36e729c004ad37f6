//! From the folder and the configuration to the next generation.
//!
//! ```text
//! folder ─▶ prepare ─▶ desired ─▶ plan ─▶ start ─▶ assemble
//!                         └────── claims ─────┴───────┘
//! ```
//!
//! Each step takes what the one before found and returns what it makes of it; what is refused on
//! the way is returned beside it. When these steps run, and what becomes of their result, is
//! decided in `control`.
//!
//! | file | idea |
//! |---|---|
//! | `folder` | lists and reads the plugin folder; half-written files are "not yet" |
//! | `prepare`, `preparing`, `store`, `parallel` | prepares each digest once, each aside, and starts plugins in parallel |
//! | `desired` | what the folder and the configuration ask for, together |
//! | `claims` | who may have which name, capability and route: the one judge of clashes |
//! | `plan` | what becomes of each plugin: it stays, something of it is started, or it leaves |
//! | `start` | carries the plan out, and puts together what the next set is made of |
//! | `trials` | which version is tried, how, and what came of it |
//! | `assemble` | puts a generation together |
//! | `history` | the last generations, to go back to |
//! | `inspect` | what a file holds, for `inspect` and `check` |

mod assemble;
mod claims;
mod desired;
pub(crate) mod folder;
mod history;
mod inspect;
mod parallel;
mod plan;
mod prepare;
mod preparing;
mod start;
mod store;
mod trials;

pub(crate) use self::assemble::{assemble, is_same};
pub(crate) use self::claims::{configured_routes, settle};
pub(crate) use self::desired::{Desired, is_disabled, resolve, violated};
pub(crate) use self::history::History;
pub use self::inspect::{Inspection, Prospect};
pub(crate) use self::inspect::{check, inspect};
pub(crate) use self::prepare::{Key, is_whole};
pub(crate) use self::start::{Look, Next, StartedPlugin, restart_members};
pub(crate) use self::store::{ArtifactSource, Preparation, Retry, Store};
pub(crate) use self::trials::{Trials, trial_outcome};
