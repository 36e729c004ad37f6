//! Plugins in a process of their own.
//!
//! A native plugin that crashes takes its process along. Here that process is a *worker*: one
//! for each started plugin, which loads the library and serves its vtable. The host keeps
//! running, the calls in flight fail and name the plugin, and the next call starts a new worker.
//!
//! The module `child` is the worker's side, `host` the side that starts, calls and watches it, and
//! `link` what connects them.
//!
//! # The two ends
//!
//! The host starts a program, [`WorkerCommand`], which calls [`serve`] before it does anything else.
//! It is usually the program that embeds Plugbay; then [`serve_if_child`] is the first line of its
//! `main`:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     if let Some(ended) = plugbay_native::worker::serve_if_child() {
//!         return ended;
//!     }
//!     // … the application, which passes `WorkerCommand::this_program()` to the host
//!     ExitCode::SUCCESS
//! }
//! ```
//!
//! # A call
//!
//! Host and worker share a bounded number of *lanes*: two rings of bytes in shared memory and a
//! socket pair, each with a thread in the worker. A call takes an idle lane, waiting for one
//! within its deadline, sends one frame and reads frames until the reply. Functions of the host that
//! the plugin calls meanwhile use the same lane, and the caller's snapshot.
//!
//! The policy's `queue` bounds how many calls wait. A call that finds the queue full, or waits until
//! its deadline, is `overloaded`: the plugin was not called and is not to blame. Handlers wait without
//! a thread.
//!
//! The policy's limits `logs` and `host_calls` count over all lanes, and `logs` counts printed lines,
//! too. A call of the host beyond its limit gets an error, and the plugin's call ends as `host-calls`
//! when the plugin replies: to end it sooner would kill the worker, and the other calls with it.
//!
//! Frames go through the rings, bodies of more than 64 KiB through the socket. An end that waits spins
//! on the ring for up to 50 µs while that pays, if there is more than one core, and then sleeps until
//! the other end wakes it through the socket. The rings take 260 KiB for each lane. The worker may
//! write anything there at any time: the host copies what it reads, and then checks the copy.
//!
//! A plugin that calls itself through the host needs a second lane while it holds the first: if all
//! lanes are taken by such calls, they wait for each other until their deadline.
//!
//! # Deadlines
//!
//! Native code cannot be stopped, only its process. A call that passes its deadline kills the
//! worker, because its thread is stuck; the other calls in flight fail with it, and say so. Dropping
//! a call does not stop it: it runs on within the same deadline, and its answer is discarded.
//!
//! A plugin that waited for another one past its deadline has half a second to reply, because it is
//! not to blame; a call of the host after the deadline is refused. A late answer to `health` does not
//! kill the worker before the policy's `init` has passed.
//!
//! # A worker's end
//!
//! However a worker ends, it is reaped, and the calls in flight fail with the reason. The next call
//! starts a new worker, as often and as soon as [`RestartRules`] allow: the first at once, then after
//! pauses. Once their budget is used up, the plugin stays broken until it is loaded again. If the host
//! lacks descriptors, memory or threads for a worker, that does not count as a death: the calls are
//! `overloaded`, and the host tries again.
//!
//! Workers end with their host, however that ends: a thread of the worker waits for the control socket
//! to close, and the kernel kills the worker, too. Workers ignore the signals that ask processes to
//! end: a service manager sends them to all processes at once, and the host drains first.
//!
//! # What a worker cannot do
//!
//! A worker starts in `/`, with the environment variables that are granted and no others, and with no
//! descriptors but its sockets, the null device, and a pipe for its output, which goes to the plugin's
//! log. Before it loads the library it confines itself: see [`Protections`]. A protection that the
//! system lacks is reported, and the plugin is started without it.
//!
//! # What a worker is granted
//!
//! Of the policy's grants, `environment`, `files` and `network` apply; the others stand for what
//! native code can do anyway. Folders are granted under the host's own paths. Folders and TCP ports
//! become rules of Landlock; the filter of system calls allows sockets for TCP and UDP, and restricts
//! neither ports nor machines. Without Landlock, folders cannot be told apart: all may be read and
//! none written. If a granted folder is missing, the plugin does not start.
//!
//! # Platform
//!
//! Linux. Elsewhere [`ProcessPlugin::start`] and [`describe`] refuse.
//!
//! [`RestartRules`]: plugbay_guard::RestartRules

#[cfg(target_os = "linux")]
mod child;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
pub(crate) mod link;
mod state;
#[cfg(not(target_os = "linux"))]
mod unsupported;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
use child::run;
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use host::frames;
#[cfg(target_os = "linux")]
pub use host::{ProcessPlugin, describe};
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use link::echo::EchoLane;
pub use state::{ARGUMENT, Enforcement, Protections, WorkerCommand, WorkerState};
#[cfg(not(target_os = "linux"))]
use unsupported::run;
#[cfg(not(target_os = "linux"))]
pub use unsupported::{ProcessPlugin, describe};

/// Serves as a worker, for the host at the other end of standard input.
///
/// Call it before anything else: whatever is opened, started or allocated earlier stays with the
/// worker. It returns only if it could not start, after it wrote the reason to standard error.
#[must_use = "the program should end with this code"]
pub fn serve() -> ExitCode {
    match run() {
        Ok(never) => match never {},
        Err(error) => {
            eprintln!("plugbay worker: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Serves as a worker if [`ARGUMENT`] is the only argument of the program, as after
/// [`WorkerCommand::this_program`]; otherwise returns `None` at once.
#[must_use = "the program should end with this code if there is one"]
pub fn serve_if_child() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    (args.next()? == ARGUMENT && args.next().is_none()).then(serve)
}
