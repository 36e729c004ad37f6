//! The command line: one file for each subcommand.
//!
//! | file | idea |
//! |---|---|
//! | `command` | the command line as a whole, and which subcommand runs |
//! | `globals` | what every subcommand takes: configuration, output, log |
//! | `failure` | exit codes, and how errors are printed |
//! | `print`, `tables` | JSON, safe text, tables |
//! | `remote`, `trust` | where a running host is asked, and by what its certificate is checked |
//! | `target` | which running host a command asks: that of the configuration, one at an address, or one of a file of hosts |
//! | `source` | the host that a command queries: the running one, or one built in this process |
//! | `serve` | the subcommand `up`, its output, its signals and its service manager; the subcommand `directory` |
//! | `directory_file` | the subcommands of `directory` for its file: `backup`, `restore` |
//! | `services` | the subcommands that ask a directory of services |
//! | `top` | the subcommand `top`, its table and its screen |
//! | `sse` | a stream of server-sent events, for `events` and `services watch` |
//! | `author/` | the commands of authors: `new`, `build`, `test`, `dev`, `bench`, `explain` |
//! | `actions`, `call` … `version` | the other subcommands |

mod actions;
mod audit;
mod author;
mod call;
mod change;
mod check;
mod command;
mod completions;
mod config;
mod convert;
mod directory_file;
mod events;
mod facts;
mod failure;
mod generations;
mod globals;
#[cfg(test)]
mod hints;
mod inspect;
mod list;
mod logs;
mod print;
mod remote;
mod retry;
mod serve;
mod services;
mod source;
mod sse;
mod status;
mod tables;
mod target;
mod token;
mod top;
mod trace;
mod trust;
mod upgrade;
mod version;
mod weights;

pub(crate) use self::command::run;
