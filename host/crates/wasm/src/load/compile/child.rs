//! The compiler's own side: bounds first, then the component.

use std::fmt;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use rustix::process::{
    Resource, Rlimit, Signal, getpriority_process, setpriority_process, setrlimit,
};

use super::NICE;
use crate::engine;

/// Ends the message that is all of the answer if the component cannot be compiled.
pub(super) const REFUSED: u8 = 3;

pub(super) fn serve() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(ServeError::Component(error)) => {
            // If the host has closed the pipe, there is no one to tell.
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
    let [cpu, memory] = bounds().ok_or_else(|| system("bounds as arguments", "none"))?;
    bound(cpu, memory).map_err(|error| system("bounds of CPU time and memory", error))?;
    let engine = engine::compiling().map_err(|error| system("an engine", error))?;
    let mut bytes = Vec::new();
    io::stdin().read_to_end(&mut bytes).map_err(|error| system("a component", error))?;
    let code = engine.precompile_component(&bytes).map_err(ServeError::Component)?;
    let mut out = io::stdout().lock();
    out.write_all(&code)
        .and_then(|()| out.flush())
        .map_err(|error| system("a reader of the code", error))
}

fn system(expected: &str, error: impl fmt::Display) -> ServeError {
    ServeError::System(format!("expected {expected}: {error}"))
}

/// Seconds of CPU time and bytes of memory, the last two arguments.
fn bounds() -> Option<[u64; 2]> {
    let args: Vec<u64> = std::env::args().skip(1).filter_map(|arg| arg.parse().ok()).collect();
    args.last_chunk().copied()
}

/// Gives this process its bounds, for good.
fn bound(cpu: u64, memory: u64) -> io::Result<()> {
    let at_most = |most: u64| Rlimit { current: Some(most), maximum: Some(most) };
    // The first bound ends it by a signal that tells why; the second is for a compiler that ignores it.
    let cpu = Rlimit { current: Some(cpu), maximum: Some(cpu.saturating_add(5)) };
    setrlimit(Resource::Cpu, cpu)?;
    setrlimit(Resource::Data, at_most(memory))?;
    setrlimit(Resource::Core, at_most(0))?;
    let nice = getpriority_process(None).unwrap_or(0).saturating_add(NICE).min(19);
    // What follows makes it a better neighbour, where the system knows of it.
    let _ = setpriority_process(None, nice);
    #[cfg(target_os = "linux")]
    {
        let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
        // Where memory runs short, it is the one to go.
        let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
    }
    Ok(())
}
