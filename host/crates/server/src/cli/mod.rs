//! The command line: one file for each subcommand.
//!
//! | file | idea |
//! |---|---|
//! | `command` | the command line as a whole, and which subcommand runs |
//! | `globals` | what every subcommand takes: configuration, output, log |
//! | `failure` | exit codes, and how errors are printed |
//! | `print`, `tables` | JSON, safe text, tables |
//! | `remote`, `trust` | where a running host is asked, and by what its certificate is checked |
//! | `source` | the host that a command queries: the running one, or one built in this process |
//! | `serve` | the subcommand `up`, its output, its signals and its service manager |
//! | `call` … `version` | the other subcommands |

mod audit;
mod call;
mod check;
mod command;
mod completions;
mod config;
mod convert;
mod facts;
mod failure;
mod generations;
mod globals;
#[cfg(test)]
mod hints;
mod inspect;
mod list;
mod print;
mod remote;
mod serve;
mod source;
mod status;
mod tables;
mod token;
mod trust;
mod version;

pub(crate) use self::command::run;
