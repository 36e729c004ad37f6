//! `up`: serves the plugins until a signal stops it. `directory`: serves a directory of services.
//!
//! | file | idea |
//! |---|---|
//! | `up` | the subcommand: starts, serves, stops |
//! | `directory` | the subcommand of that name |
//! | `heap` | lets the heap give memory back to the system |
//! | `console` | prints the output of `up`: addresses, events, the end |
//! | `writer` | writes stdout and the log on separate threads, so that a slow reader does not block the host |
//! | `signals` | SIGTERM, ctrl-c, SIGHUP and SIGUSR2 |
//! | `manager` | reports to the service manager (systemd): ready, reloading, stopping, alive |
//! | `upgrade` | replaces this process by a new one |
//! | `upgrading` | the upgrade that is under way, and who waits for it |
//! | `inherited` | the sockets of a service manager, or of the process that this one replaces |

mod console;
mod directory;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod heap;
mod inherited;
mod manager;
mod signals;
mod up;
#[cfg(unix)]
mod upgrade;
mod upgrading;
mod writer;

pub(super) use self::directory::Directory;
pub(super) use self::signals::Signals;
pub(super) use self::up::Up;
