//! Compiling: out of the way of calls, and within bounds if a program is named for it.
//!
//! What a compiler needs for a component is not bounded by its size. One of 12 KB, of nested blocks
//! that take and give a thousand values, took 100 s and 7 GB here; one of 16 KB did not end. Nothing
//! within a process can stop it, or what it allocates. So a host that has a program for it
//! ([`CompilerCommand`]) compiles each component in a process of its own, which gives itself bounds
//! of CPU time and memory before it reads a byte ([`serve`]); the worst is then a component that is
//! refused. What all these processes take together is bounded, too, and none of them outlives the host's
//! stop ([`process`]).
//!
//! Without such a program the component is compiled here. Either way it is done at a low priority, on
//! threads of its own.

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

/// The first argument that makes [`serve_if_asked`] compile.
pub const ARGUMENT: &str = "plugbay-compiler";

/// By how much compiling is nicer than the host's other work: it gets about a tenth of a core that
/// other work wants, and all of an idle one.
#[cfg(unix)]
const NICE: i32 = 10;

/// The program that compiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CompilerCommand {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its first arguments, which have it call [`serve`] before anything else. The bounds follow.
    pub args: Vec<OsString>,
    /// What it may use.
    pub bounds: Bounds,
}

/// What compiling one component may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// CPU time of all threads together, in whole seconds.
    pub cpu: Duration,
    /// Memory that it may allocate, in bytes.
    pub memory: u64,
}

impl Default for Bounds {
    /// Two minutes and 4 GiB. A JavaScript engine, a component of 12 MB, takes 8 s and half a GiB.
    fn default() -> Self {
        Self { cpu: Duration::from_mins(2), memory: 4 << 30 }
    }
}

impl CompilerCommand {
    /// The program that runs now, even if its file was replaced since; its `main` begins with
    /// [`serve_if_asked`].
    #[must_use]
    pub fn this_program() -> Self {
        let args = vec![ARGUMENT.into()];
        Self { program: "/proc/self/exe".into(), args, bounds: Bounds::default() }
    }
}

/// Compiles the component at standard input, within the bounds that are the last two arguments, and
/// writes the code to standard output.
///
/// Call it before anything else: what is started or allocated earlier counts.
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

/// Compiles if the program was started with the argument [`ARGUMENT`] and bounds, as
/// [`CompilerCommand::this_program`] does; else returns at once, with nothing.
#[must_use = "the program should end with this code if there is one"]
pub fn serve_if_asked() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    (args.next()? == ARGUMENT && args.count() == 2).then(serve)
}

/// Where components are compiled.
#[derive(Debug)]
pub(crate) enum Compiler {
    /// In a process for each.
    #[cfg(unix)]
    Process(process::Processes),
    /// On threads of this process. wasmtime alone would use those that the whole program shares.
    Threads(ThreadPool),
}

impl Compiler {
    /// By that program where there is one and processes can be bounded, else on threads.
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
    /// Ends what is being compiled, where that can be ended, and compiles no more there.
    pub(crate) fn stop(&self) {
        match self {
            #[cfg(unix)]
            Self::Process(processes) => processes.stop(),
            Self::Threads(_) => {}
        }
    }
}

/// It is no valid component, or the compiler does not do what it asks for.
fn invalid(message: &str) -> Refusal {
    Refusal::new(Reason::Malformed, format!("expected a valid component: {message}"))
}

/// Lowers this thread's priority. Where a thread has none of its own, that of the process is left
/// alone.
fn lower_priority() {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{getpriority_process, setpriority_process};
        let nice = getpriority_process(None).unwrap_or(0).saturating_add(NICE).min(19);
        // Compiling at the usual priority is no reason not to compile.
        let _ = setpriority_process(None, nice);
    }
}
