//! A thousand readers against a swap every ten milliseconds.
//!
//! Every entry of a generation carries the generation's stamp, so a reader can tell
//! a whole generation from an empty, a partial or a mixed one. Every entry also has
//! a line in a ledger, where its close hook and its drop are entered; the readers
//! check there that nothing they hold was closed, and the test checks at its end that
//! nothing was closed or freed twice, or not at all.

#![expect(
    clippy::disallowed_methods,
    reason = "the pace of swaps and readers is what is tested; nothing is waited for"
)]

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering::SeqCst};
use std::thread;
use std::time::{Duration, Instant};

use plugbay_registry::{Lease, Leased, Registry};

const READERS: usize = 1_000;
const SWAPS: usize = 200;
const PERIOD: Duration = Duration::from_millis(10);
/// The names of every generation, besides the one that stays; sorted.
const NAMES: [&str; 6] = ["cbor", "csv", "json", "msgpack", "toml", "yaml"];
/// In every generation, always as the same entry; sorts last.
const STABLE: &str = "zstable";
/// The number of reads between two pauses of a reader. Readers pause as callers do, and so
/// that a thousand of them leave processor time to the writer on a small machine.
const BURST: usize = 4;
const PAUSE: Duration = Duration::from_millis(25);

/// What happened to each entry.
struct Ledger {
    closed: Vec<AtomicU8>,
    dropped: Vec<AtomicU8>,
}

impl Ledger {
    fn of(entries: usize) -> Arc<Self> {
        let zeros = || (0..entries).map(|_| AtomicU8::new(0)).collect();
        Arc::new(Self { closed: zeros(), dropped: zeros() })
    }

    /// Of the first `made` entries, how many were not closed once and freed once.
    fn wrong(&self, made: usize) -> usize {
        (0..made)
            .filter(|&id| self.closed[id].load(SeqCst) != 1 || self.dropped[id].load(SeqCst) != 1)
            .count()
    }
}

struct Entry {
    id: usize,
    stamp: usize,
    ledger: Arc<Ledger>,
}

impl Entry {
    fn new(id: usize, stamp: usize, ledger: &Arc<Ledger>) -> Arc<Leased<Self>> {
        let entry = Self { id, stamp, ledger: Arc::clone(ledger) };
        Arc::new(Leased::with_close(entry, |entry| {
            entry.ledger.closed[entry.id].fetch_add(1, SeqCst);
        }))
    }

    fn assert_usable(&self) {
        assert_eq!(self.ledger.closed[self.id].load(SeqCst), 0, "closed under a lease");
        assert_eq!(self.ledger.dropped[self.id].load(SeqCst), 0, "freed under a lease");
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.ledger.dropped[self.id].fetch_add(1, SeqCst);
    }
}

/// One whole generation: the stable entry has id 0, the others follow in order.
fn generation(
    stamp: usize,
    stable: &Arc<Leased<Entry>>,
    ledger: &Arc<Ledger>,
) -> Vec<(&'static str, Arc<Leased<Entry>>)> {
    let first = 1 + stamp * NAMES.len();
    let fresh = NAMES.iter().zip(first..).map(|(name, id)| (*name, Entry::new(id, stamp, ledger)));
    fresh.chain([(STABLE, Arc::clone(stable))]).collect()
}

/// Asserts that the current snapshot is a whole generation, and returns its stamp.
fn stamp_of_a_whole_generation(registry: &Registry<Entry>) -> usize {
    let snapshot = registry.snapshot();
    let table = &snapshot.table;
    assert!(table.names().eq(NAMES.into_iter().chain([STABLE])), "partial: {table:?}");
    let stamp = table.at(0).map_or(usize::MAX, |(_, entry)| entry.stamp);
    for name in NAMES {
        assert_eq!(table.get(name).map(|entry| entry.stamp), Some(stamp), "mixed");
    }
    // The first stamp was published as generation 1.
    assert_eq!(snapshot.number, stamp as u64 + 1);
    stamp
}

/// Reads until `stop` is set, with each lease held across a pause and so across swaps.
fn read(registry: &Registry<Entry>, nth: usize, stop: &AtomicBool, seen: &[AtomicBool]) {
    let mut held: Option<Lease<Entry>> = None;
    let mut newest = 0;
    while !stop.load(SeqCst) {
        for turn in 0..BURST {
            let stamp = stamp_of_a_whole_generation(registry);
            assert!(stamp >= newest, "an older generation after a newer one");
            newest = stamp;
            seen[stamp].store(true, SeqCst);

            let name = NAMES[(nth + turn) % NAMES.len()];
            let lease = registry.get(name).expect("every name is in every generation");
            lease.assert_usable();
            assert!(lease.stamp >= newest, "older than the snapshot before it");
            registry.get(STABLE).expect("the stable entry stays").assert_usable();
            if turn == 0
                && let Some(held) = held.replace(lease)
            {
                held.assert_usable();
            }
        }
        thread::sleep(PAUSE);
    }
}

#[test]
fn a_thousand_readers_never_see_anything_but_whole_generations() {
    let made = 1 + SWAPS * NAMES.len();
    let ledger = Ledger::of(made);
    let seen: Vec<_> = (0..SWAPS).map(|_| AtomicBool::new(false)).collect();
    let stop = AtomicBool::new(false);
    let registry = Registry::new("codec");
    let stable = Entry::new(0, 0, &ledger);
    registry.publish(generation(0, &stable, &ledger)).expect("not frozen");

    thread::scope(|scope| {
        for nth in 0..READERS {
            let (registry, stop, seen) = (&registry, &stop, &seen);
            thread::Builder::new()
                .stack_size(256 * 1024)
                .spawn_scoped(scope, move || {
                    // The other readers also stop when this one fails.
                    struct Stop<'a>(&'a AtomicBool);
                    impl Drop for Stop<'_> {
                        fn drop(&mut self) {
                            self.0.store(true, SeqCst);
                        }
                    }
                    let _stop = Stop(stop);
                    read(registry, nth, stop, seen);
                })
                .expect("a thread");
        }
        let mut next = Instant::now();
        for stamp in 1..SWAPS {
            next += PERIOD;
            thread::sleep(next.saturating_duration_since(Instant::now()));
            let change = registry.publish(generation(stamp, &stable, &ledger)).expect("not frozen");
            assert_eq!((change.kept, change.retired.len()), (1, NAMES.len()));
            if stop.load(SeqCst) {
                break;
            }
        }
        stop.store(true, SeqCst);
    });

    let seen = seen.iter().filter(|seen| seen.load(SeqCst)).count();
    assert!(seen >= SWAPS / 2, "readers saw only {seen} of {SWAPS} generations");
    assert!(!stable.is_closed());
    drop(stable);
    let last = registry.publish([("other", Entry::new(0, 0, &Ledger::of(1)))]).expect("not frozen");
    assert_eq!(last.retired.len(), NAMES.len() + 1);
    assert!(last.retired.iter().all(|(_, entry)| entry.is_drained()), "a lease was lost");
    drop(last);
    assert_eq!(ledger.wrong(made), 0, "entries not closed once and freed once");
}

/// Writers of every kind and readers compete without pauses, on few names, so that they
/// collide all the time.
#[test]
fn writers_that_race_lose_no_entry_and_close_none_twice() {
    const WRITERS: usize = 4;
    const ROUNDS: usize = 1_000;
    let ledger = Ledger::of(WRITERS * ROUNDS);
    let stop = AtomicBool::new(false);
    let registry = Registry::new("codec");
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|nth| {
                let (registry, ledger) = (&registry, &ledger);
                scope.spawn(move || {
                    for round in 0..ROUNDS {
                        let name = NAMES[(nth + round) % 2];
                        let entry = Entry::new(nth * ROUNDS + round, round, ledger);
                        // A change may be refused: the test checks only how often
                        // the entry is closed and freed.
                        match (nth + round) % 5 {
                            0 => drop(registry.register_entry(name, entry)),
                            1 => drop(registry.replace_entry(name, entry)),
                            2 => drop((registry.unregister(name), entry)),
                            3 => drop(registry.publish([(name, entry)])),
                            _ => drop(registry.update(|now| {
                                Ok::<_, Infallible>(now.table.with(name, Arc::clone(&entry)))
                            })),
                        }
                    }
                })
            })
            .collect();
        for _ in 0..2 {
            scope.spawn(|| {
                while !stop.load(SeqCst) {
                    for name in &NAMES[..2] {
                        if let Some(lease) = registry.lookup(name) {
                            lease.assert_usable();
                        }
                    }
                }
            });
        }
        let writers: Vec<_> = writers.into_iter().map(thread::ScopedJoinHandle::join).collect();
        stop.store(true, SeqCst);
        assert!(writers.iter().all(Result::is_ok));
    });
    drop(registry);
    assert_eq!(ledger.wrong(WRITERS * ROUNDS), 0, "entries not closed once and freed once");
}
