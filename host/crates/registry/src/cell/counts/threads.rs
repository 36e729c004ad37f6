//! The lines of threads, and the places in them.

use std::array;
use std::cell::Cell;
use std::sync::atomic::Ordering::{Relaxed, Release, SeqCst};
use std::sync::atomic::{compiler_fence, fence};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};

use super::{Pair, sum};
use crate::cell::fence::is_asymmetric;
use crate::cell::step::step;

/// The places in a line that need no second look; enough for most programs.
const NEAR: usize = 512;
/// Those beyond are allocated in buckets when the thread first counts in one of them. Each bucket has
/// twice the places of the one before, so that a place never moves.
const BUCKETS: usize = 16;
/// A word that has no place counts in its shared pair only.
const NO_PLACE: u32 = u32::MAX;

/// The counts of one word.
pub(in super::super) struct Counts {
    /// The position of this word's pair in every line, or [`NO_PLACE`].
    place: u32,
    /// What the counts at the place differed by when the word got it.
    owed: usize,
    /// For threads without a line, and for all threads if there is no place.
    shared: Pair,
}

/// One thread's pairs, by place. Lines are never freed: the next thread gets them. Aligned, so that no
/// two threads' pairs lie in one cache line, nor in two that a processor fetches together.
#[repr(align(128))]
struct Line {
    near: [Pair; NEAR],
    far: [OnceLock<Box<[Pair]>>; BUCKETS],
}

/// The lines of all threads of the process, and those that no thread has now.
struct Lines {
    all: Vec<&'static Line>,
    free: Vec<&'static Line>,
}

/// The places that were given out, and those that came back, each with what its counts differ by.
struct Places {
    given: u32,
    free: Vec<(u32, usize)>,
}

static LINES: Mutex<Lines> = Mutex::new(Lines { all: Vec::new(), free: Vec::new() });
static PLACES: Mutex<Places> = Mutex::new(Places { given: 0, free: Vec::new() });

thread_local! {
    /// The near pairs of this thread's line; empty as long as the thread has no line. It needs no
    /// destructor, so it can be read as long as the thread runs.
    static NEAR_PAIRS: Cell<&'static [Pair]> = const { Cell::new(&[]) };
    /// The line, which the thread gives back when it ends.
    static OWNER: Owner = const { Owner(Cell::new(None)) };
}

struct Owner(Cell<Option<&'static Line>>);

impl Owner {
    #[cold]
    fn take_line(&self) -> Option<&'static Line> {
        if !is_asymmetric() {
            return None;
        }
        let mut lines = lock(&LINES);
        let line = lines.free.pop().unwrap_or_else(|| {
            let new: &'static Line = Box::leak(Box::new(Line::new()));
            lines.all.push(new);
            new
        });
        self.0.set(Some(line));
        NEAR_PAIRS.set(&line.near);
        Some(line)
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        NEAR_PAIRS.set(&[]);
        if let Some(line) = self.0.take() {
            lock(&LINES).free.push(line);
        }
    }
}

impl Counts {
    pub(in super::super) fn new() -> Self {
        let (place, owed) = lock(&PLACES).take().unwrap_or((NO_PLACE, 0));
        Self { place, owed, shared: Pair::new() }
    }

    /// Counts one in, and runs the light side of the fence. Returns false if this thread has no pair
    /// near; then [`Counts::enter_elsewhere`] counts.
    ///
    /// This reads a thread local, so only functions that are never inlined may contain it:
    /// [`Word`](crate::cell::lease::Word) says why.
    #[inline]
    pub(in super::super) fn try_enter(&self) -> bool {
        let near = NEAR_PAIRS.get().get(self.place as usize);
        near.inspect(|pair| enter(pair)).is_some()
    }

    /// Counts one out, as [`Counts::try_enter`] counts in.
    #[inline]
    pub(in super::super) fn try_leave(&self) -> bool {
        let near = NEAR_PAIRS.get().get(self.place as usize);
        near.inspect(|pair| leave(pair)).is_some()
    }

    /// Counts one in if the pair is not near, or the thread has no line yet, or can have none.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn enter_elsewhere(&self) {
        if let Some(pair) = self.pair() {
            enter(pair);
        } else {
            self.shared.entered.fetch_add(1, Relaxed);
            fence(SeqCst);
        }
    }

    /// Counts one out, as [`Counts::enter_elsewhere`] counts in.
    #[cold]
    #[inline(never)]
    pub(in super::super) fn leave_elsewhere(&self) {
        if let Some(pair) = self.pair() {
            leave(pair);
        } else {
            self.shared.left.fetch_add(1, Release);
            fence(SeqCst);
        }
    }

    /// The pair of the thread that runs this, if it can have one.
    fn pair(&self) -> Option<&'static Pair> {
        line().and_then(|line| line.pair(self.place))
    }

    /// Whether all who came in went out; see the module.
    pub(in super::super) fn are_equal(&self) -> bool {
        let lines = lock(&LINES);
        let left = self.left(&lines);
        left.wrapping_add(self.owed) == self.entered(&lines)
    }

    /// How many are in, of those whose counts are visible.
    pub(in super::super) fn difference(&self) -> usize {
        let lines = lock(&LINES);
        let left = self.left(&lines);
        self.entered(&lines).wrapping_sub(left).wrapping_sub(self.owed)
    }

    fn left(&self, lines: &Lines) -> usize {
        sum(self.pairs(lines).map(Pair::left))
    }

    fn entered(&self, lines: &Lines) -> usize {
        sum(self.pairs(lines).map(Pair::entered))
    }

    fn pairs<'a>(&'a self, lines: &'a Lines) -> impl Iterator<Item = &'a Pair> {
        let of_threads = lines.all.iter().filter_map(|line| line.look(self.place));
        of_threads.chain([&self.shared])
    }
}

impl Drop for Counts {
    fn drop(&mut self) {
        if self.place == NO_PLACE {
            return;
        }
        // The shared pair goes with the word.
        let shared = self.shared.entered().wrapping_sub(self.shared.left());
        let owed = {
            let lines = lock(&LINES);
            self.entered(&lines).wrapping_sub(self.left(&lines)).wrapping_sub(shared)
        };
        lock(&PLACES).free.push((self.place, owed));
    }
}

impl Line {
    fn new() -> Self {
        let near = array::from_fn(|_| Pair::new());
        Self { near, far: array::from_fn(|_| OnceLock::new()) }
    }

    /// The pair; allocates its bucket if it is not near. `None` if the word has no place.
    fn pair(&self, place: u32) -> Option<&Pair> {
        self.near.get(place as usize).or_else(|| {
            let (bucket, offset) = bucket_of(place)?;
            let pairs =
                self.far[bucket].get_or_init(|| (0..NEAR << bucket).map(|_| Pair::new()).collect());
            pairs.get(offset)
        })
    }

    /// The pair, if the thread may have counted in it.
    fn look(&self, place: u32) -> Option<&Pair> {
        self.near.get(place as usize).or_else(|| {
            let (bucket, offset) = bucket_of(place)?;
            self.far[bucket].get()?.get(offset)
        })
    }
}

/// The bucket of a place that is not near, and the position in it; `None` beyond the last bucket.
fn bucket_of(place: u32) -> Option<(usize, usize)> {
    // Bucket `b` begins at `NEAR << b`.
    let bucket = (place as usize / NEAR).checked_ilog2()? as usize;
    (bucket < BUCKETS).then(|| (bucket, place as usize - (NEAR << bucket)))
}

impl Places {
    fn take(&mut self) -> Option<(u32, usize)> {
        self.free.pop().or_else(|| {
            let place = self.given;
            let is_near = (place as usize) < NEAR;
            (is_near || bucket_of(place).is_some()).then(|| {
                self.given += 1;
                (place, 0)
            })
        })
    }
}

#[inline]
fn enter(pair: &Pair) {
    pair.enter();
    step();
    compiler_fence(SeqCst);
}

#[inline]
fn leave(pair: &Pair) {
    pair.leave();
    step();
    compiler_fence(SeqCst);
}

/// The line of the thread that runs this. `None` if it can have none: the light side of the fence would
/// have to be a locked instruction, or the thread is ending and has given its line back.
fn line() -> Option<&'static Line> {
    OWNER.try_with(|owner| owner.0.get().or_else(|| owner.take_line())).ok().flatten()
}

/// Nothing panics while one of these locks is held.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::thread;

    use super::*;

    impl Counts {
        fn enter(&self) {
            if !self.try_enter() {
                self.enter_elsewhere();
            }
        }

        fn leave(&self) {
            if !self.try_leave() {
                self.leave_elsewhere();
            }
        }
    }

    #[test]
    fn places_fill_each_bucket_to_its_end() {
        let mut expected = (0, 0);
        for place in 0_u32.. {
            let Some(found) = bucket_of(place) else {
                assert_eq!(place as usize >= NEAR, expected != (0, 0), "place {place}");
                if place as usize >= NEAR {
                    break;
                }
                continue;
            };
            assert_eq!(found, expected, "place {place}");
            let (bucket, offset) = found;
            expected =
                if offset + 1 == NEAR << bucket { (bucket + 1, 0) } else { (bucket, offset + 1) };
        }
        assert_eq!(expected, (BUCKETS, 0), "beyond the last bucket");
        assert_eq!(bucket_of(NO_PLACE), None);
    }

    #[test]
    fn places_that_are_not_near_count_as_well() {
        let words: Vec<_> = (0..NEAR * 4).map(|_| Counts::new()).collect();
        assert!(words.iter().any(|counts| counts.place as usize >= NEAR * 2));
        thread::scope(|scope| {
            scope.spawn(|| words.iter().for_each(Counts::enter));
        });
        assert!(words.iter().all(|counts| counts.difference() == 1));
        words.iter().for_each(Counts::leave);
        assert!(words.iter().all(Counts::are_equal));
    }

    #[test]
    fn who_goes_out_on_another_thread_is_counted() {
        let counts = Counts::new();
        for _ in 0..3 {
            counts.enter();
        }
        assert_eq!(counts.difference(), 3);
        thread::scope(|scope| {
            scope.spawn(|| (0..2).for_each(|_| counts.leave()));
        });
        assert_eq!((counts.difference(), counts.are_equal()), (1, false));
        counts.leave();
        assert!(counts.are_equal());
    }

    #[test]
    fn a_place_that_comes_back_unbalanced_starts_balanced_again() {
        let first = Counts::new();
        first.enter();
        let place = first.place;
        drop(first);
        // Other tests take places as well, so the same place may take a while to come.
        let taken: Vec<_> = (0..1_000).map(|_| Counts::new()).collect();
        assert!(taken.iter().any(|next| next.place == place), "the place is used again");
        assert!(taken.iter().all(Counts::are_equal), "a leaked pass of another word counts here");
    }

    #[test]
    fn without_a_place_all_threads_share_the_counts() {
        let counts = Counts { place: NO_PLACE, owed: 0, shared: Pair::new() };
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..1_000 {
                        counts.enter();
                        counts.leave();
                    }
                    counts.enter();
                });
            }
        });
        assert_eq!(counts.difference(), 4);
    }

    #[test]
    fn a_thread_that_ends_gives_its_line_to_the_next() {
        let counts = Counts::new();
        for _ in 0..100 {
            thread::scope(|scope| {
                scope.spawn(|| counts.enter());
            });
        }
        assert_eq!(counts.difference(), 100, "no count is lost between owners");
    }

    #[test]
    fn a_thread_that_is_ending_counts_in_the_shared_pair() {
        /// Counts when the thread's locals are dropped, in whichever order that is.
        struct CountsLate(Cell<Option<Arc<Counts>>>);
        impl Drop for CountsLate {
            fn drop(&mut self) {
                if let Some(counts) = self.0.take() {
                    counts.leave();
                }
            }
        }
        thread_local! {
            static BEFORE: CountsLate = const { CountsLate(Cell::new(None)) };
            static AFTER: CountsLate = const { CountsLate(Cell::new(None)) };
        }
        let counts = Arc::new(Counts::new());
        let counted = Arc::clone(&counts);
        thread::spawn(move || {
            BEFORE.with(|late| late.0.set(Some(Arc::clone(&counted))));
            counted.enter();
            counted.enter();
            AFTER.with(|late| late.0.set(Some(counted)));
        })
        .join()
        .expect("no panic");
        assert!(counts.are_equal(), "both went out while the thread ended");
    }
}
