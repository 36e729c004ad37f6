//! Plugins in a process of their own.
//!
//! A native plugin that crashes takes its process along. Here that process is a *worker*: one
//! for each started plugin, which loads the library and serves its vtable. The host keeps
//! running, the calls in flight fail and name the plugin, and the next call starts a new worker.
//!
//! The module `child` is that process, `host` what starts, calls and watches it, and `link` what
//! they have between them.
//!
//! # The two ends
//!
//! The host starts a program, [`WorkerCommand`], which gives itself over to [`serve`] before it
//! does anything else. It is usually the very program that embeds Plugbay; then
//! [`serve_if_asked`] is the first line of its `main`:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! fn main() -> ExitCode {
//!     if let Some(ended) = plugbay_native::worker::serve_if_asked() {
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
//! within its deadline, sends one frame and reads frames until the reply. What the plugin asks of
//! the host in between comes and is answered on the same lane, in the caller's snapshot.
//!
//! The policy's `queue` bounds those that wait. One more, and one that waited in vain, is
//! `overloaded`: the plugin was not called and is not to blame. Handlers wait without a thread.
//!
//! The policy's `logs` and `host_calls` hold over all lanes, and `logs` for what is printed, too.
//! A question too many is answered with an error, and the call ends as `host-calls` with the
//! plugin's reply: to end it sooner is to kill the worker, and the other calls with it.
//!
//! Frames go through the rings, bodies of more than 64 KiB through the socket. Whoever waits
//! looks into the ring for up to 50 µs while that pays, if there is more than one core, and then
//! sleeps until the other end wakes it through the socket. The rings take 260 KiB for each lane.
//! The worker may write anything there at any time: what the host reads it copies first, and
//! then checks.
//!
//! A plugin that calls itself through the host needs a second lane while it holds the first: if
//! all lanes are taken by such calls, they wait for each other until their deadline.
//!
//! # Deadlines
//!
//! Native code cannot be stopped, only its process. A call that passes its deadline kills the
//! worker, because its thread is stuck; the other calls in flight fail with it, and say so. A
//! caller that goes away stops nothing: its call runs on and its answer is thrown away, within
//! the same deadline.
//!
//! A plugin that waits for another has half a second past its deadline to reply, for it is not to
//! blame; what it asks after its deadline is refused. A late answer to `health` ends nothing
//! before the policy's `init` has passed.
//!
//! # A worker's end
//!
//! However it ends, the worker is reaped and the calls in flight say what happened. The next
//! call starts a new one, as often and as soon as [`RestartRules`] allow: the first at once, then
//! after pauses. Past their budget the plugin stays broken until it is loaded again: a window that
//! moves on changes nothing then. A worker that the host had no descriptors, memory or threads for
//! is no death: its calls are `overloaded`, and it is tried again.
//!
//! When the host ends, however that ends, so do its workers: one of their threads waits for the
//! control socket to close, and the kernel does the same. Signals that ask processes to end they
//! ignore: a service manager sends them to all at once, and the host drains first.
//!
//! # What a worker cannot do
//!
//! It starts with no environment but the variables that are granted, in `/`, and with no descriptor
//! but its sockets, the null device, and a pipe for its output, which goes to the plugin's log.
//! Before it loads the library it gives up what it can: see [`Protections`]. What of that a system
//! lacks is reported, not refused.
//!
//! # What a worker is granted
//!
//! Of the policy's grants, `environment`, `files` and `network`: the rest stands for what native
//! code has anyway. Folders are those of the host, by their own paths. They and the ports of TCP
//! are rules of Landlock; the filter of system calls lets sockets be opened for TCP and UDP, and
//! knows neither ports nor machines. Where there is no Landlock, no folder is told from another:
//! all may be read and none be written. A folder that is missing refuses the start.
//!
//! # Platform
//!
//! Linux. Elsewhere [`ProcessPlugin::start`] and [`describe`] refuse.
//!
//! [`RestartRules`]: plugbay_guard::RestartRules

#[cfg(target_os = "linux")]
mod child;
#[cfg(not(target_os = "linux"))]
mod elsewhere;
#[cfg(target_os = "linux")]
mod host;
#[cfg(target_os = "linux")]
mod link;
mod state;

use std::process::ExitCode;

#[cfg(target_os = "linux")]
use child::run;
#[cfg(not(target_os = "linux"))]
use elsewhere::run;
#[cfg(not(target_os = "linux"))]
pub use elsewhere::{ProcessPlugin, describe};
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use host::frames;
#[cfg(target_os = "linux")]
pub use host::{ProcessPlugin, describe};
#[cfg(target_os = "linux")]
#[doc(hidden)]
pub use link::bare::Bare;
pub use state::{ARGUMENT, Kept, Protections, WorkerCommand, WorkerState};

/// Serves as a worker, for the host at the other end of standard input.
///
/// Call it before anything else: what is opened, started or allocated earlier stays with the
/// worker. It returns only if it could not begin, after it said why on standard error.
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

/// Serves as a worker if the program was started with the argument [`ARGUMENT`] alone, as
/// [`WorkerCommand::this_program`] does; else returns at once, with nothing.
#[must_use = "the program should end with this code if there is one"]
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    (args.next()? == ARGUMENT && args.next().is_none()).then(serve)
}
