//! A balancer as a whole: ejection, panic, probes, and what stays over a change.

use std::time::Duration;

use super::*;
use crate::HealthStatus;
use crate::client::testing::{critical, endpoint, endpoints};

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn rules() -> Rules {
    Rules {
        outlier: OutlierRules { consecutive_failures: 3, ..OutlierRules::default() },
        ..Rules::default()
    }
}

fn balancer(members: u16) -> Balancer {
    let balancer = Balancer::new(RoundRobin, rules(), 1);
    balancer.update(&endpoints(members));
    balancer
}

/// Calls the balancer until the endpoint at `port` got `calls`, which all fail; calls of others succeed.
fn fail(balancer: &Balancer, port: u16, calls: u32) {
    let mut left = calls;
    while left > 0 {
        let pick = balancer.pick(None).unwrap();
        if pick.member().endpoint().port.get() == port {
            pick.failed();
            left -= 1;
        } else {
            pick.succeeded(Duration::from_millis(1));
        }
    }
}

/// The ports that a round of picks goes to, sorted and each once.
fn called(balancer: &Balancer) -> Vec<u16> {
    let mut ports: Vec<_> =
        (0..40).map(|_| balancer.pick(None).unwrap().member().endpoint().port.get()).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Time passes in steps of a second, as a client maintains its balancers.
async fn pass(balancer: &Balancer, time: Duration) {
    for _ in 0..time.as_secs() {
        tokio::time::advance(seconds(1)).await;
        balancer.maintain();
    }
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_eject_and_the_base_time_brings_back_by_one_probe() {
    let balancer = balancer(3);
    fail(&balancer, 1, 2);
    assert_eq!(called(&balancer), [1, 2, 3], "two failures are not three");
    fail(&balancer, 1, 1);
    assert_eq!(called(&balancer), [2, 3]);
    pass(&balancer, seconds(29)).await;
    assert_eq!(called(&balancer), [2, 3]);
    pass(&balancer, seconds(1)).await;

    let picks: Vec<_> = (0..30).map(|_| balancer.pick(None).unwrap()).collect();
    let (probes, others): (Vec<_>, Vec<_>) = picks.into_iter().partition(Pick::is_probe);
    assert_eq!(probes.len(), 1, "one call at a time goes to the endpoint that was ejected");
    assert!(others.iter().all(|pick| pick.member().endpoint().port.get() != 1));
    drop(others);
    for probe in probes {
        probe.succeeded(Duration::from_millis(1));
    }
    assert_eq!(called(&balancer), [1, 2, 3]);
    assert!((0..30).all(|_| !balancer.pick(None).unwrap().is_probe()));
}

#[tokio::test(start_paused = true)]
async fn an_ejection_lasts_the_base_time_times_their_number() {
    let balancer = balancer(3);
    fail(&balancer, 1, 3);
    for count in 1..4 {
        pass(&balancer, seconds(30 * count - 1)).await;
        assert_eq!(called(&balancer), [2, 3], "ejection {count}");
        pass(&balancer, seconds(1)).await;
        fail(&balancer, 1, 1); // the probe
        assert_eq!(called(&balancer), [2, 3], "after ejection {count}");
    }
    let ejected = balancer.status().remove(0);
    let expected = MemberState::Ejected {
        reason: EjectionReason::ConsecutiveFailures,
        remaining: seconds(120),
    };
    assert_eq!(ejected.state, expected);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_stays_well_is_forgiven() {
    let balancer = balancer(3);
    for _ in 0..3 {
        fail(&balancer, 1, 3);
        pass(&balancer, seconds(60)).await;
        assert_eq!(called(&balancer), [1, 2, 3]);
        while let Ok(pick) = balancer.pick(None) {
            let is_probe = pick.is_probe();
            pick.succeeded(Duration::from_millis(1));
            if is_probe {
                break;
            }
        }
    }
    fail(&balancer, 1, 3);
    let remaining = |status: &MemberStatus| match status.state {
        MemberState::Ejected { remaining, .. } => remaining,
        _ => Duration::ZERO,
    };
    assert_eq!(remaining(&balancer.status()[0]), seconds(30));
}

#[tokio::test(start_paused = true)]
async fn no_more_are_ejected_than_the_rules_allow_and_their_breakers_keep_calls_away() {
    let outlier = OutlierRules { max_ejection_percent: 10, ..rules().outlier };
    let balancer = Balancer::new(RoundRobin, Rules { outlier, ..rules() }, 1);
    balancer.update(&endpoints(3));
    fail(&balancer, 1, 3);
    fail(&balancer, 2, 3);
    let states: Vec<_> = balancer.status().iter().map(|member| member.state).collect();
    assert!(matches!(
        states[..],
        [MemberState::Ejected { .. }, MemberState::Ready, MemberState::Ready]
    ));
    assert_eq!(called(&balancer), [3], "the second is not ejected, but its breaker is open");
}

#[tokio::test(start_paused = true)]
async fn below_the_threshold_all_are_called() {
    let outlier = OutlierRules { max_ejection_percent: 100, ..rules().outlier };
    let balancer = Balancer::new(RoundRobin, Rules { outlier, ..rules() }, 1);
    balancer.update(&endpoints(4));
    fail(&balancer, 1, 3);
    fail(&balancer, 2, 3);
    assert!(!balancer.ready().is_panicking(), "half is not less than half");
    assert_eq!(called(&balancer), [3, 4]);
    fail(&balancer, 3, 3);
    assert!(balancer.ready().is_panicking());
    assert_eq!(called(&balancer), [1, 2, 3, 4]);
    pass(&balancer, seconds(30)).await;
    assert!(!balancer.ready().is_panicking());
}

#[tokio::test(start_paused = true)]
async fn the_only_endpoint_is_called_whatever_it_does() {
    let balancer = balancer(1);
    fail(&balancer, 1, 20);
    assert_eq!(called(&balancer), [1]);
    balancer.update(&[]);
    assert_eq!(balancer.pick(None).unwrap_err(), PickError::NoEndpoints);
}

#[tokio::test(start_paused = true)]
async fn critical_endpoints_are_called_only_in_panic() {
    let balancer = balancer(0);
    balancer.update(&[endpoint(1), endpoint(2), critical(3)]);
    assert_eq!(called(&balancer), [1, 2]);
    assert_eq!(balancer.status()[2].state, MemberState::Critical);
    balancer.update(&[endpoint(1), critical(2), critical(3)]);
    assert_eq!(called(&balancer), [1, 2, 3]);
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_stays_with_the_id_over_a_change() {
    let balancer = balancer(3);
    fail(&balancer, 1, 3);
    let held = balancer.pick(None).unwrap();
    let port = held.member().endpoint().port.get();

    let mut changed = endpoints(4);
    for endpoint in &mut changed {
        Arc::make_mut(endpoint).health = HealthStatus::Warning;
    }
    balancer.update(&changed);
    assert_eq!(called(&balancer), [2, 3, 4], "the ejection holds");
    let status = balancer.status();
    let in_flight: Vec<_> = status.iter().map(|status| status.member.in_flight()).collect();
    let expected: Vec<_> = (1..=4).map(|other| u32::from(other == port)).collect();
    assert_eq!(in_flight, expected);
    drop(held);
    assert!(status.iter().all(|status| status.member.in_flight() == 0));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_more_than_the_others_is_ejected_by_its_success_rate() {
    let outlier =
        OutlierRules { success_rate: Some(SuccessRateRules::default()), ..OutlierRules::default() };
    let balancer = Balancer::new(RoundRobin, Rules { outlier, ..Rules::default() }, 1);
    balancer.update(&endpoints(6));
    // Every second call of one endpoint fails: never twice in a row.
    let mut turn = 0;
    for _ in 0..6 * 110 {
        let pick = balancer.pick(None).unwrap();
        if pick.member().endpoint().port.get() == 4 {
            turn += 1;
            if turn % 2 == 0 {
                pick.failed();
                continue;
            }
        }
        pick.succeeded(Duration::from_millis(1));
    }
    pass(&balancer, seconds(9)).await;
    assert_eq!(called(&balancer), [1, 2, 3, 4, 5, 6]);
    pass(&balancer, seconds(1)).await;
    assert_eq!(called(&balancer), [1, 2, 3, 5, 6]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_goes_to_an_endpoint_that_was_not_tried() {
    let balancer = balancer(3);
    for _ in 0..20 {
        let mut tried = Vec::new();
        for _ in 0..3 {
            let pick = balancer.pick_other(None, &tried).unwrap();
            assert!(!tried.iter().any(|tried: &Arc<Member>| tried.is_same(pick.member())));
            tried.push(Arc::clone(pick.member()));
        }
        assert!(balancer.pick_other(None, &tried).is_ok(), "all were tried: then any");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_says_nothing() {
    let balancer = balancer(2);
    for _ in 0..20 {
        drop(balancer.pick(None).unwrap());
    }
    assert!(balancer.status().iter().all(|status| status.state == MemberState::Ready));
    fail(&balancer, 1, 2);
    while balancer.pick(None).unwrap().member().endpoint().port.get() != 1 {}
    fail(&balancer, 1, 1);
    assert_eq!(called(&balancer), [2], "the dropped pick did not end the row of failures");
}
