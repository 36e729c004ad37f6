//! CPU profiles of the running process, in which the compiled code of guests has the names of its plugins.
//!
//! [`record`] interrupts each thread after every 10 ms of processor time that it used, and notes where it was. The
//! answer is a [`Recording`], which [`Recording::to_pprof`] writes as a profile that `go tool pprof` and others read.
//!
//! ```
//! use std::sync::mpsc;
//! use std::time::Duration;
//!
//! // A profile ends early when the sender is dropped.
//! let (_going_on, stop) = mpsc::channel();
//! match plugbay_profile::record(Duration::from_millis(50), &stop, Vec::new) {
//!     Ok(recording) => assert!(!recording.to_pprof().is_empty()),
//!     Err(error) => println!("{error}"), // not on this system, or another profile is being recorded
//! }
//! ```
//!
//! | module | idea |
//! |---|---|
//! | `recording` | what a profile found, with names |
//! | `pprof`, [`message`] | the format in which it is written |
//! | `linux` | how it is recorded: timers, the handler of their signal, stacks, names |
//! | `unsupported` | the answer on other systems |
//!
//! # What the handler may do
//!
//! It interrupts any instruction, so it takes no lock, allocates nothing and never panics. It does not unwind: it
//! follows frame pointers, which compiled guests and Rust's own library keep. It does not trust them: it reads the
//! stack by a system call that fails where there is no memory. So a stack may be cut short, or lack a function that
//! keeps no frame pointer, but nothing that the interrupted code does makes the handler fail.
//!
//! # What is deliberately absent
//!
//! No name is looked up while the profile is recorded. Other processes, such as workers, have no timers and no samples.
//! The handler of SIGPROF stays after the first profile, because a signal may still be on its way when the last timer
//! is deleted, and would end a process without a handler; without a profile it does nothing.

mod error;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
mod linux;
#[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
#[path = "unsupported.rs"]
mod linux;
pub mod message;
mod pprof;
mod recording;

pub use error::ProfileError;
pub use linux::record;
pub use recording::Recording;
