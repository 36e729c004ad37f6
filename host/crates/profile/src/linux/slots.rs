//! Where the handler leaves samples.
//!
//! A slot is empty, taken by a handler, or full. A handler takes an empty one by one atomic exchange, and drops its
//! sample if the next slots are not empty: so it neither waits nor allocates. One thread reads the full ones.

use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// The most addresses of a stack that are kept, from the interrupted instruction on.
pub(super) const MAX_DEPTH: usize = 128;
/// How much of a stack is read at once, in words.
const WINDOW: usize = 256;
/// Enough for 100 processors between two reads, 50 ms apart.
const SLOTS: usize = 512;
/// How many slots a handler tries.
const TRIES: usize = 4;

const EMPTY: u32 = 0;
const TAKEN: u32 = 1;
const FULL: u32 = 2;

/// A place for one sample.
struct Slot {
    state: AtomicU32,
    thread: AtomicUsize,
    weight: AtomicU64,
    depth: AtomicUsize,
    stack: [AtomicUsize; MAX_DEPTH],
    window: [AtomicUsize; WINDOW],
}

impl Slot {
    fn new() -> Self {
        Self {
            state: AtomicU32::new(EMPTY),
            thread: AtomicUsize::new(0),
            weight: AtomicU64::new(0),
            depth: AtomicUsize::new(0),
            stack: [const { AtomicUsize::new(0) }; MAX_DEPTH],
            window: [const { AtomicUsize::new(0) }; WINDOW],
        }
    }
}

/// The slots of a process.
pub(super) struct Slots {
    all: Box<[Slot]>,
    next: AtomicUsize,
    lost: AtomicU64,
}

impl Slots {
    pub(super) fn new() -> Self {
        let all = (0..SLOTS).map(|_| Slot::new()).collect();
        Self { all, next: AtomicUsize::new(0), lost: AtomicU64::new(0) }
    }

    /// Takes an empty slot for a sample that stands for `weight` periods. Without one they are counted as lost.
    /// Async-signal-safe.
    pub(super) fn take(&self, thread: usize, weight: u64) -> Option<Taken<'_>> {
        for _ in 0..TRIES {
            let index = self.next.fetch_add(1, Ordering::Relaxed) % SLOTS;
            let Some(slot) = self.all.get(index) else { continue };
            let exchanged =
                slot.state.compare_exchange(EMPTY, TAKEN, Ordering::Acquire, Ordering::Relaxed);
            if exchanged.is_ok() {
                slot.thread.store(thread, Ordering::Relaxed);
                slot.weight.store(weight, Ordering::Relaxed);
                slot.depth.store(0, Ordering::Relaxed);
                return Some(Taken { slot });
            }
        }
        self.lost.fetch_add(weight, Ordering::Relaxed);
        None
    }

    /// Empties the full slots. Called by one thread at a time.
    pub(super) fn drain(&self, mut each: impl FnMut(usize, &[usize], u64)) {
        for slot in &self.all {
            if slot.state.load(Ordering::Acquire) != FULL {
                continue;
            }
            let mut stack = [0; MAX_DEPTH];
            let depth = slot.depth.load(Ordering::Relaxed).min(MAX_DEPTH);
            for (to, from) in stack.iter_mut().zip(&slot.stack) {
                *to = from.load(Ordering::Relaxed);
            }
            each(
                slot.thread.load(Ordering::Relaxed),
                &stack[..depth],
                slot.weight.load(Ordering::Relaxed),
            );
            slot.state.store(EMPTY, Ordering::Release);
        }
    }

    /// How many samples found no slot since the last call.
    pub(super) fn take_lost(&self) -> u64 {
        self.lost.swap(0, Ordering::Relaxed)
    }
}

/// A slot that a handler fills.
pub(super) struct Taken<'s> {
    slot: &'s Slot,
}

impl Taken<'_> {
    /// Room for what is read of the stack.
    pub(super) fn window(&self) -> &[AtomicUsize] {
        &self.slot.window
    }

    /// Adds an address. Returns whether there is room for another one.
    pub(super) fn push(&self, address: usize) -> bool {
        let depth = self.slot.depth.load(Ordering::Relaxed);
        let Some(place) = self.slot.stack.get(depth) else { return false };
        place.store(address, Ordering::Relaxed);
        self.slot.depth.store(depth + 1, Ordering::Relaxed);
        depth + 1 < MAX_DEPTH
    }

    /// Leaves the sample to the thread that reads it.
    pub(super) fn finish(self) {
        self.slot.state.store(FULL, Ordering::Release);
    }
}
