//! Which of several providers gets a call.
//!
//! Without a key it is left to chance, by weight. With a key it is *sticky*: the same key gets
//! the same provider, on every host of a fleet, today and after an update, and when one weight
//! changes only as many keys move as must.
//!
//! The method is weighted rendezvous hashing. Each provider draws a number `u` between 0 and 1
//! for the key, by a hash of both, and the greatest `weight / -ln u` wins. `-ln u / weight` is
//! an exponential waiting time with that rate, and the first of several such is each of them
//! with a probability in proportion to its rate. A provider's number depends on nothing but
//! itself and the key, so another's change can only take keys from it or leave it keys.
//! Sources: Thaler and Ravishankar, "Using name-based mappings to increase hit rates", IEEE/ACM
//! Transactions on Networking 6(1), 1998; the weights: Resch, "New hashing algorithms for data
//! storage", SNIA Storage Developer Conference, 2015.
//!
//! The hash is FNV-1a with 64 bits over the key, stirred together with the provider's name. The
//! logarithm is our own, of additions, multiplications and divisions only, which IEEE 754 fixes
//! to the last bit; those of the systems' libraries differ there. Neither is a secret: who may
//! choose keys may choose a provider.

use crate::mix::{fraction, mix};

/// One provider that a call may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seat {
    /// What the choice by key knows it by: the same on every host, different for each.
    pub name: u64,
    /// Its share of the calls is this among the sum of all. 0 gets none, unless all are 0.
    pub weight: u32,
}

impl Seat {
    /// A provider with a name in letters.
    #[must_use]
    pub fn new(name: &str, weight: u32) -> Self {
        Self { name: fnv(name.as_bytes()), weight }
    }
}

/// The index of the provider that gets a call; none only if there are none.
///
/// `random` is asked only if there is no key.
///
/// ```
/// use plugbay_guard::{Seat, pick_among};
///
/// let seats = [Seat::new("yaml", 90), Seat::new("yaml-canary", 10)];
/// let first = pick_among(&seats, Some(b"user 17"), || unreachable!());
/// assert_eq!(first, pick_among(&seats, Some(b"user 17"), || unreachable!()));
/// assert_eq!(pick_among(&seats, None, || 0), Some(0));
/// assert_eq!(pick_among(&seats, None, || u64::MAX), Some(1));
/// ```
pub fn pick_among(
    seats: &[Seat],
    key: Option<&[u8]>,
    random: impl FnOnce() -> u64,
) -> Option<usize> {
    let seats = seats.iter().map(|seat| (seat.name, seat.weight));
    match key {
        Some(key) => by_key(seats, key),
        None => by_chance(seats.map(|(_, weight)| weight), random),
    }
}

/// As [`pick_among`], with providers that are known by their places: right where the places are
/// fixed, as with a stable version and its canary. Where providers come and go, name them.
pub fn pick(weights: &[u32], key: Option<&[u8]>, random: impl FnOnce() -> u64) -> Option<usize> {
    let weights = weights.iter().copied();
    match key {
        Some(key) => by_key((0..).zip(weights), key),
        None => by_chance(weights, random),
    }
}

fn by_chance(
    weights: impl Iterator<Item = u32> + Clone,
    random: impl FnOnce() -> u64,
) -> Option<usize> {
    let seats = weights.clone().count();
    if seats < 2 {
        return seats.checked_sub(1);
    }
    let all: u64 = weights.clone().map(u64::from).sum();
    let scaled = |most: u64| (u128::from(random()) * u128::from(most)) >> 64;
    if all == 0 {
        return usize::try_from(scaled(seats as u64)).ok();
    }
    let at = scaled(all);
    let mut end = 0_u128;
    weights.into_iter().position(|weight| {
        end += u128::from(weight);
        at < end
    })
}

fn by_key(seats: impl Iterator<Item = (u64, u32)> + Clone, key: &[u8]) -> Option<usize> {
    let key = fnv(key);
    let none_weighs = seats.clone().all(|(_, weight)| weight == 0);
    let mut best: Option<(f64, usize)> = None;
    for (at, (name, weight)) in seats.enumerate() {
        let weight = if none_weighs { 1 } else { weight };
        if weight == 0 {
            continue;
        }
        let score = f64::from(weight) / -ln(fraction(mix(mix(key ^ mix(name)))));
        // Of equals, which 52 bits hardly ever are, the first.
        if best.is_none_or(|(most, _)| score > most) {
            best = Some((score, at));
        }
    }
    best.map(|(_, at)| at)
}

/// FNV-1a, 64 bits (Fowler, Noll, Vo; RFC 9923).
fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The natural logarithm of a normal number above 0, the same on every machine.
///
/// The number is `m · 2^e` with `m` around 1, and `ln m` is twice the area tangent of
/// `(m - 1) / (m + 1)`, whose series is short so close to zero.
fn ln(number: f64) -> f64 {
    let bits = number.to_bits();
    let mut exponent = f64::from(u16::try_from(bits >> 52 & 0x7ff).unwrap_or(0)) - 1023.0;
    let mut m = f64::from_bits(bits & ((1 << 52) - 1) | 1023 << 52);
    if m > std::f64::consts::SQRT_2 {
        m /= 2.0;
        exponent += 1.0;
    }
    let s = (m - 1.0) / (m + 1.0);
    let square = s * s;
    let series = (0..11_u8).rev().fold(0.0, |sum, n| sum * square + 1.0 / f64::from(2 * n + 1));
    2.0 * s * series + exponent * std::f64::consts::LN_2
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sticky(weights: &[u32], key: u32) -> usize {
        pick(weights, Some(format!("user-{key}").as_bytes()), || unreachable!()).unwrap()
    }

    /// How many standard deviations the worst count is off its due; three calls are none, for
    /// shares so small that counts of them are no bell.
    fn off(weights: &[u32], counts: &[u32]) -> f64 {
        let all: f64 = weights.iter().map(|weight| f64::from(*weight)).sum();
        let calls: f64 = counts.iter().map(|count| f64::from(*count)).sum();
        let deviations = weights.iter().zip(counts).map(|(weight, count)| {
            let p = f64::from(*weight) / all;
            let deviation = (calls * p * (1.0 - p)).sqrt();
            ((f64::from(*count) - calls * p).abs() - 3.0) / deviation.max(1e-9)
        });
        deviations.fold(0.0, f64::max)
    }

    fn counts(seats: usize, picks: impl Iterator<Item = usize>) -> Vec<u32> {
        let mut counts = vec![0; seats];
        picks.for_each(|pick| counts[pick] += 1);
        counts
    }

    /// These must never change: a fleet is updated one host after the other.
    #[test]
    fn the_choice_is_the_same_in_every_version() {
        let picks: Vec<_> = (0..24).map(|key| sticky(&[50, 30, 20], key)).collect();
        assert_eq!(picks, GOLDEN);
        assert_eq!(fnv(b"foobar"), 0x8594_4171_f739_67e8, "as the RFC has it");
    }

    /// By another implementation, in another language, with its system's logarithm.
    const GOLDEN: [usize; 24] =
        [2, 1, 0, 2, 0, 0, 0, 1, 0, 1, 2, 0, 1, 0, 1, 2, 1, 0, 0, 0, 0, 1, 0, 2];

    #[test]
    fn the_logarithm_is_one() {
        for step in 1..100_000_u32 {
            let number = f64::from(step) / 100_000.0;
            let error = (ln(number) - number.ln()).abs();
            assert!(error <= 4.0 * f64::EPSILON * number.ln().abs().max(1e-3), "{number}: {error}");
        }
        assert!((ln(fraction(0)) - fraction(0).ln()).abs() < 1e-13);
        assert!(ln(fraction(u64::MAX)) < 0.0);
    }

    #[test]
    fn none_of_none_and_the_only_one() {
        for key in [None, Some(&b"key"[..])] {
            assert_eq!(pick(&[], key, || 0), None);
            assert_eq!(pick(&[0], key, || 0), Some(0));
            assert_eq!(pick(&[0, 3, 0], key, || u64::MAX), Some(1));
        }
    }

    #[test]
    fn if_all_weights_are_zero_all_are_equal() {
        let keyed = counts(4, (0..4_000).map(|key| sticky(&[0; 4], key)));
        assert!(off(&[1; 4], &keyed) < 4.0, "{keyed:?}");
        let mut random = fastrand::Rng::with_seed(1);
        let picks = (0..4_000).map(|_| pick(&[0; 4], None, || random.u64(..)).unwrap());
        let chance = counts(4, picks);
        assert!(off(&[1; 4], &chance) < 4.0, "{chance:?}");
    }

    #[test]
    fn names_make_the_choice_independent_of_places() {
        let mut seats =
            [("a", 3), ("b", 5), ("c", 2)].map(|(name, weight)| Seat::new(name, weight));
        let name = |seats: &[Seat], key: u32| {
            seats[pick_among(seats, Some(&key.to_le_bytes()), || unreachable!()).unwrap()].name
        };
        let before: Vec<_> = (0..500).map(|key| name(&seats, key)).collect();
        seats.reverse();
        let after: Vec<_> = (0..500).map(|key| name(&seats, key)).collect();
        assert_eq!(before, after);
    }

    fn weights() -> impl Strategy<Value = Vec<u32>> {
        prop::collection::vec(0..100_u32, 1..6)
            .prop_filter("some weight", |weights| weights.iter().any(|weight| *weight > 0))
    }

    proptest! {
        // Fewer than usual: each draws thousands. Six deviations and three calls are passed by
        // chance once in some ten million.
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn each_gets_its_share(weights in weights(), seed: u32) {
            let keys = (0..4_000).map(|key: u32| sticky(&weights, key.wrapping_add(seed)));
            let keyed = counts(weights.len(), keys);
            prop_assert!(off(&weights, &keyed) < 6.0, "{weights:?} {keyed:?}");
            let mut random = fastrand::Rng::with_seed(seed.into());
            let picks = (0..4_000).map(|_| pick(&weights, None, || random.u64(..)).unwrap());
            let chance = counts(weights.len(), picks);
            prop_assert!(off(&weights, &chance) < 6.0, "{weights:?} {chance:?}");
        }

        #[test]
        fn a_change_moves_keys_only_to_or_from_the_one_that_changed(
            weights in weights(), changed: prop::sample::Index, weight in 0..200_u32,
        ) {
            let changed = changed.index(weights.len());
            let mut after = weights.clone();
            after[changed] = weight;
            prop_assume!(after.iter().any(|weight| *weight > 0));
            let (grows, shrinks) =
                (weight >= weights[changed], weight <= weights[changed]);
            for key in 0..1_000 {
                let (old, new) = (sticky(&weights, key), sticky(&after, key));
                if old != new {
                    prop_assert!(grows && new == changed || shrinks && old == changed);
                }
            }
        }
    }
}
