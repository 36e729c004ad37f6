//! Each member in turn, as often as its weight says.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use super::{PickRequest, Picker, Strategy};
use crate::client::balance::{Dice, Member};

/// How many turns a schedule has at most, unless there are more members. Greater weights are scaled down
/// to fit, and a member that would get less than one turn gets one.
const MAX_TURNS: u64 = 4_096;

/// Smooth weighted round robin: in each round every endpoint gets as many turns as its weight, spread
/// evenly over the round, so that a heavy endpoint does not get its turns in one burst.
///
/// The rounds are laid out when the set changes, so that a pick is one count and one look-up. The order is
/// that of earliest deadlines, as in Envoy's scheduler: the turn number `k` of an endpoint of weight `w`
/// is due at `(k + ½) / w`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weighted;

impl Strategy for Weighted {
    fn picker(&self, members: &[Arc<Member>], dice: &Dice) -> Box<dyn Picker> {
        let weights: Vec<_> = members.iter().map(|member| member.weight()).collect();
        let turns = schedule(&weights);
        Box::new(Schedule { next: AtomicUsize::new(dice.below(turns.len())), turns })
    }
}

#[derive(Debug)]
struct Schedule {
    /// Positions of members.
    turns: Box<[u32]>,
    next: AtomicUsize,
}

impl Picker for Schedule {
    #[inline]
    fn pick(&self, _members: &[Arc<Member>], _request: &PickRequest<'_>) -> Option<usize> {
        let turn = self.next.fetch_add(1, Relaxed).checked_rem(self.turns.len())?;
        Some(self.turns[turn] as usize)
    }
}

/// The positions of one round, in order.
fn schedule(weights: &[u32]) -> Box<[u32]> {
    let weights = scaled(weights);
    let mut due: BinaryHeap<_> = (0..)
        .zip(&weights)
        .map(|(at, weight)| Reverse(Turn { at, done: 0, weight: *weight }))
        .collect();
    let mut turns = Vec::new();
    while let Some(Reverse(turn)) = due.pop() {
        turns.push(turn.at);
        if turn.done + 1 < turn.weight {
            due.push(Reverse(Turn { done: turn.done + 1, ..turn }));
        }
    }
    turns.into()
}

/// Weights in the same proportion, each at least 1, with a sum that is as small as can be, and not above
/// [`MAX_TURNS`] if that is possible.
fn scaled(weights: &[u32]) -> Vec<u64> {
    let divisor = weights.iter().fold(0, |all, weight| gcd(all, *weight)).max(1);
    let sum: u64 = weights.iter().map(|weight| u64::from(weight / divisor)).sum();
    let scale = |weight: &u32| {
        let weight = u64::from(weight / divisor);
        let fits = if sum > MAX_TURNS { weight * MAX_TURNS / sum } else { weight };
        fits.max(1)
    };
    weights.iter().map(scale).collect()
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// The next turn of a member. The earliest is the least.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Turn {
    at: u32,
    /// Turns before this one.
    done: u64,
    weight: u64,
}

impl Ord for Turn {
    fn cmp(&self, other: &Self) -> Ordering {
        // (2·done + 1) / (2·weight), without the division. Both are small.
        let mine = (2 * self.done + 1) * other.weight;
        let theirs = (2 * other.done + 1) * self.weight;
        mine.cmp(&theirs).then(self.at.cmp(&other.at))
    }
}

impl PartialOrd for Turn {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_turns_of_a_heavy_member_are_spread() {
        assert_eq!(*schedule(&[5, 1, 1]), [0, 0, 0, 1, 2, 0, 0]);
        assert_eq!(*schedule(&[2, 1]), [0, 1, 0]);
        assert_eq!(*schedule(&[30, 30, 30]), [0, 1, 2]);
        assert!(schedule(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn each_gets_its_share_and_none_waits_for_long(
            weights in prop::collection::vec(1..=65_535_u32, 1..40),
        ) {
            let turns = schedule(&weights);
            prop_assert!(turns.len() as u64 <= MAX_TURNS + weights.len() as u64);
            let all: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            for (at, weight) in (0..).zip(&weights) {
                let places: Vec<_> = (0..turns.len()).filter(|turn| turns[*turn] == at).collect();
                let due = u64::from(*weight) * turns.len() as u64 / all;
                let off = due.abs_diff(places.len() as u64);
                prop_assert!(off <= 1 + due / 20, "{} of {due}", places.len());
                // Smooth: the gaps are around the mean gap, however the others weigh.
                let mean = turns.len() / places.len();
                let widest = places.windows(2).map(|two| two[1] - two[0]).max().unwrap_or(0);
                prop_assert!(widest <= mean + weights.len() + 1, "{widest} for {mean}");
            }
        }
    }
}
