//! `up`: serves the plugins until a signal stops it.
//!
//! | file | idea |
//! |---|---|
//! | `up` | the subcommand: starts, serves, stops |
//! | `voice` | what `up` prints: where it serves, what happens, how it ends |
//! | `outlet` | stdout and the log, written by a thread of their own, so that a slow reader holds up nothing |
//! | `signals` | SIGTERM, ctrl-c and SIGHUP |
//! | `manager` | the service manager (systemd): ready, reloading, stopping, alive |

mod manager;
mod outlet;
mod signals;
mod up;
mod voice;

pub(super) use self::up::Up;
