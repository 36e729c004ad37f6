//! From the folder and the configuration to the next generation.
//!
//! ```text
//! folder ─▶ prepare ─▶ desired ─▶ plan ─▶ start ─▶ assemble
//!                         └────── claims ─────┴───────┘
//! ```
//! Each step takes the result of the one before and returns its own result, together with what it
//! refused. `control` decides when these steps run, and uses the result.
//!
//! | file | idea |
//! |---|---|
//! | `folder` | lists and reads the plugin folder; half-written files are "not yet" |
//! | `catch_panic` | calls runtimes, and turns their panics into refusals and failed calls |
//! | `source`, `prepare`, `preparing`, `store`, `parallel` | prepares each digest once, each on its own thread, and starts plugins in parallel |
//! | `desired` | the plugins that should run, by the folder and the configuration |
//! | `claims` | assigns names, capabilities and routes: the one arbiter of clashes |
//! | `absent` | which plugins are known and do not serve |
//! | `plan` | for each plugin: stay, start a version, or retire |
//! | `start` | carries out the plan, and collects the members of the next set |
//! | `trials` | which version is on trial, by which rules, and the result |
//! | `assemble` | assembles a generation |
//! | `difference` | what differs between two sets |
//! | `history` | the last generations, for rollback |
//! | `warnings` | parts of a configuration that have no effect |
//! | `inspect` | inspects files, for `inspect` and `check` |

mod absent;
mod assemble;
mod catch_panic;
mod claims;
mod desired;
mod difference;
pub(crate) mod folder;
mod history;
mod inspect;
mod parallel;
mod plan;
mod prepare;
mod preparing;
mod source;
mod start;
mod store;
mod trials;
mod warnings;

pub(crate) use self::absent::{Known, absent};
pub(crate) use self::assemble::{assemble, is_same};
pub(crate) use self::catch_panic::{CatchPanic, Runtimes};
pub(crate) use self::claims::{configured_routes, settle};
pub(crate) use self::desired::{Desired, described_as, is_disabled, names, resolve, violated};
pub(crate) use self::difference::{SetView, version_of};
pub use self::folder::is_artifact_name;
pub(crate) use self::history::History;
pub use self::inspect::{Inspection, PlannedPlugin};
pub(crate) use self::inspect::{check, inspect};
pub(crate) use self::prepare::{Key, is_whole};
pub(crate) use self::preparing::Batch;
pub(crate) use self::source::ArtifactSource;
pub(crate) use self::start::{Next, Reconciliation, StartedPlugin, restart_members};
pub(crate) use self::store::{Preparation, Retry, Store};
pub(crate) use self::trials::{Trials, trial_outcome};
pub(crate) use self::warnings::warnings;
