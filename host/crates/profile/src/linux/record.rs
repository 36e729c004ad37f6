//! One profile, from its start to its end.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant, SystemTime};

use plugbay_core::MachineCode;

use super::guests::{Guest, Guests};
use super::resolve::Resolved;
use super::running::Running;
use super::samples::{Key, Samples};
use super::signal::{Sampling, can_read, install};
use super::threads::Threads;
use crate::error::ProfileError;
use crate::recording::{Recording, Stack};

/// The processor time between two samples of a thread: what Go's profiles have, and few enough to cost little.
const PERIOD: Duration = Duration::from_millis(10);
/// How often samples are collected, and new threads and plugins looked for.
const TICK: Duration = Duration::from_millis(50);

/// Records where the threads of this process use processor time, for `duration`, or until the sender of `stop` is
/// dropped. Blocks the thread meanwhile.
///
/// `code` returns the compiled code of guests that is there now. It is called about twenty times a second.
///
/// # Errors
///
/// If another profile is being recorded, another part of the program uses SIGPROF, or the system refuses timers of
/// threads or the reading of the process's own memory.
pub fn record(
    duration: Duration,
    stop: &Receiver<Infallible>,
    code: impl Fn() -> Vec<Arc<dyn MachineCode>>,
) -> Result<Recording, ProfileError> {
    let _running = Running::begin(duration)?;
    can_read().map_err(|error| {
        let message = format!(
            "expected that this process may read its own memory by process_vm_readv, by which stacks are followed; \
             found: {error}. The system's filter of calls (seccomp) forbids it"
        );
        ProfileError::Unsupported(message.into())
    })?;
    install()?;
    let (began, start) = (SystemTime::now(), Instant::now());
    let sampling = Sampling::start();
    let (mut threads, mut guests, mut samples) =
        (Threads::new(PERIOD), Guests::default(), Samples::default());
    let listed =
        |error| ProfileError::Refused { what: "cannot list the threads of this process", error };
    loop {
        threads.look().map_err(listed)?;
        if let Some(error) = threads.take_refusal() {
            return Err(ProfileError::Refused { what: "cannot start a timer of a thread", error });
        }
        guests.add(code());
        let left = duration.saturating_sub(start.elapsed());
        let stopped = !matches!(stop.recv_timeout(TICK.min(left)), Err(RecvTimeoutError::Timeout));
        collect(&sampling, &mut samples);
        if stopped || start.elapsed() >= duration {
            break;
        }
    }
    threads.stop();
    let took = start.elapsed();
    guests.add(code());
    collect(&sampling, &mut samples);
    drop(sampling);
    let addresses: BTreeSet<usize> =
        samples.iter().flat_map(|(key, _)| instructions(&key.stack)).collect();
    let resolved = Resolved::new(&addresses, &guests);
    let stack = |(key, samples): (&Key, u64)| {
        let places = resolved.places_of(instructions(&key.stack));
        let guest = instructions(&key.stack).take(places.len()).find_map(|it| guests.at(it));
        let thread = threads.name(key.thread);
        Stack { places, thread, plugin: guest.map(Guest::label), samples }
    };
    let stacks = samples.iter().map(stack).collect();
    let mut notes = resolved.notes;
    if samples.lost() > 0 {
        notes.push(format!(
            "{} samples were lost, because there were too many at once",
            samples.lost()
        ));
    }
    if let Some(error) = threads.failed() {
        notes.push(format!(
            "threads are missing, because the system gave no timer: {error} (see ulimit -i)"
        ));
    }
    let Resolved { places, functions, regions, .. } = resolved;
    Ok(Recording { began, took, period: PERIOD, stacks, places, functions, regions, notes })
}

fn collect(sampling: &Sampling, samples: &mut Samples) {
    sampling.slots().drain(|thread, stack, weight| samples.add(thread, stack, weight));
    samples.add_lost(sampling.slots().take_lost());
}

/// The instructions of a stack: the interrupted one, and the calls from which the others return. The address to which
/// a call returns may belong to the next function already.
fn instructions(stack: &[usize]) -> impl Iterator<Item = usize> {
    stack.iter().enumerate().map(|(depth, address)| address.saturating_sub(usize::from(depth > 0)))
}
