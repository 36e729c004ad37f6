//! Tries, budgets and hedges, over endpoints that are closures, in time that is simulated.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::time::Duration;

use http::{HeaderMap, Method};
use plugbay_guard::RetryRules;
use tokio::time::{Instant, sleep};

use super::run::{Repeat, repeat};
use super::*;
use crate::client::balance::{Balancer, Member, RoundRobin, Rules};
use crate::client::testing::endpoints;

/// What an endpoint does with a request.
#[derive(Clone, Copy)]
enum Behaviour {
    Answers { after: Duration, status: u16 },
    Refuses,
    Resets,
}

const OK: Behaviour = Behaviour::Answers { after: Duration::from_millis(10), status: 200 };
const OVERLOADED: Behaviour = Behaviour::Answers { after: Duration::from_millis(10), status: 503 };

fn slow(seconds: u64) -> Behaviour {
    Behaviour::Answers { after: Duration::from_secs(seconds), status: 200 }
}

/// Endpoints that behave as the test says, by their ports from 1 on; and how often each was asked.
struct Bench {
    caller: Caller,
    behaviours: Vec<Behaviour>,
    asked: RefCell<HashMap<u16, u32>>,
}

impl Bench {
    fn new(rules: CallRules, behaviours: &[Behaviour]) -> Self {
        let balancer = Balancer::new(RoundRobin, Rules::default(), 1);
        balancer.update(&endpoints(u16::try_from(behaviours.len()).unwrap()));
        let caller = Caller::new("orders".into(), balancer, rules, 1);
        Self { caller, behaviours: behaviours.to_vec(), asked: RefCell::default() }
    }

    async fn call(&self, repeat: Repeat) -> Result<u16, CallError> {
        let send = |member: &Member| {
            let port = member.endpoint().port.get();
            *self.asked.borrow_mut().entry(port).or_default() += 1;
            let behaviour = self.behaviours[usize::from(port) - 1];
            Some(async move {
                let failed = |kind: io::ErrorKind| Err(io::Error::from(kind).into());
                match behaviour {
                    Behaviour::Refuses => failed(io::ErrorKind::ConnectionRefused),
                    Behaviour::Resets => failed(io::ErrorKind::ConnectionReset),
                    Behaviour::Answers { after, status } => {
                        sleep(after).await;
                        Ok(status)
                    }
                }
            })
        };
        let outcome = |status: &u16| Outcome::of_status((*status).try_into().unwrap());
        self.caller.call(None, repeat, send, outcome).await
    }

    fn asked(&self) -> u32 {
        self.asked.borrow().values().sum()
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_is_repeated_elsewhere_until_an_endpoint_can_do_it() {
    for bad in [OVERLOADED, Behaviour::Refuses, Behaviour::Resets] {
        let bench = Bench::new(CallRules::default(), &[bad, bad, OK]);
        for _ in 0..4 {
            assert_eq!(bench.call(Repeat::Always).await.unwrap(), 200);
        }
        assert!(bench.asked() > 4);
    }
}

#[tokio::test(start_paused = true)]
async fn tries_are_limited_and_the_last_answer_is_the_result() {
    let bench = Bench::new(CallRules::default(), &[OVERLOADED; 5]);
    assert_eq!(bench.call(Repeat::Always).await.unwrap(), 503);
    assert_eq!(bench.asked(), 3);
    assert!(bench.asked.borrow().values().all(|asked| *asked == 1), "each try elsewhere");

    let bench = Bench::new(CallRules::default(), &[Behaviour::Resets; 2]);
    let error = bench.call(Repeat::Always).await.unwrap_err();
    assert!(error.to_string().starts_with("orders did not respond: the request to 127.0.0.1:"));
    assert!(matches!(error, CallError::Failed { tries: 3, .. }));
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_repeated_is_repeated_only_if_it_was_not_sent() {
    let bench = Bench::new(CallRules::default(), &[Behaviour::Resets; 3]);
    assert!(bench.call(Repeat::IfUnsent).await.is_err());
    assert_eq!(bench.asked(), 1);
    let bench = Bench::new(CallRules::default(), &[Behaviour::Refuses, Behaviour::Refuses, OK]);
    assert_eq!(bench.call(Repeat::IfUnsent).await.unwrap(), 200);
}

#[test]
fn idempotent_methods_and_keys_may_be_repeated() {
    let rules = CallRules::default();
    let mut headers = HeaderMap::new();
    for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::OPTIONS] {
        assert_eq!(repeat(&method, &headers, &rules), Repeat::Always);
    }
    for method in [Method::POST, Method::PATCH] {
        assert_eq!(repeat(&method, &headers, &rules), Repeat::IfUnsent);
    }
    let all = CallRules { retry_non_idempotent: true, ..CallRules::default() };
    assert_eq!(repeat(&Method::POST, &headers, &all), Repeat::Always);
    headers.insert("idempotency-key", "17".parse().unwrap());
    assert_eq!(repeat(&Method::POST, &headers, &rules), Repeat::Always);
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_another_would_repeat_is_the_result() {
    let broken = Behaviour::Answers { after: Duration::ZERO, status: 500 };
    let bench = Bench::new(CallRules::default(), &[broken; 3]);
    assert_eq!(bench.call(Repeat::Always).await.unwrap(), 500);
    assert_eq!(bench.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_hangs_is_given_up() {
    let rules = CallRules { try_timeout: Some(Duration::from_secs(1)), ..CallRules::default() };
    let bench = Bench::new(rules.clone(), &[slow(3_600), slow(3_600), OK]);
    let begun = Instant::now();
    assert_eq!(bench.call(Repeat::Always).await.unwrap(), 200);
    assert!(begun.elapsed() < Duration::from_secs(3));
    let bench = Bench::new(rules, &[slow(3_600)]);
    let error = bench.call(Repeat::IfUnsent).await.unwrap_err();
    assert_eq!(error.reason(), "timed-out");
}

#[tokio::test(start_paused = true)]
async fn retries_stay_within_their_budget() {
    let budget = RetryRules { share: 0.1, per_second: 0, window: Duration::from_secs(1_000) };
    let rules = CallRules { budget, ..CallRules::default() };
    let bench = Bench::new(rules, &[OVERLOADED; 10]);
    for _ in 0..1_000 {
        assert_eq!(bench.call(Repeat::Always).await.unwrap(), 503);
    }
    assert_eq!(bench.asked(), 1_100, "a tenth more than there were calls");
}

fn hedged(after: HedgeAfter) -> CallRules {
    CallRules { hedge: Some(HedgeRules { after, max: 1 }), ..CallRules::default() }
}

#[tokio::test(start_paused = true)]
async fn a_hedge_saves_the_call_from_a_slow_endpoint() {
    let rules = hedged(HedgeAfter::Time(Duration::from_millis(50)));
    let bench = Bench::new(rules, &[slow(5), OK]);
    for _ in 0..20 {
        let begun = Instant::now();
        assert_eq!(bench.call(Repeat::Always).await.unwrap(), 200);
        assert!(begun.elapsed() <= Duration::from_millis(61), "{:?}", begun.elapsed());
    }
    assert!(bench.asked() > 25, "some calls began at the slow one");
    let in_flight =
        bench.caller.balancer().status().iter().map(|it| it.member.in_flight()).sum::<u32>();
    assert_eq!(in_flight, 0, "the slower requests were cancelled");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_not_be_repeated_is_not_hedged() {
    let bench =
        Bench::new(hedged(HedgeAfter::Time(Duration::from_millis(50))), &[slow(5), slow(5)]);
    bench.call(Repeat::IfUnsent).await.unwrap();
    assert_eq!(bench.asked(), 1);
}

#[tokio::test(start_paused = true)]
async fn hedges_by_quantile_begin_when_enough_is_known_and_are_few() {
    let bench = Bench::new(hedged(HedgeAfter::Quantile(0.95)), &[OK; 4]);
    for _ in 0..2_000 {
        bench.call(Repeat::Always).await.unwrap();
    }
    assert_eq!(bench.asked(), 2_000, "none takes longer than the others");
    let mut slowed = bench;
    slowed.behaviours[0] = slow(1);
    for _ in 0..200 {
        let begun = Instant::now();
        slowed.call(Repeat::Always).await.unwrap();
        assert!(begun.elapsed() < Duration::from_millis(30));
    }
    let hedges = slowed.asked() - 2_200;
    assert!((40..80).contains(&hedges), "about one in four began at the slow one: {hedges}");
}

#[tokio::test(start_paused = true)]
async fn hedges_stay_within_the_budget_of_retries() {
    let budget = RetryRules { share: 0.1, per_second: 0, window: Duration::from_secs(1_000) };
    let rules = CallRules { budget, ..hedged(HedgeAfter::Time(Duration::from_millis(50))) };
    let bench = Bench::new(rules, &[slow(1); 4]);
    for _ in 0..100 {
        bench.call(Repeat::Always).await.unwrap();
    }
    assert_eq!(bench.asked(), 110);
}
