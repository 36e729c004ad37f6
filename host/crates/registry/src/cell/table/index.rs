//! Name to position: open addressing over a table that never changes.
//!
//! Half of the slots stay empty, so a search ends after one or two of them. The hash has a new seed
//! for each index, so that an author of plugins who knows this code cannot choose names that
//! collide. It is made for short names, and is not a cryptographic hash.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};

/// Odd, with an even spread of ones: the fraction of the golden ratio.
const MIX: u64 = 0x9e37_79b9_7f4a_7c15;
const EMPTY: u32 = u32::MAX;

#[derive(Clone)]
pub(super) struct Index {
    seed: u64,
    /// A power of two, at least twice the number of names.
    slots: Box<[Slot]>,
}

#[derive(Clone, Copy)]
struct Slot {
    /// The upper half of the hash; the lower half chose the slot.
    tag: u32,
    at: u32,
}

impl Index {
    /// # Panics
    ///
    /// If there are 2^32 names or more.
    pub(super) fn of<'a>(names: impl ExactSizeIterator<Item = &'a str>) -> Self {
        let size = (names.len() * 2).next_power_of_two();
        let seed = RandomState::new().build_hasher().finish();
        let mut index = Self { seed, slots: vec![Slot { tag: 0, at: EMPTY }; size].into() };
        for (at, name) in names.enumerate() {
            let at = u32::try_from(at).expect("a table has fewer than 2^32 names");
            let (mut slot, tag) = index.start(name);
            while index.slots[slot].at != EMPTY {
                slot = index.after(slot);
            }
            index.slots[slot] = Slot { tag, at };
        }
        index
    }

    /// The positions that `name` may have; nearly always one if it is there, none
    /// if not. The caller compares the names.
    #[inline]
    pub(super) fn candidates(&self, name: &str) -> impl Iterator<Item = usize> {
        let (mut slot, wanted) = self.start(name);
        std::iter::from_fn(move || {
            loop {
                let Slot { tag, at } = self.slots[slot];
                if at == EMPTY {
                    return None;
                }
                slot = self.after(slot);
                if tag == wanted {
                    return Some(at as usize);
                }
            }
        })
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, reason = "halves of the hash are wanted")]
    fn start(&self, name: &str) -> (usize, u32) {
        let hash = hash(self.seed, name.as_bytes());
        (hash as usize & (self.slots.len() - 1), (hash >> 32) as u32)
    }

    #[inline]
    fn after(&self, slot: usize) -> usize {
        (slot + 1) & (self.slots.len() - 1)
    }
}

/// Multiplies to 128 bits and folds: every input bit reaches both halves.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the fold takes both halves")]
fn fold(a: u64, b: u64) -> u64 {
    let wide = u128::from(a) * u128::from(b);
    wide as u64 ^ (wide >> 64) as u64
}

#[inline]
fn hash(seed: u64, bytes: &[u8]) -> u64 {
    let (words, rest) = bytes.as_chunks::<8>();
    let mut state = seed ^ (bytes.len() as u64);
    for word in words {
        state = fold(state ^ u64::from_le_bytes(*word), MIX);
    }
    let mut last = 0;
    for byte in rest {
        last = last << 8 | u64::from(*byte);
    }
    // The seed goes in again as a factor: a fixed one would let the caller choose
    // the whole product of a short name up to one xor.
    let once = fold(state ^ last ^ MIX, seed | 1);
    // One factor in a hundred is a poor one: names that differ in their last digits only then get
    // neighbouring slots. The second factor is the same for all seeds, and a good one.
    fold(once ^ seed, MIX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_differ_in_one_place_spread_out() {
        let names: Vec<_> = (0..4_096).map(|n| format!("codec-{n}")).collect();
        let index = Index::of(names.iter().map(String::as_str));
        let steps: usize = names.iter().map(|name| index.candidates(name).count()).sum();
        // Tags of 32 bits: two names with the same tag in one run are a rarity.
        assert!(steps < names.len() + 64, "{steps} candidates for {} names", names.len());
    }

    /// Over many seeds: with a hash that some of them spoil, the longest of these runs has some
    /// hundred slots. (Median 25, and 86 at most, over 100,000 seeds.)
    #[test]
    fn the_longest_run_stays_short() {
        for prefix in ["", "codec-", "a-much-longer-name-"] {
            let names: Vec<_> = (0..4_096).map(|n| format!("{prefix}{n}")).collect();
            for _ in 0..100 {
                let index = Index::of(names.iter().map(String::as_str));
                let (mut run, mut longest) = (0, 0);
                for slot in &index.slots {
                    run = if slot.at == EMPTY { 0 } else { run + 1 };
                    longest = longest.max(run);
                }
                assert!(longest < 128, "{prefix}: a run of {longest} slots");
            }
        }
    }

    #[test]
    fn length_and_every_byte_count() {
        let distinct = [&b""[..], b"\0", b"\0\0", b"a", b"a\0", b"aaaaaaaa", b"aaaaaaaaa"];
        for (at, one) in distinct.iter().enumerate() {
            for other in &distinct[at + 1..] {
                assert_ne!(hash(7, one), hash(7, other), "{one:?} {other:?}");
            }
        }
    }
}
