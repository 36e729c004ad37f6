//! Samples that were taken. Those of one thread with the same stack are one entry.

use std::collections::HashMap;

/// The most entries, and so the memory of a profile: 128 addresses each.
const MAX_ENTRIES: usize = 50_000;

/// The samples of a profile.
#[derive(Default)]
pub(super) struct Samples {
    entries: HashMap<Key, u64>,
    lost: u64,
}

#[derive(PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) thread: usize,
    /// Addresses, the interrupted instruction first.
    pub(super) stack: Box<[usize]>,
}

impl Samples {
    /// Adds a sample.
    pub(super) fn add(&mut self, thread: usize, stack: &[usize], weight: u64) {
        if stack.is_empty() {
            return;
        }
        let full = self.entries.len() >= MAX_ENTRIES;
        // Its innermost function is what matters most, and there are fewer of them.
        let stack = if full { &stack[..1] } else { stack };
        let key = Key { thread, stack: stack.into() };
        if self.entries.len() < 2 * MAX_ENTRIES || self.entries.contains_key(&key) {
            *self.entries.entry(key).or_default() += weight;
        } else {
            self.lost += weight;
        }
    }

    /// Counts samples that could not be kept.
    pub(super) fn add_lost(&mut self, lost: u64) {
        self.lost += lost;
    }

    /// How many samples could not be kept.
    pub(super) fn lost(&self) -> u64 {
        self.lost
    }

    /// Each entry with its count.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Key, u64)> {
        self.entries.iter().map(|(key, count)| (key, *count))
    }
}
