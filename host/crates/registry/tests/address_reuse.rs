//! A cell never gives out a value of another cell, even where one's freed block is the
//! other's next value.
//!
//! A read that takes no count of its own has to name the value it reads by its address.
//! When the value is freed at that very moment and its block becomes a value of another
//! cell, a writer of that other cell may take the name for one of its own. Below arc-swap
//! 1.9.5 it did, and the reader got a value of the other cell's type
//! (vorner/arc-swap#210). The host has several cells of different types, and each reload
//! frees values of all of them.
//!
//! Ordinary allocators seldom give the block out again quickly enough to show this. The
//! one here hands out the most recently freed block first, to every thread. The window in
//! which a reader is at risk is some nanoseconds wide, so pairs of threads that wake each
//! other keep interrupting it. With arc-swap 1.9.3 the test fails in most runs: it is a
//! search, not a proof.

use std::alloc::{GlobalAlloc, Layout, System};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicPtr, Ordering};
use std::sync::mpsc::sync_channel;
use std::thread;
use std::time::{Duration, Instant};

use plugbay_registry::Swap;

/// How long the test runs.
const DURATION: Duration = Duration::from_secs(5);
/// Pairs of threads that wake each other.
const INTERRUPTERS: usize = 2;

/// What a cell holds: two tags are two types of one layout, which nothing else here has.
#[repr(align(64))]
struct Value<const TAG: u64>([u64; 8]);

impl<const TAG: u64> Value<TAG> {
    fn new() -> Self {
        Self([TAG; 8])
    }

    #[track_caller]
    fn check(&self) {
        let Self(words) = self;
        assert!(words.iter().all(|word| *word == TAG), "expected only {TAG}, found {words:?}");
    }
}

/// Hands out the most recently freed block first, among those of the layout [`SHARED`].
struct LastFreedFirst;

/// The layout of a value in an `Arc`, behind its two counts.
const SHARED: Layout = Layout::new::<([usize; 2], Value<0>)>();
/// The block that was freed last.
static FREED: AtomicPtr<u8> = AtomicPtr::new(ptr::null_mut());

#[global_allocator]
static ALLOCATOR: LastFreedFirst = LastFreedFirst;

// SAFETY: every block comes from the system's allocator. One that is kept has been freed by
// its owner, is in `FREED` only, and leaves it by a swap, so to one thread; and it has the
// requested layout.
unsafe impl GlobalAlloc for LastFreedFirst {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout == SHARED {
            let block = FREED.swap(ptr::null_mut(), Ordering::AcqRel);
            if !block.is_null() {
                return block;
            }
        }
        // SAFETY: the caller keeps the contract of the same function.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        let block = if layout == SHARED { FREED.swap(block, Ordering::AcqRel) } else { block };
        if !block.is_null() {
            // SAFETY: the caller gave this block up, or one of the same layout before.
            unsafe { System.dealloc(block, layout) }
        }
    }
}

#[test]
fn a_freed_block_in_another_cell_is_never_read_as_the_old_value() {
    let block = Arc::as_ptr(&Arc::new(Value::<1>::new())).addr();
    let next = Arc::new(Value::<2>::new());
    assert_eq!(Arc::as_ptr(&next).addr(), block, "the other type gets the last freed block");

    let (one, two) = (Swap::new(Value::<1>::new()), Swap::new(Value::<2>::new()));
    let over = AtomicBool::new(false);
    let began = Instant::now();
    thread::scope(|scope| {
        let readers =
            [scope.spawn(|| read(&one, &two, &over)), scope.spawn(|| read(&two, &one, &over))];
        for _ in 0..INTERRUPTERS {
            interrupt(scope, &over);
        }
        // A reader ends early if it read a wrong value.
        while began.elapsed() < DURATION
            && !readers.iter().any(thread::ScopedJoinHandle::is_finished)
        {
            one.store(Arc::new(Value::new()));
            two.store(Arc::new(Value::new()));
        }
        over.store(true, Ordering::Relaxed);
    });
}

fn read<const A: u64, const B: u64>(a: &Swap<Value<A>>, b: &Swap<Value<B>>, over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        for _ in 0..64 {
            a.peek(|value| value.check());
        }
        a.load().check();
        b.load().check();
    }
}

/// Two threads that wait for each other in turns: each time one wakes up, it may take the
/// processor from a reader.
fn interrupt<'scope>(scope: &'scope thread::Scope<'scope, '_>, over: &'scope AtomicBool) {
    let (there, arrives) = sync_channel(0);
    let (back, returns) = sync_channel(0);
    scope.spawn(move || {
        while !over.load(Ordering::Relaxed) && there.send(()).is_ok() && returns.recv().is_ok() {}
    });
    scope.spawn(move || while arrives.recv().is_ok() && back.send(()).is_ok() {});
}
