//! Each member in turn.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{PickRequest, Picker, Strategy};
use crate::client::balance::{Dice, Member};

/// Each endpoint in turn. Weights are ignored.
#[derive(Clone, Copy, Debug, Default)]
pub struct RoundRobin;

impl Strategy for RoundRobin {
    /// Each set begins at a place of its own: if every client began at the first endpoint after each
    /// change, the first would get more than its share.
    fn picker(&self, members: &[Arc<Member>], dice: &Dice) -> Box<dyn Picker> {
        Box::new(Turns { next: AtomicUsize::new(dice.below(members.len())) })
    }
}

#[derive(Debug)]
struct Turns {
    next: AtomicUsize,
}

impl Picker for Turns {
    #[inline]
    fn pick(&self, members: &[Arc<Member>], _request: &PickRequest<'_>) -> Option<usize> {
        // The remainder of a division by zero is `None`.
        self.next.fetch_add(1, Relaxed).checked_rem(members.len())
    }
}
