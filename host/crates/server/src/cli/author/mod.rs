//! The commands of authors: from an empty folder to a plugin that is tried, measured and served.
//!
//! | file | idea |
//! |---|---|
//! | `new` | the subcommand `new`: makes the folder of a plugin |
//! | `kind` | the subcommand `kind`: the files of an application's own kind |
//! | `build` | the subcommand `build`, and the plugin that the other commands build first |
//! | `cases/` | the cases of a plugin: files with an input, and with what is expected |
//! | `test` | the subcommand `test`: runs the cases |
//! | `bench` | the subcommand `bench`: measures the calls of the cases |
//! | `dev` | the subcommand `dev`: builds at each change, and serves |
//! | `sources` | waits for changes of a plugin's sources |
//! | `explain` | the subcommand `explain`: what a reason means, and what to do |

mod bench;
mod build;
mod cases;
mod dev;
mod explain;
mod kind;
mod new;
mod sources;
mod test;

pub(super) use self::bench::Bench;
pub(super) use self::build::{Build, PluginArgs};
pub(super) use self::dev::Dev;
pub(super) use self::explain::Explain;
pub(super) use self::kind::KindCommand;
pub(super) use self::new::New;
pub(super) use self::test::Test;
