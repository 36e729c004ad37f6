//! The compiler process: sets its own bounds, then compiles.

use std::fmt;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{
    Resource, Rlimit, Signal, getpriority_process, setpriority_process, setrlimit,
};

use super::NICE;
use crate::engine;

/// The exit code for a component that cannot be compiled; the output is then the error message.
pub(super) const REFUSED: u8 = 3;

pub(super) fn serve() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(ServeError::Component(error)) => {
            // It fails if the host has closed the pipe, and reads no message.
            let _ = write!(io::stdout(), "{error:#}");
            ExitCode::from(REFUSED)
        }
        Err(ServeError::System(error)) => {
            let _ = write!(io::stdout(), "{error}");
            ExitCode::FAILURE
        }
    }
}

enum ServeError {
    Component(wasmtime::Error),
    System(String),
}

fn run() -> Result<(), ServeError> {
    let [cpu, memory] = bounds()
        .ok_or_else(|| system("bounds of CPU time and memory as the last two arguments", "none"))?;
    set_bounds(cpu, memory)
        .map_err(|error| system("to set bounds of CPU time and memory", error))?;
    let engine = engine::compile_only().map_err(|error| system("an engine", error))?;
    let mut bytes = Vec::new();
    io::stdin()
        .read_to_end(&mut bytes)
        .map_err(|error| system("a component at standard input", error))?;
    let code = engine.precompile_component(&bytes).map_err(ServeError::Component)?;
    let mut out = io::stdout().lock();
    out.write_all(&code)
        .and_then(|()| out.flush())
        .map_err(|error| system("to write the code to standard output", error))
}

fn system(expected: &str, found: impl fmt::Display) -> ServeError {
    ServeError::System(format!("expected {expected}, found {found}"))
}

/// The last two arguments: seconds of CPU time, and bytes of memory.
fn bounds() -> Option<[u64; 2]> {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    args.last_chunk().copied()
}

/// Limits the CPU time and the memory of this process, and lowers its priority.
fn set_bounds(cpu: u64, memory: u64) -> io::Result<()> {
    let at_most = |limit: u64| Rlimit { current: Some(limit), maximum: Some(limit) };
    // At the soft limit the process gets SIGXCPU, which says why it ended; at the hard one SIGKILL.
    let cpu = Rlimit { current: Some(cpu), maximum: Some(cpu.saturating_add(5)) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Data, at_most(memory))?;
    setrlimit(Resource::Core, at_most(0))?;
    let nice = getpriority_process(None).unwrap_or(0).saturating_add(NICE).min(19);
    // The process can compile if any of these fail.
    let _ = setpriority_process(None, nice);
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        // If the system runs out of memory, it ends this process first.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
    Ok(())
}
