//! Compiling components: at a low priority and, with a [`CompilerCommand`], within bounds.
//!
//! The time and memory that a compiler needs are not bounded by the size of the component. One of
//! 12 KB, of nested blocks with a thousand parameters and results, took 100 s and 7 GB here; one of
//! 16 KB did not end. Nothing within a process can stop a compiler, or limit what it allocates. So a
//! host with a [`CompilerCommand`] compiles each component in a process of its own, which limits its
//! CPU time and memory before it reads a byte ([`serve`]). A component that exceeds these limits is
//! refused. The memory of all these processes together is bounded, too, and they end when the host
//! stops (`process`).
//!
//! Without a [`CompilerCommand`] components are compiled on threads of this process, without bounds.

#[cfg(unix)]
mod child;
#[cfg(unix)]
mod process;

use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use plugbay_core::{Reason, Refusal};
use rayon::{ThreadPool, ThreadPoolBuilder};
use wasmtime::Engine;

/// The first argument of a compiler process, by which [`serve_if_child`] recognises it.
pub const ARGUMENT: &str = "plugbay-compiler";

/// By how much the niceness of compiling is above that of the host: it gets about a tenth of a busy
/// core, and all of an idle one.
#[cfg(unix)]
const NICE: i32 = 10;

/// The program that compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerCommand {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its first arguments, with which it calls [`serve`] before anything else. The bounds follow.
    pub args: Vec<OsString>,
    /// The limits of compiling one component.
    pub bounds: Bounds,
}

/// The limits of compiling one component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// CPU time of all threads together; rounded down to whole seconds.
    pub cpu: Duration,
    /// Memory that the process may allocate, in bytes.
    pub memory: u64,
}

impl Default for Bounds {
    /// Two minutes and 4 GiB. A JavaScript engine, a component of 12 MB, takes 8 s and half a GiB.
    fn default() -> Self {
        Self { cpu: Duration::from_mins(2), memory: 4 << 30 }
    }
}

impl CompilerCommand {
    /// The running program, even if its file was replaced since. Its `main` must begin with
    /// [`serve_if_child`].
    #[must_use]
    pub fn this_program() -> Self {
        let args = vec![ARGUMENT.into()];
        Self { program: "/proc/self/exe".into(), args, bounds: Bounds::default() }
    }
}

/// Compiles the component at standard input, within the bounds that are the last two arguments, and
/// writes the code to standard output.
///
/// Call it before anything else: the limits apply to the whole process.
#[must_use = "the program should end with this code"]
pub fn serve() -> ExitCode {
    #[cfg(unix)]
    return child::serve();
    #[cfg(not(unix))]
    {
        eprintln!("plugbay compiler: expected a Unix system");
        ExitCode::FAILURE
    }
}

/// Compiles, as [`serve`], if this process was started by [`CompilerCommand::this_program`]; else
/// returns `None` at once.
#[must_use = "the program should end with this code if there is one"]
pub fn serve_if_child() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    (args.next()? == ARGUMENT && args.count() == 2).then(serve)
}

/// Where components are compiled.
#[derive(Debug)]
pub(crate) enum Compiler {
    /// In a process for each component.
    #[cfg(unix)]
    Process(process::Processes),
    /// On threads of this process. Without a pool of its own, wasmtime would use rayon's global one.
    Threads(ThreadPool),
}

impl Compiler {
    /// In processes if there is a command and the system is a Unix, else on threads.
    pub(crate) fn new(command: Option<CompilerCommand>) -> io::Result<Self> {
        match command {
            #[cfg(unix)]
            Some(command) => Ok(Self::Process(process::Processes::new(command))),
            _ => {
                let pool = ThreadPoolBuilder::new()
                    .thread_name(|index| format!("plugbay-compile-{index}"))
                    .start_handler(|_| lower_priority())
                    .build();
                pool.map(Self::Threads).map_err(io::Error::other)
            }
        }
    }

    /// Compiles a component; blocks until it is done.
    pub(crate) fn compile(&self, engine: &Engine, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        match self {
            #[cfg(unix)]
            Self::Process(processes) => processes.compile(bytes),
            Self::Threads(pool) => pool
                .install(|| engine.precompile_component(bytes))
                .map_err(|error| invalid(&format!("{error:#}"))),
        }
    }
}

impl Compiler {
    /// Kills the compiler processes, and starts no more of them. Threads cannot be ended.
    pub(crate) fn stop(&self) {
        match self {
            #[cfg(unix)]
            Self::Process(processes) => processes.stop(),
            Self::Threads(_) => {}
        }
    }
}

/// The refusal of a component that is not valid, or uses a feature that is not enabled.
fn invalid(message: &str) -> Refusal {
    Refusal::new(Reason::Malformed, format!("expected a valid component: {message}"))
}

/// Lowers this thread's priority, on systems where a thread has one of its own.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let nice = getpriority_process(None).unwrap_or(0).saturating_add(NICE).min(19);
        // If it fails, compiling at the usual priority is fine.
        let _ = setpriority_process(None, nice);
    }
}
