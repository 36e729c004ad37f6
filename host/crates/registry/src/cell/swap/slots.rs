//! The value of a cell, readable without a count that readers share.
//!
//! An `ArcSwap` cannot hand its value out without writing to memory that other threads read: between
//! reading the pointer and counting, the value might be freed. Here a value lies in a *slot*. Slots are
//! never freed as long as the cell lives, so a reader may count itself into the slot that it saw,
//! whatever has become of the value meanwhile, and *then* learns whether the value is there to stay.
//!
//! # The protocol
//!
//! A slot is a [lease word](crate::cell::lease) and a place for an `Arc`. `current` names the slot
//! whose value is the cell's, or none.
//!
//! **Read**: look which slot is current, enter its word, read the value, leave. If there is none, or
//! the word refuses, the caller reads the `ArcSwap`, which always has the value.
//!
//! **Write**, one writer at a time: set `current` to none; store the value to the `ArcSwap`; put it
//! into a drained slot, open that slot's word, and make it current; close the word of the slot that was
//! current before. Its last reader, or the writer, takes the old value out, finishes the word, which
//! drains the slot for the next writer, and drops the value.
//!
//! # Why a reader never sees a value that is gone, or another one
//!
//! - A value is put into a slot and taken out of it only while the slot's word is drained or claimed:
//!   then nobody is in, and nobody gets in before it is opened again. That is what the lease word
//!   guarantees, and its file argues it. Opening is a release store after the value was written, and
//!   entering acquires it.
//! - A reader that was held up after it looked may enter a slot that was emptied, filled and opened
//!   again. It then reads the new value of that slot. Slots are opened only after the `ArcSwap` has
//!   their value, so it reads nothing that was not published.
//! - Time does not run backwards between the two ways to read. Who read a value from the `ArcSwap` sees
//!   `current` as none, or as the slot of that value or a later one, because it was set to none before
//!   the value was stored there. Who read a value from a slot sees it in the `ArcSwap`, too.
//!
//! # When there is no free slot
//!
//! Then `current` stays none until the next write finds one, and reads use the `ArcSwap`. It takes
//! [`SLOTS`] values that are still being read at once.

#![expect(unsafe_code, reason = "the only place of this crate; see the protocol")]

#[cfg(all(loom, test))]
use loom::sync::{
    Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};
use std::array;
use std::mem;
use std::ops::Deref;
#[cfg(not(all(loom, test)))]
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
#[cfg(not(all(loom, test)))]
use std::sync::{Mutex, MutexGuard};

use self::unsafe_cell::UnsafeCell;
use crate::cell::lease::{Claim, Refused, Word};
use crate::cell::step::step;

/// How many values can be read at once without the `ArcSwap`.
const SLOTS: usize = if cfg!(all(loom, test)) { 2 } else { 8 };
const NONE: usize = usize::MAX;

pub(super) struct Slots<T> {
    /// The slot whose value is the cell's, or [`NONE`].
    current: AtomicUsize,
    all: [Slot<T>; SLOTS],
    /// As `current`, while no write is under way. Writers lock it.
    serving: Mutex<usize>,
}

/// Aligned, so that the last readers of an old value, who write to its slot's word, take no cache line
/// from the readers of the current one.
#[repr(align(64))]
struct Slot<T> {
    word: Word,
    /// Written only by the thread that opens the word or claims it.
    value: UnsafeCell<Option<Arc<T>>>,
}

/// The right to use the value of a slot, until this is dropped.
pub(super) struct Held<'a, T>(&'a Slot<T>);

/// A write that has begun: until it is done, readers use the `ArcSwap`.
pub(super) struct Write<'a, T> {
    slots: &'a Slots<T>,
    /// As `current` was before the write, and locked by the writer.
    serving: MutexGuard<'a, usize>,
}

// SAFETY: what is shared is an `Arc<T>`, which needs both of `T`. The cell around it is written to by
// one thread at a time, while no other reads it: see the protocol.
unsafe impl<T: Send + Sync> Sync for Slot<T> {}

impl<T> Slots<T> {
    pub(super) fn new(value: Arc<T>) -> Self {
        let all = array::from_fn(|_| Slot { word: Word::drained(), value: UnsafeCell::new(None) });
        let slots = Self { current: AtomicUsize::new(NONE), all, serving: Mutex::new(NONE) };
        slots.write().publish(value);
        slots
    }

    /// The current value, if it can be had without the `ArcSwap`.
    #[inline]
    pub(super) fn read(&self) -> Option<Held<'_, T>> {
        let slot = self.all.get(self.current.load(Ordering::Acquire))?;
        step();
        match slot.word.enter() {
            Ok(()) => Some(Held(slot)),
            Err(Refused(claim)) => {
                slot.settle(claim);
                None
            }
        }
    }

    /// Begins a write.
    pub(super) fn write(&self) -> Write<'_, T> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner);
        self.current.store(NONE, Ordering::Relaxed);
        step();
        Write { slots: self, serving }
    }
}

impl<T> Slot<T> {
    #[inline]
    fn settle(&self, claim: Option<Claim>) {
        if let Some(claim) = claim {
            self.empty(claim);
        }
    }

    #[cold]
    #[inline(never)]
    fn empty(&self, claim: Claim) {
        // SAFETY: the claim is given to one thread, after all others have left and before the word is
        // opened again, for which it has to be drained.
        let old = self.value.with_mut(|value| unsafe { (*value).take() });
        step();
        self.word.finish(claim);
        // After the slot can be used again: the value may run a caller's code when it goes.
        drop(old);
    }
}

impl<T> Write<'_, T> {
    /// Ends the write: `value`, which the `ArcSwap` has by now, is current.
    pub(super) fn publish(mut self, value: Arc<T>) {
        let all = &self.slots.all;
        let free = all.iter().position(|slot| slot.word.is_drained());
        if let Some(at) = free {
            // SAFETY: nobody is in a drained slot, and nobody gets in before its word is opened. This
            // thread does that, because it has the lock of the writers.
            all[at].value.with_mut(|cell| unsafe { *cell = Some(value) });
            step();
            all[at].word.open();
            step();
            self.slots.current.store(at, Ordering::Release);
        }
        let before = mem::replace(&mut *self.serving, free.unwrap_or(NONE));
        drop(self.serving);
        if let Some(before) = all.get(before) {
            let (_first, claim) = before.word.close();
            before.settle(claim);
        }
    }

    /// Ends the write: nothing was stored to the `ArcSwap`.
    pub(super) fn cancel(self) {
        self.slots.current.store(*self.serving, Ordering::Release);
    }
}

impl<T> Deref for Held<'_, T> {
    type Target = Arc<T>;

    #[inline]
    fn deref(&self) -> &Arc<T> {
        // SAFETY: this thread is in, so until it leaves no thread writes to the cell: those who do
        // hold the claim of the word, or open it after it drained. The reference lives no longer than
        // `self`, which leaves when it is dropped.
        let value = self.0.value.with(|value| unsafe { (*value).as_ref() });
        let Some(value) = value else { unreachable!("an open slot has a value") };
        value
    }
}

impl<T> Drop for Held<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.0.settle(self.0.word.leave());
    }
}

#[cfg(all(loom, test))]
mod unsafe_cell {
    pub(super) use loom::cell::UnsafeCell;
}

/// The interface of loom's cell, which watches every access.
#[cfg(not(all(loom, test)))]
mod unsafe_cell {
    pub(super) struct UnsafeCell<T>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(super) fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        #[inline]
        pub(super) fn with<R>(&self, read: impl FnOnce(*const T) -> R) -> R {
            read(self.0.get())
        }

        pub(super) fn with_mut<R>(&self, write: impl FnOnce(*mut T) -> R) -> R {
            write(self.0.get())
        }
    }
}

#[cfg(all(loom, test))]
mod models;
#[cfg(all(test, not(loom)))]
mod tests;
