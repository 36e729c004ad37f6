//! Profiles of this process.

use std::convert::Infallible;
use std::hint::black_box;
use std::ops::Range;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use plugbay_core::{MachineCode, MachineFunction};

use super::slots::{MAX_DEPTH, Slots};
use super::walk::{Memory, Registers, walk};
use crate::{ProfileError, Recording, record};

/// The longest time that a test waits.
const SOON: Duration = Duration::from_mins(1);

/// Only one profile of a process is recorded at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Computes until it is told to end: without calls of other functions, which a build without frame pointers would
/// show without their caller.
#[inline(never)]
fn computing_until(end: &AtomicBool) -> u64 {
    let mut value = 1_u64;
    while !end.load(Ordering::Relaxed) {
        let mut round = 0;
        while round < 100_000 {
            value ^= value << 13;
            value ^= value >> 7;
            value ^= value << 17;
            round += 1;
        }
        value = black_box(value);
    }
    value
}

/// Runs `within` while a thread called `computing` computes.
fn while_computing<R>(within: impl FnOnce() -> R) -> R {
    let end = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&end);
    let computing = thread::Builder::new().name("computing".into());
    let computing = computing.spawn(move || computing_until(&shared)).unwrap();
    let result = within();
    end.store(true, Ordering::Relaxed);
    computing.join().unwrap();
    result
}

/// A profile that nothing stops.
fn recorded(
    duration: Duration,
    code: impl Fn() -> Vec<Arc<dyn MachineCode>>,
) -> Result<Recording, ProfileError> {
    let (_going_on, stop) = mpsc::channel();
    record(duration, &stop, code)
}

/// The samples of stacks that `of` accepts: by the names of their functions, the innermost first, and of their thread.
fn samples(recording: &Recording, of: impl Fn(&[&str], &str) -> bool) -> u64 {
    let stacks = recording.stacks.iter().filter(|stack| {
        let places = stack.places.iter().filter_map(|place| recording.places.get(*place));
        let names = places.filter_map(|place| recording.functions.get(place.function));
        let names: Vec<&str> = names.map(|function| &*function.name).collect();
        of(&names, &stack.thread)
    });
    stacks.map(|stack| stack.samples).sum()
}

#[test]
fn most_samples_are_where_a_thread_computes() {
    let _alone = alone();
    let recording = while_computing(|| recorded(Duration::from_secs(1), Vec::new)).unwrap();
    let computing = |names: &[&str], thread: &str| {
        thread == "computing" && names.iter().any(|name| name.ends_with("computing_until"))
    };
    let (all, there) = (recording.samples(), samples(&recording, computing));
    // On a busy machine the thread gets less than one processor.
    assert!(there >= 5 && there * 10 > all * 8, "{there} of {all}: {recording:?}");
    assert!(there <= 110, "one thread used more than a second: {there}");
    assert!(recording.notes().is_empty(), "{recording:?}");
    let here = most_samples_are_where_a_thread_computes as fn() as usize as u64;
    let program = &recording.regions[0];
    assert!((program.start..program.end).contains(&here), "the program is the first: {program:?}");
}

/// Code of this program that says it is a plugin's.
struct Pretended {
    plugin: Arc<str>,
    addresses: Range<usize>,
}

impl MachineCode for Pretended {
    fn plugin(&self) -> &Arc<str> {
        &self.plugin
    }

    fn addresses(&self) -> Range<usize> {
        self.addresses.clone()
    }

    fn functions(&self) -> Vec<MachineFunction> {
        vec![MachineFunction { addresses: self.addresses.clone(), name: "work".into() }]
    }
}

#[test]
fn the_code_of_a_plugin_has_its_name() {
    let _alone = alone();
    let start = computing_until as fn(&AtomicBool) -> u64 as usize;
    let pretended = |name: &str| -> Arc<dyn MachineCode> {
        Arc::new(Pretended { plugin: name.into(), addresses: start..start + 512 })
    };
    let code = || vec![pretended("a@1.0.0"), pretended("b@2.0.0"), pretended("a@1.0.0")];
    let recording = while_computing(|| recorded(Duration::from_secs(1), code)).unwrap();
    let label = "a@1.0.0 or b@2.0.0";
    let work = samples(&recording, |names, _| names.contains(&"a@1.0.0 or b@2.0.0: work"));
    assert!(work > 0, "{recording:?}");
    let labelled = recording.stacks.iter().filter(|stack| stack.plugin.as_deref() == Some(label));
    assert_eq!(labelled.map(|stack| stack.samples).sum::<u64>(), work);
}

#[test]
fn a_second_profile_is_refused_and_a_profile_ends_when_its_client_goes() {
    let _alone = alone();
    let (going_on, stop) = mpsc::channel::<Infallible>();
    let began = Instant::now();
    let (started, starts) = mpsc::channel();
    let first = thread::spawn(move || {
        record(Duration::from_secs(300), &stop, move || {
            // The test may have seen it already.
            let _ = started.send(());
            Vec::new()
        })
    });
    starts.recv_timeout(SOON).unwrap();
    match recorded(Duration::from_secs(1), Vec::new) {
        Err(ProfileError::Busy { ends_in }) => {
            assert!(ends_in > Duration::from_secs(200), "{ends_in:?}");
        }
        other => panic!("{other:?}"),
    }
    let gone: Sender<Infallible> = going_on;
    drop(gone);
    first.join().unwrap().unwrap();
    assert!(began.elapsed() < SOON);
    recorded(Duration::from_millis(10), Vec::new).unwrap();
}

#[test]
fn children_have_no_timer_and_a_late_signal_does_nothing() {
    let _alone = alone();
    let child = thread::spawn(|| {
        let mut child = Command::new("sh");
        child.args(["-c", "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done"]).status().unwrap()
    });
    while_computing(|| recorded(Duration::from_millis(300), Vec::new)).unwrap();
    assert!(child.join().unwrap().success());
    // As a signal of a timer that was deleted meanwhile, and as one of another process.
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::PROF)
        .unwrap();
    let slots = while_computing(|| recorded(Duration::from_millis(50), Vec::new)).unwrap();
    assert!(slots.notes().is_empty(), "{slots:?}");
}

#[test]
fn threads_that_come_and_go_are_recorded() {
    let _alone = alone();
    let end = Arc::new(AtomicBool::new(false));
    let shared = Arc::clone(&end);
    let coming = thread::spawn(move || {
        let mut count = 0_u32;
        while !shared.load(Ordering::Relaxed) {
            let short = thread::spawn(|| {
                let end = Instant::now() + Duration::from_millis(1);
                while Instant::now() < end {
                    black_box(vec![0_u8; 4096]);
                }
            });
            short.join().unwrap();
            count += 1;
        }
        count
    });
    let recording = recorded(Duration::from_secs(1), Vec::new).unwrap();
    end.store(true, Ordering::Relaxed);
    assert!(coming.join().unwrap() > 10);
    assert!(recording.notes().is_empty(), "{recording:?}");
}

/// Memory of words, at addresses from 4096 on.
struct Words(Vec<usize>);

impl Memory for Words {
    fn read(&self, address: usize, to: &[AtomicUsize]) -> usize {
        let Some(first) = address.checked_sub(4096).map(|at| at / 8) else { return 0 };
        let words = self.0.get(first..).unwrap_or_default();
        to.iter().zip(words).map(|(to, word)| to.store(*word, Ordering::Relaxed)).count()
    }
}

/// The addresses of a stack whose memory begins at 4096, read two words at a time and many at a time.
fn walked(words: &[usize], frame: usize) -> Vec<usize> {
    let from = Registers { instruction: 1, frame, stack: 4096 };
    let by = |window: usize| {
        let window: Vec<_> = (0..window).map(|_| AtomicUsize::new(0)).collect();
        let mut found = Vec::new();
        walk(from, &Words(words.to_vec()), &window, |address| {
            found.push(address);
            found.len() < MAX_DEPTH
        });
        found
    };
    let (few, many) = (by(2), by(64));
    assert_eq!(few, many);
    many
}

#[test]
fn frames_are_followed_to_the_first_that_is_none() {
    let at = |word: usize| 4096 + 8 * word;
    assert_eq!(walked(&[at(2), 20, at(5), 30, 0, 40], at(0)), [1, 20, 30], "half a frame");
    assert_eq!(walked(&[at(2), 20, at(4), 30, at(0), 40, 0], at(0)), [1, 20, 30, 40]);
    assert_eq!(walked(&[at(0), 20], at(0)), [1, 20], "a frame that is its own caller");
    for none in [0, 7, at(0) + 1, at(90), usize::MAX - 7, usize::MAX] {
        assert_eq!(walked(&[at(2), 20], none), [1], "{none}");
        assert_eq!(walked(&[none, 20, 0, 0], at(0)), [1, 20], "{none}");
    }
    // A small window ends in the middle of a frame.
    let deep: Vec<usize> = (0..1000).flat_map(|frame| [at(2 * frame + 2), 7]).collect();
    assert_eq!(walked(&deep, at(0)).len(), MAX_DEPTH);
}

#[test]
fn any_memory_is_walked_to_an_end() {
    let mut state = 7_usize;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 20) % below
    };
    for _ in 0..2000 {
        let words: Vec<usize> = (0..64).map(|_| 4096 + random(64 * 8 + 64)).collect();
        let frame = 4096 + random(64 * 8);
        assert!(walked(&words, frame).len() <= 40);
    }
}

#[test]
fn samples_that_find_no_slot_are_counted() {
    let slots = Slots::new();
    let mut taken = 0;
    while let Some(slot) = slots.take(7, 2) {
        assert!((0..MAX_DEPTH - 1).all(|address| slot.push(address)));
        assert!(!slot.push(1) && !slot.push(2));
        slot.finish();
        taken += 1;
    }
    assert!(taken >= 512 - 4, "{taken}");
    assert_eq!((slots.take_lost(), slots.take_lost()), (2, 0));
    let mut read = 0;
    slots.drain(|thread, stack, weight| {
        assert_eq!((thread, stack.len(), stack[3], weight), (7, MAX_DEPTH, 3, 2));
        read += 1;
    });
    assert_eq!(read, taken);
    assert!(slots.take(7, 1).is_some());
}
