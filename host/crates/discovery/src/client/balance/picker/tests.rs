//! The pickers, by statistics with fixed seeds. A distribution is refused if chance alone would give one
//! as uneven less than once in a thousand times.

use std::collections::HashMap;
use std::num::NonZeroU16;
use std::time::Duration;

use super::*;
use crate::client::balance::{Balancer, Pick, Rules};
use crate::client::testing::{endpoint, endpoints};

fn balancer(strategy: impl Strategy, weights: &[u16]) -> Balancer {
    let balancer = Balancer::new(strategy, Rules::default(), 42);
    let endpoints: Vec<_> = (1..)
        .zip(weights)
        .map(|(port, weight)| {
            let mut endpoint = endpoint(port);
            Arc::make_mut(&mut endpoint).weight = NonZeroU16::new(*weight).unwrap();
            endpoint
        })
        .collect();
    balancer.update(&endpoints);
    balancer
}

fn port(pick: &Pick) -> usize {
    pick.member().endpoint().port.get().into()
}

/// Calls per endpoint; each ends before the next begins.
fn counts(balancer: &Balancer, members: usize, calls: u32) -> Vec<u32> {
    let mut counts = vec![0; members];
    for _ in 0..calls {
        counts[port(&balancer.pick(None).unwrap()) - 1] += 1;
    }
    counts
}

/// Pearson's statistic, as a share of the value that chance exceeds once in a thousand times (by the
/// approximation of Wilson and Hilferty).
fn unevenness(counts: &[u32], shares: &[f64]) -> f64 {
    let all: f64 = counts.iter().map(|count| f64::from(*count)).sum();
    let sum: f64 = shares.iter().sum();
    let statistic: f64 = counts
        .iter()
        .zip(shares)
        .map(|(count, share)| {
            let expected = all * share / sum;
            (f64::from(*count) - expected).powi(2) / expected
        })
        .sum();
    let freedom = f64::from(u32::try_from(counts.len()).unwrap()) - 1.0;
    let ninth = 2.0 / (9.0 * freedom);
    statistic / (freedom * (1.0 - ninth + 3.09 * ninth.sqrt()).powi(3))
}

#[test]
fn the_test_of_evenness_refuses_what_is_uneven() {
    assert!(unevenness(&[1_000, 1_000, 1_000, 1_100], &[1.0; 4]) < 1.0);
    assert!(unevenness(&[1_000, 1_000, 1_000, 1_300], &[1.0; 4]) > 1.0);
}

#[test]
fn round_robin_is_exact() {
    let balancer = balancer(RoundRobin, &[1, 9, 1, 1, 1]);
    assert_eq!(counts(&balancer, 5, 5_000), [1_000; 5]);
    let mut seen: Vec<_> = (0..5).map(|_| port(&balancer.pick(None).unwrap())).collect();
    seen.sort_unstable();
    assert_eq!(seen, [1, 2, 3, 4, 5], "each once in five");
}

#[test]
fn random_is_even_and_the_seed_determines_it() {
    let picks = |seed| {
        let balancer = Balancer::new(Random, Rules::default(), seed);
        balancer.update(&endpoints(7));
        counts(&balancer, 7, 14_000)
    };
    assert!(unevenness(&picks(1), &[1.0; 7]) < 1.0);
    assert_eq!(picks(1), picks(1));
    assert_ne!(picks(1), picks(2));
}

#[test]
fn weighted_gives_each_its_weight() {
    let balancer = balancer(Weighted, &[1, 2, 3, 10]);
    assert_eq!(counts(&balancer, 4, 1_600), [100, 200, 300, 1_000]);
}

#[test]
fn the_least_in_flight_is_chosen() {
    let balancer = balancer(LeastInFlight, &[1; 5]);
    let mut held: Vec<_> = (0..50).map(|_| balancer.pick(None).unwrap()).collect();
    let in_flight = |port: usize| balancer.ready().members()[port - 1].in_flight();
    assert!((1..=5).all(|port| in_flight(port) == 10));
    held.retain(|pick| port(pick) != 3);
    assert!((0..10).all(|_| port(&balancer.pick(None).unwrap()) == 3), "ten places are free");
    held.clear();
    assert!(unevenness(&counts(&balancer, 5, 5_000), &[1.0; 5]) < 1.0, "idle ones share evenly");
}

#[test]
fn the_least_in_flight_goes_by_weight() {
    let balancer = balancer(LeastInFlight, &[1, 3]);
    let held: Vec<_> = (0..40).map(|_| balancer.pick(None).unwrap()).collect();
    assert_eq!(held.iter().filter(|pick| port(pick) == 2).count(), 30);
}

#[test]
fn p2c_is_even_among_equals_and_never_picks_the_worst() {
    let balancer = balancer(P2c, &[1; 6]);
    let even = counts(&balancer, 6, 12_000);
    assert!(unevenness(&even, &[1.0; 6]) < 1.0, "{even:?}");
    let mut slow = None;
    while slow.is_none() {
        let pick = balancer.pick(None).unwrap();
        if port(&pick) == 2 {
            pick.succeeded(Duration::from_secs(1));
            slow = Some(());
        }
    }
    let counts = counts(&balancer, 6, 10_000);
    assert_eq!(counts[1], 0, "of two, the slow one is never the better");
}

#[test]
fn p2c_keeps_queues_short() {
    // Balls into bins: the longest of n queues is about ln ln n / ln 2 above the mean with two
    // choices, and ln n / ln ln n above it by chance.
    let longest = |balancer: &Balancer| {
        let held: Vec<_> = (0..1_000).map(|_| balancer.pick(None).unwrap()).collect();
        let longest = balancer.ready().members().iter().map(|member| member.in_flight()).max();
        drop(held);
        longest.unwrap()
    };
    let two = longest(&balancer(P2c, &[1; 100]));
    let one = longest(&balancer(Random, &[1; 100]));
    assert!(two <= 13 && one >= 17, "{two} and {one}");
}

fn keyed(balancer: &Balancer, key: u32) -> usize {
    port(&balancer.pick(Some(&key.to_le_bytes())).unwrap())
}

#[test]
fn a_key_keeps_its_endpoint_and_shares_are_by_weight() {
    let first = balancer(ConsistentHash::default(), &[1, 1, 2]);
    let mut counts = vec![0; 3];
    for key in 0..8_000 {
        let port = keyed(&first, key);
        assert_eq!(port, keyed(&first, key));
        counts[port - 1] += 1;
    }
    assert!(unevenness(&counts, &[1.0, 1.0, 2.0]) < 1.0, "{counts:?}");
    assert!(unevenness(&self::counts(&first, 3, 3_000), &[1.0; 3]) < 1.0, "no key: by chance");
}

#[test]
fn a_join_takes_its_share_of_the_keys_and_a_leave_gives_back_its_own() {
    let before = balancer(ConsistentHash::default(), &[1; 9]);
    let after = balancer(ConsistentHash::default(), &[1; 10]);
    let mut moved = 0;
    for key in 0..10_000 {
        let (old, new) = (keyed(&before, key), keyed(&after, key));
        if old != new {
            assert_eq!(new, 10, "keys move only to the one that joined, or from the one that left");
            moved += 1;
        }
    }
    assert!(unevenness(&[moved, 10_000 - moved], &[1.0, 9.0]) < 1.0, "{moved} is not a tenth");
}

#[test]
fn no_endpoint_gets_more_than_the_bound_and_the_rest_stays() {
    let bounded = balancer(ConsistentHash { bound: 1.25 }, &[1; 8]);
    // All calls have one key.
    let held: Vec<_> = (0..800).map(|_| bounded.pick(Some(b"hot")).unwrap()).collect();
    let mut counts: HashMap<usize, u32> = HashMap::new();
    for pick in &held {
        *counts.entry(port(pick)).or_default() += 1;
    }
    let most = counts.values().max().copied().unwrap();
    assert_eq!(most, 125, "the bound is used, and kept: {counts:?}");

    let unbounded = balancer(ConsistentHash { bound: f64::INFINITY }, &[1; 8]);
    let held: Vec<_> = (0..800).map(|_| unbounded.pick(Some(b"hot")).unwrap()).collect();
    assert!(held.iter().all(|pick| port(pick) == port(&held[0])));
}

#[test]
fn no_picker_picks_from_nothing() {
    let strategies: [Arc<dyn Strategy>; 6] = [
        Arc::new(RoundRobin),
        Arc::new(Random),
        Arc::new(Weighted),
        Arc::new(LeastInFlight),
        Arc::new(P2c),
        Arc::new(ConsistentHash::default()),
    ];
    for strategy in strategies {
        let balancer = Balancer::from_arc(strategy, Rules::default(), 1);
        assert!(balancer.pick(None).is_err() && balancer.pick(Some(b"key")).is_err());
        balancer.update(&endpoints(1));
        assert!(balancer.pick(None).is_ok() && balancer.pick(Some(b"key")).is_ok());
    }
}
