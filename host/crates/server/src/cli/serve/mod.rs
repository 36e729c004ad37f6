//! `up`: serves the plugins until a signal stops it.
//!
//! | file | idea |
//! |---|---|
//! | `up` | the subcommand: starts, serves, stops |
//! | `heap` | lets the heap give memory back to the system |
//! | `console` | prints the output of `up`: addresses, events, the end |
//! | `writer` | writes stdout and the log on separate threads, so that a slow reader does not block the host |
//! | `signals` | SIGTERM, ctrl-c and SIGHUP |
//! | `manager` | reports to the service manager (systemd): ready, reloading, stopping, alive |

mod console;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod heap;
mod manager;
mod signals;
mod up;
mod writer;

pub(super) use self::up::Up;
