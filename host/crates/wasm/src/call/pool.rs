//! The instances of one plugin: how many there are, which are idle, and the calls that wait for one.
//!
//! An idle instance is in a *hot slot*, or in the queue of those for which no slot was empty. Threads are spread over
//! the slots, so that a warm call takes and puts back with one atomic swap each, and finds
//! the instance whose memory its core has in cache. Swaps hand over ownership: an instance
//! is in one place only, and no lock is held while it is used.
//!
//! A call that finds no idle instance makes one, if there are fewer than the limit; otherwise it waits
//! in a [`WaitQueue`], and is woken when an instance is put back or released.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use plugbay_core::WaitQueue;

use super::instance::Instance;

type Slot = CachePadded<AtomicCell<Option<Box<Instance>>>>;

pub(crate) struct Pool {
    /// The hot slots; their number is a power of two.
    hot: Box<[Slot]>,
    idle: ArrayQueue<Box<Instance>>,
    live: AtomicU32,
    limit: u32,
    /// The calls that wait for an idle instance, or for room to make one.
    pub(crate) waiters: WaitQueue,
    closed: AtomicBool,
}

impl Pool {
    /// A pool of at most `limit` instances (at least one), for which at most `queue` calls wait.
    pub(crate) fn new(limit: u32, queue: u32) -> Self {
        let limit = limit.max(1);
        let cores = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
        let slots = slots(cores, limit as usize);
        Self {
            hot: (0..slots).map(|_| Slot::default()).collect(),
            idle: ArrayQueue::new(limit as usize),
            live: AtomicU32::new(0),
            limit,
            waiters: WaitQueue::new(queue),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// The number of instances, idle or in a call.
    pub(crate) fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    /// Takes an idle instance.
    #[inline]
    pub(crate) fn take(&self) -> Option<Box<Instance>> {
        let home = home(self.hot.len());
        self.hot[home].take().or_else(|| self.take_elsewhere(home))
    }

    #[cold]
    fn take_elsewhere(&self, home: usize) -> Option<Box<Instance>> {
        let mut others = self.hot.iter().enumerate().filter(|(slot, _)| *slot != home);
        self.idle.pop().or_else(|| others.find_map(|(_, slot)| slot.take()))
    }

    /// Puts an instance back.
    #[inline]
    pub(crate) fn put(&self, instance: Box<Instance>) {
        let displaced = self.hot[home(self.hot.len())].swap(Some(instance));
        if let Some(displaced) = displaced {
            // The queue has room for every instance that may live.
            if self.idle.push(displaced).is_err() {
                self.release();
            }
        }
        self.waiters.wake_one();
        if self.closed.load(Ordering::Relaxed) {
            self.empty();
        }
    }

    #[cold]
    fn empty(&self) {
        while self.take().is_some() {
            self.release();
        }
    }

    /// Reserves a place for one more instance; false if the limit is reached.
    pub(crate) fn reserve(&self) -> bool {
        self.live
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| {
                (live < self.limit).then_some(live + 1)
            })
            .is_ok()
    }

    /// Releases the place of an instance that was dropped, or could not be made.
    pub(crate) fn release(&self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
        self.waiters.wake_one();
    }

    /// Keeps no instances from now on. The caller takes those that are idle.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// The number of hot slots: one for each core, at most one for each instance, rounded up to a power
/// of two, so that a thread finds its own without dividing.
fn slots(cores: usize, limit: usize) -> usize {
    cores.min(limit).next_power_of_two()
}

/// The calling thread's slot among `slots`, a power of two.
#[inline]
fn home(slots: usize) -> usize {
    const UNASSIGNED: usize = usize::MAX;
    thread_local! {
        static HOME: Cell<usize> = const { Cell::new(UNASSIGNED) };
    }
    #[cold]
    fn assign() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        let home = THREADS.fetch_add(1, Ordering::Relaxed);
        HOME.set(home);
        home
    }
    let home = HOME.get();
    (if home == UNASSIGNED { assign() } else { home }) & (slots - 1)
}
