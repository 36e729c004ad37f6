//! The host's side: starts a compiler process, sends it the component, and reads the code. Bounds what
//! all compiler processes need together, and ends them when the host stops.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{Reason, Refusal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::child::REFUSED;
use super::{Bounds, CompilerCommand, invalid};

/// The limit of wall time, well above that of CPU time, which passes more slowly on a busy machine.
const DEADLINE: Duration = Duration::from_mins(4);
/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;
/// Messages of the process are cut to this many bytes.
const MAX_MESSAGE: usize = 4096;

/// The bounds of the first try. Nearly all components need less. A component that needs more is
/// compiled again within the full bounds, one such component after the other. So slow components
/// delay no quick ones, and the memory of all processes together is bounded: by `MAX_QUICK` times
/// these bounds, plus once the full bounds.
const QUICK: Bounds = Bounds { cpu: Duration::from_secs(5), memory: 1 << 30 };
/// The maximum number of first tries at the same time.
const MAX_QUICK: usize = 4;
/// If a process used this much CPU time before its deadline, the component is too costly; with less,
/// the system was too busy.
const WORKED: Duration = Duration::from_secs(20);
/// How often a wait checks whether the host stops.
const STOP_CHECK: Duration = Duration::from_millis(50);

/// Runs the compiler processes, within bounds.
#[derive(Debug)]
pub(crate) struct Processes {
    command: CompilerCommand,
    quick: Places,
    slow: Places,
    is_stopped: AtomicBool,
}

/// The result of a process.
enum Answer {
    Code(Vec<u8>),
    /// The process exceeded its bounds.
    OverBounds(Refusal),
}

impl Processes {
    pub(super) fn new(command: CompilerCommand) -> Self {
        let (quick, slow) = (Places::new(MAX_QUICK), Places::new(1));
        Self { command, quick, slow, is_stopped: AtomicBool::new(false) }
    }

    /// Kills all processes, and starts no more of them.
    pub(super) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// Compiles in a process of its own; blocks until that has ended.
    pub(super) fn compile(&self, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
        let all = self.command.bounds;
        let quick = Bounds { cpu: QUICK.cpu.min(all.cpu), memory: QUICK.memory.min(all.memory) };
        let mut answer = self.try_within(quick, &self.quick, bytes)?;
        if matches!(answer, Answer::OverBounds(_)) && quick != all {
            answer = self.try_within(all, &self.slow, bytes)?;
        }
        match answer {
            Answer::Code(code) => Ok(code),
            Answer::OverBounds(refusal) => Err(refusal),
        }
    }

    fn try_within(&self, bounds: Bounds, places: &Places, bytes: &[u8]) -> Result<Answer, Refusal> {
        let failed = |error: io::Error| compiler_failed(&error.to_string());
        let Some(_place) = places.take(&self.is_stopped) else { return Err(stopped()) };
        let deadline = Instant::now() + DEADLINE;
        let mut process = Running::start(&self.command, bounds).map_err(failed)?;
        match process.exchange(bytes, deadline, &self.is_stopped).map_err(failed)? {
            Exchange::Ended(answer) => {
                let status = process.0.wait().map_err(failed)?;
                if status.success() {
                    Ok(Answer::Code(answer))
                } else {
                    ended(status, &answer, bounds)
                }
            }
            Exchange::Late(cpu) if cpu >= WORKED || bounds.cpu < WORKED => {
                let found = format!("one that used {} s and was not done", cpu.as_secs());
                Ok(Answer::OverBounds(over_bounds(bounds, &found)))
            }
            Exchange::Late(cpu) => {
                let found =
                    format!("it was still running after {DEADLINE:?}, with {cpu:?} of CPU time");
                Err(compiler_failed(&found))
            }
            Exchange::Stopped => Err(stopped()),
        }
    }
}

/// A semaphore for processes, which threads wait for.
#[derive(Debug)]
struct Places {
    free: Mutex<usize>,
    returned: Condvar,
}

impl Places {
    fn new(number: usize) -> Self {
        Self { free: Mutex::new(number), returned: Condvar::new() }
    }

    /// Waits for a place; `None` once the host stops.
    fn take(&self, is_stopped: &AtomicBool) -> Option<Place<'_>> {
        let mut free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if is_stopped.load(Ordering::Relaxed) {
                return None;
            }
            if *free > 0 {
                *free -= 1;
                return Some(Place(self));
            }
            let waited = self.returned.wait_timeout(free, STOP_CHECK);
            free = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A place, until it is dropped.
struct Place<'a>(&'a Places);

impl Drop for Place<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.returned.notify_one();
    }
}

/// The answer of a process that failed, by how it ended.
fn ended(status: ExitStatus, answer: &[u8], bounds: Bounds) -> Result<Answer, Refusal> {
    let message = String::from_utf8_lossy(&answer[..answer.len().min(MAX_MESSAGE)]);
    if status.code() == Some(i32::from(REFUSED)) {
        return Err(invalid(&message));
    }
    let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if ended_by(Signal::XCPU) {
        return Ok(Answer::OverBounds(over_bounds(bounds, "one that takes more time")));
    }
    // A process that cannot allocate aborts; a bug in the compiler can look the same.
    if ended_by(Signal::ABORT) || ended_by(Signal::SEGV) || status.code() == Some(PANICKED) {
        let found = format!("one that takes more memory, or ends the compiler ({status})");
        return Ok(Answer::OverBounds(over_bounds(bounds, &found)));
    }
    Err(compiler_failed(&format!("{status} {message}")))
}

fn stopped() -> Refusal {
    Refusal::new(Reason::Compiler, "the host stops")
}

/// The refusal of a component that exceeds the bounds.
fn over_bounds(bounds: Bounds, found: &str) -> Refusal {
    let message = format!(
        "expected a component that compiles within {:?} of CPU time and {} MiB, found {found}",
        bounds.cpu,
        bounds.memory >> 20
    );
    Refusal::new(Reason::Compile, message)
        .hint("make the functions of the component smaller, or split it into several plugins")
}

/// The refusal if the compiler or the system failed, and not the component.
fn compiler_failed(found: &str) -> Refusal {
    let message = format!("expected the compiler process to finish, found {found}");
    Refusal::new(Reason::Compiler, message).hint(
        "the compiler is a process of the host's own program: check that the host may start \
         processes, and that the machine has free memory",
    )
}

/// The compiler process. Dropping it kills the process and waits for its end.
struct Running(Child);

impl Running {
    fn start(command: &CompilerCommand, bounds: Bounds) -> io::Result<Self> {
        Command::new(&command.program)
            .args(&command.args)
            .arg(bounds.cpu.as_secs().to_string())
            .arg(bounds.memory.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
    }

    /// Sends the process all of `bytes` and reads all of its output. A process that does not end by
    /// itself is killed.
    fn exchange(
        &mut self,
        bytes: &[u8],
        deadline: Instant,
        is_stopped: &AtomicBool,
    ) -> io::Result<Exchange> {
        let (Some(mut stdin), Some(mut stdout)) = (self.0.stdin.take(), self.0.stdout.take())
        else {
            return Err(io::Error::other("a process without its pipes"));
        };
        std::thread::scope(|scope| {
            // It fails if the process ends before it has read all; its exit status says why.
            let writer = scope.spawn(move || drop(stdin.write_all(bytes)));
            let mut exchange = read(&mut stdout, deadline, is_stopped);
            if let Ok(Exchange::Late(cpu)) = &mut exchange {
                *cpu = cpu_time(self.0.id());
            }
            if !matches!(exchange, Ok(Exchange::Ended(_))) {
                // Ends the writer, which otherwise waits for the process to read.
                let _ = self.0.kill();
            }
            let _ = writer.join();
            exchange
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The result of an exchange with a process.
enum Exchange {
    /// The process closed its output; this is all of it.
    Ended(Vec<u8>),
    /// The deadline passed; the process used this much CPU time.
    Late(Duration),
    /// The host stops.
    Stopped,
}

/// Reads to the end, or until `deadline`, or until the host stops.
fn read(
    from: &mut (impl Read + std::os::fd::AsFd),
    deadline: Instant,
    is_stopped: &AtomicBool,
) -> io::Result<Exchange> {
    let mut answer = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        if is_stopped.load(Ordering::Relaxed) {
            return Ok(Exchange::Stopped);
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(Exchange::Late(Duration::ZERO));
        }
        let wait = Timespec::try_from(left.min(STOP_CHECK)).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&*from, PollFlags::IN)], Some(&wait)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match from.read(&mut part) {
            Ok(0) => return Ok(Exchange::Ended(answer)),
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// The CPU time that a process has used (`proc_pid_stat`(5), fields 14 and 15); zero if it is not known.
fn cpu_time(process: u32) -> Duration {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // The name, in parentheses, can contain any character.
    let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
    let ticks: u64 = fields.skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(
        ticks.saturating_mul(1000) / rustix::param::clock_ticks_per_second().max(1),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn processes(script: &str) -> Processes {
        let args = vec!["-c".into(), script.into()];
        let bounds = Bounds::default();
        Processes::new(CompilerCommand { program: "/bin/sh".into(), args, bounds })
    }

    #[test]
    fn a_component_that_exceeds_the_first_bounds_is_compiled_again_with_all_bounds() {
        // The bounds come after the script's name: $0 is the seconds, $1 the bytes.
        let processes = processes("[ $0 = 120 ] && echo done $1 || kill -XCPU $$");
        let code = processes.compile(b"").unwrap();
        assert_eq!(String::from_utf8_lossy(&code), format!("done {}\n", 4_u64 << 30));
    }

    #[test]
    fn failures_of_the_system_are_told_from_those_of_the_component() {
        let reason = |script: &str| processes(script).compile(b"").unwrap_err().reason;
        assert_eq!(reason("kill -XCPU $$"), Reason::Compile);
        assert_eq!(reason("kill -ABRT $$"), Reason::Compile);
        assert_eq!(reason("exit 3"), Reason::Malformed);
        assert_eq!(reason("kill -KILL $$"), Reason::Compiler, "by the system, for want of memory");
        assert_eq!(reason("exit 1"), Reason::Compiler);
    }

    #[test]
    fn a_stop_ends_running_and_waiting_compilations() {
        let folder = tempfile::tempdir().unwrap();
        let begun = folder.path().join("begun");
        let script = format!("echo >> {}; exec sleep 1000", begun.display());
        let processes = processes(&script);
        let count = || std::fs::read_to_string(&begun).map_or(0, |begun| begun.lines().count());
        std::thread::scope(|scope| {
            let compile = || processes.compile(b"").unwrap_err().message;
            let all: Vec<_> = (0..=MAX_QUICK).map(|_| scope.spawn(compile)).collect();
            while count() < MAX_QUICK {
                std::thread::yield_now();
            }
            processes.stop();
            for one in all {
                assert_eq!(one.join().unwrap(), "the host stops");
            }
        });
        assert_eq!(count(), MAX_QUICK, "no more at once, and none after the stop");
    }

    #[test]
    fn the_cpu_time_of_a_process_is_known() {
        let begun = Instant::now();
        while cpu_time(std::process::id()).is_zero() {
            assert!(begun.elapsed() < Duration::from_mins(1));
            std::hint::black_box((0..100_000_u64).sum::<u64>());
        }
        assert_eq!(cpu_time(u32::MAX), Duration::ZERO);
    }
}
