//! The instances of one plugin: how many live, which are idle, how many calls wait.
//!
//! An idle instance sits in a *hot slot* or in the queue behind. Threads are spread over
//! the slots, so that a warm call takes and puts back with one atomic swap each, and finds
//! the instance whose memory its core has in cache. Swaps hand over ownership: an instance
//! is in one place only, and no lock is held while it is used.
//!
//! A call that finds none idle makes one, if fewer than the limit live; else it waits. A
//! waiter first counts itself, if the queue has room, then listens, then looks again; a returner first puts, then
//! looks at the count. Between its put and its look stands a full fence, and between a
//! waiter's count and its look too: so one of them sees the other, and no wake-up is lost.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering, fence};
use std::time::Instant;

use crossbeam_queue::ArrayQueue;
use crossbeam_utils::CachePadded;
use crossbeam_utils::atomic::AtomicCell;
use event_listener::{Event, EventListener, IntoNotification as _, Listener};

use super::instance::Instance;

type Slot = CachePadded<AtomicCell<Option<Box<Instance>>>>;

pub(crate) struct Pool {
    /// As many as a power of two.
    hot: Box<[Slot]>,
    idle: ArrayQueue<Box<Instance>>,
    live: AtomicU32,
    limit: u32,
    waiters: AtomicU32,
    /// The most that wait at once.
    queue: u32,
    returned: Event,
    closed: AtomicBool,
}

impl Pool {
    /// A pool of at most `limit` instances, at least one, for which at most `queue` calls wait.
    pub(crate) fn new(limit: u32, queue: u32) -> Self {
        let limit = limit.max(1);
        let cores = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
        let slots = slots(cores, limit as usize);
        Self {
            hot: (0..slots).map(|_| Slot::default()).collect(),
            idle: ArrayQueue::new(limit as usize),
            live: AtomicU32::new(0),
            limit,
            waiters: AtomicU32::new(0),
            queue,
            returned: Event::new(),
            closed: AtomicBool::new(false),
        }
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// Instances that live, idle or in a call.
    pub(crate) fn live(&self) -> u32 {
        self.live.load(Ordering::Relaxed)
    }

    /// Calls that wait for an instance.
    pub(crate) fn waiting(&self) -> u32 {
        self.waiters.load(Ordering::Relaxed)
    }

    /// The most of them.
    pub(crate) fn queue(&self) -> u32 {
        self.queue
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
        fence_after_swap();
        if self.waiters.load(Ordering::SeqCst) != 0 {
            self.returned.notify(1.additional());
        }
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

    /// Counts one more live instance, if the limit allows.
    pub(crate) fn reserve(&self) -> bool {
        self.live
            .fetch_update(Ordering::AcqRel, Ordering::Relaxed, |live| {
                (live < self.limit).then_some(live + 1)
            })
            .is_ok()
    }

    /// Counts one less: the instance is gone, or could not be made.
    pub(crate) fn release(&self) {
        self.live.fetch_sub(1, Ordering::AcqRel);
        fence_after_swap();
        if self.waiters.load(Ordering::SeqCst) != 0 {
            self.returned.notify(1.additional());
        }
    }

    /// Joins the calls that wait for an instance; `None` if the queue is full.
    pub(crate) fn join(&self) -> Option<Waiter<'_>> {
        let more = |waiters: u32| (waiters < self.queue).then_some(waiters + 1);
        let joined = self.waiters.fetch_update(Ordering::SeqCst, Ordering::Relaxed, more);
        joined.is_ok().then(|| Waiter { pool: self })
    }

    /// Keeps nothing from now on; what is idle is the caller's to take.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }
}

/// A call that waits. It counts until it is dropped, so that a call which was woken and
/// found the instance taken keeps its place.
pub(crate) struct Waiter<'a> {
    pool: &'a Pool,
}

impl Waiter<'_> {
    /// Begins to listen. Look again after this, then wait.
    pub(crate) fn listen(&self) -> Returned {
        let listener = self.pool.returned.listen();
        fence(Ordering::SeqCst);
        Returned(listener)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.pool.waiters.fetch_sub(1, Ordering::SeqCst);
    }
}

/// An instance that will come back.
pub(crate) struct Returned(EventListener);

impl Returned {
    /// Blocks until one came back; false if none did in time.
    pub(crate) fn wait_until(self, deadline: Option<Instant>) -> bool {
        let Some(deadline) = deadline else {
            self.0.wait();
            return true;
        };
        self.0.wait_deadline(deadline).is_some()
    }

    /// Waits until one came back.
    pub(crate) async fn wait(self) {
        self.0.await;
    }
}

/// A full fence behind an atomic swap. On x86-64 a swap is one already, and only the
/// compiler has to be told.
#[inline]
fn fence_after_swap() {
    #[cfg(target_arch = "x86_64")]
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
    #[cfg(not(target_arch = "x86_64"))]
    fence(Ordering::SeqCst);
}

/// How many hot slots: one a core, as far as the instances go, and a power of two so that
/// a thread finds its own without dividing.
fn slots(cores: usize, limit: usize) -> usize {
    cores.min(limit).next_power_of_two()
}

/// The calling thread's slot among `slots`, a power of two.
#[inline]
fn home(slots: usize) -> usize {
    const UNSETTLED: usize = usize::MAX;
    thread_local! {
        static HOME: Cell<usize> = const { Cell::new(UNSETTLED) };
    }
    #[cold]
    fn settle() -> usize {
        static THREADS: AtomicUsize = AtomicUsize::new(0);
        let home = THREADS.fetch_add(1, Ordering::Relaxed);
        HOME.set(home);
        home
    }
    let home = HOME.get();
    (if home == UNSETTLED { settle() } else { home }) & (slots - 1)
}
