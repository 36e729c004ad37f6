//! Which of several providers gets a call. Without a key the choice is random, by weight. With a
//! key it is *sticky*: the same key gets the same provider, on every host of a fleet, today and
//! after an update, and when one weight changes only as many keys move as must.
//!
//! The method is weighted rendezvous hashing. For each provider, a hash of the provider and the key
//! gives a number `u` between 0 and 1, and the provider with the greatest `weight / -ln u` is
//! chosen. `-ln u / weight` is an exponential waiting time with that rate, and each of several such
//! times is the first with a probability in proportion to its rate. A provider's number depends on
//! that provider and the key only. So a change of another provider can take keys from it or add
//! keys to it, and does nothing else. Sources: Thaler and Ravishankar, "Using name-based mappings
//! to increase hit rates", IEEE/ACM Transactions on Networking 6(1), 1998; the weights: Resch, "New
//! hashing algorithms for data storage", SNIA Storage Developer Conference, 2015.
//!
//! The hash is FNV-1a with 64 bits over the key, mixed with the provider's name. The logarithm is
//! implemented here, by additions, multiplications and divisions only, whose results IEEE 754
//! defines to the last bit; the logarithms of system libraries differ. Neither is a secret: a
//! caller that can choose its key can choose its provider.

use crate::mix::{fraction, mix};

/// One provider that a call may go to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WeightedProvider {
    /// The hash of its name, by which a choice by key knows it: the same on every host, different
    /// for each provider.
    pub name: u64,
    /// Its share of the calls is this divided by the sum of all weights. A weight of 0 gets no
    /// calls, unless all are 0.
    pub weight: u32,
}

impl WeightedProvider {
    /// A provider with this name and weight.
    #[must_use]
    pub fn new(name: &str, weight: u32) -> Self {
        Self { name: fnv(name.as_bytes()), weight }
    }
}

/// The index of the provider that gets a call; `None` only if there are no providers. `random` is
/// called only if there is no key.
///
/// ```
/// use plugbay_guard::{WeightedProvider, pick_among};
///
/// let providers = [WeightedProvider::new("yaml", 90), WeightedProvider::new("yaml-canary", 10)];
/// let first = pick_among(&providers, Some(b"user 17"), || unreachable!());
/// assert_eq!(first, pick_among(&providers, Some(b"user 17"), || unreachable!()));
/// assert_eq!(pick_among(&providers, None, || 0), Some(0));
/// assert_eq!(pick_among(&providers, None, || u64::MAX), Some(1));
/// ```
pub fn pick_among(
    providers: &[WeightedProvider],
    key: Option<&[u8]>,
    random: impl FnOnce() -> u64,
) -> Option<usize> {
    let providers = providers.iter().map(|provider| (provider.name, provider.weight));
    match key {
        Some(key) => pick_by_key(providers, key),
        None => by_chance(providers.map(|(_, weight)| weight), random),
    }
}

/// As [`pick_among`], with providers that are identified by their positions. This fits where
/// positions are fixed, as with a stable version and its canary. Where providers come and go, use
/// names.
pub fn pick(weights: &[u32], key: Option<&[u8]>, random: impl FnOnce() -> u64) -> Option<usize> {
    let weights = weights.iter().copied();
    match key {
        Some(key) => pick_by_key((0..).zip(weights), key),
        None => by_chance(weights, random),
    }
}

fn by_chance(
    weights: impl Iterator<Item = u32> + Clone,
    random: impl FnOnce() -> u64,
) -> Option<usize> {
    let providers = weights.clone().count();
    if providers < 2 {
        return providers.checked_sub(1);
    }
    let all: u64 = weights.clone().map(u64::from).sum();
    let scaled = |most: u64| (u128::from(random()) * u128::from(most)) >> 64;
    if all == 0 {
        return usize::try_from(scaled(providers as u64)).ok();
    }
    let at = scaled(all);
    let mut end = 0_u128;
    weights.into_iter().position(|weight| {
        end += u128::from(weight);
        at < end
    })
}

/// As [`pick_among`] with a key, for providers that are not in one slice: each is the hash of its name, and
/// its weight. A weight of 0 takes a provider out of this choice, and moves only its own keys.
pub fn pick_by_key(
    providers: impl Iterator<Item = (u64, u32)> + Clone,
    key: &[u8],
) -> Option<usize> {
    let key = fnv(key);
    let none_weighs = providers.clone().all(|(_, weight)| weight == 0);
    let mut best: Option<(f64, usize)> = None;
    for (at, (name, weight)) in providers.enumerate() {
        let weight = if none_weighs { 1 } else { weight };
        if weight == 0 {
            continue;
        }
        let score = f64::from(weight) / -ln(fraction(mix(mix(key ^ mix(name)))));
        // Of equal scores, which are very rare with 52 bits, the first wins.
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

/// The natural logarithm of a normal number above 0, the same on every machine. The number is `m ·
/// 2^e` with `m` around 1, and `ln m` is twice the inverse hyperbolic tangent of `(m - 1) / (m +
/// 1)`, whose series converges quickly so close to zero.
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

    fn counts(providers: usize, picks: impl Iterator<Item = usize>) -> Vec<u32> {
        let mut counts = vec![0; providers];
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
        let mut providers = [("a", 3), ("b", 5), ("c", 2)]
            .map(|(name, weight)| WeightedProvider::new(name, weight));
        let name = |providers: &[WeightedProvider], key: u32| {
            providers[pick_among(providers, Some(&key.to_le_bytes()), || unreachable!()).unwrap()]
                .name
        };
        let before: Vec<_> = (0..500).map(|key| name(&providers, key)).collect();
        providers.reverse();
        let after: Vec<_> = (0..500).map(|key| name(&providers, key)).collect();
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
