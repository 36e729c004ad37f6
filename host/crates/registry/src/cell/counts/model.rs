//! The same counts for the models: one pair for each thread of a model, inside the word.
//!
//! loom starts from nothing in every execution, so nothing here may outlive one.

use std::cell::Cell;
use std::sync::atomic::Ordering::SeqCst;

use loom::sync::atomic::fence;

use super::{Pair, sum};

/// No model has more threads.
const THREADS: usize = 4;

loom::thread_local! {
    static NUMBER: Cell<usize> = Cell::new(0);
}

/// Says which thread of the model this is: the main thread is number 0.
pub(in super::super) fn numbered<R>(number: usize, work: impl FnOnce() -> R) -> R {
    assert!(number < THREADS);
    NUMBER.with(|mine| mine.set(number));
    work()
}

pub(in super::super) struct Counts {
    pairs: [Pair; THREADS],
}

impl Counts {
    pub(in super::super) fn new() -> Self {
        Self { pairs: std::array::from_fn(|_| Pair::new()) }
    }

    pub(in super::super) fn try_enter(&self) -> bool {
        self.mine().enter();
        fence(SeqCst);
        true
    }

    pub(in super::super) fn try_leave(&self) -> bool {
        self.mine().leave();
        fence(SeqCst);
        true
    }

    pub(in super::super) fn enter_elsewhere(&self) {
        unreachable!("each thread of a model has a pair");
    }

    pub(in super::super) fn leave_elsewhere(&self) {
        unreachable!("each thread of a model has a pair");
    }

    pub(in super::super) fn are_equal(&self) -> bool {
        let left = sum(self.pairs.iter().map(Pair::left));
        left == sum(self.pairs.iter().map(Pair::entered))
    }

    pub(in super::super) fn difference(&self) -> usize {
        let left = sum(self.pairs.iter().map(Pair::left));
        sum(self.pairs.iter().map(Pair::entered)).wrapping_sub(left)
    }

    fn mine(&self) -> &Pair {
        &self.pairs[NUMBER.with(Cell::get)]
    }
}
