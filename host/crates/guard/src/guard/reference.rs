//! The guard against a simple model of it: plain fields, one caller after the other.

use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::{AdmissionError, BreakerState, Guard, Permit, Rules, Transition, Verdict};
use crate::Health;

enum State {
    Closed { failures: u32 },
    Open { until: Instant, openings: u32 },
    HalfOpen { episode: usize, out: usize, successes: u8, openings: u32 },
}

/// What a guard should do by the rules.
struct Model {
    rules: Rules,
    healthy: bool,
    state: State,
    episodes: usize,
}

impl Model {
    /// The episode of a probe, or none for a pass.
    fn admit(&mut self, now: Instant) -> Result<Option<usize>, &'static str> {
        if !self.healthy {
            return Err("unhealthy");
        }
        match &mut self.state {
            State::Closed { .. } => Ok(None),
            State::Open { until, .. } if now < *until => Err("breaker-open"),
            State::Open { openings, .. } => {
                let (openings, episode) = (*openings, self.episodes);
                self.episodes += 1;
                self.state = State::HalfOpen { episode, out: 1, successes: 0, openings };
                Ok(Some(episode))
            }
            State::HalfOpen { out, .. } if *out >= usize::from(self.rules.probes) => {
                Err("breaker-half-open")
            }
            State::HalfOpen { episode, out, .. } => {
                *out += 1;
                Ok(Some(*episode))
            }
        }
    }

    /// The expected transition, as a word, and the number of openings in a row.
    fn end(&mut self, slot: Option<usize>, verdict: Verdict) -> Option<(&'static str, u32)> {
        match (&mut self.state, slot) {
            (State::Closed { failures }, _) => match verdict {
                Verdict::Success => *failures = 0,
                Verdict::Failure if self.rules.failures > 0 => {
                    *failures += 1;
                    if *failures == self.rules.failures {
                        return Some(("breaker-opened", 1));
                    }
                }
                // A probe that is late and neutral changes nothing, like any neutral call.
                Verdict::Failure | Verdict::Neutral => {}
            },
            (State::HalfOpen { episode, out, successes, openings }, Some(slot))
                if *episode == slot =>
            {
                *out -= 1;
                match verdict {
                    Verdict::Neutral => {}
                    Verdict::Failure => return Some(("breaker-opened", *openings + 1)),
                    Verdict::Success => {
                        *successes += 1;
                        if *successes == self.rules.successes {
                            self.state = State::Closed { failures: 0 };
                            return Some(("breaker-closed", 0));
                        }
                    }
                }
            }
            _ => {}
        }
        None
    }
}

#[derive(Clone, Debug)]
enum Step {
    Admit,
    /// One of the calls under way ends.
    End(usize, Verdict),
    Wait(u32),
    SetHealth(bool),
}

fn steps() -> impl Strategy<Value = Step> {
    let verdict = prop_oneof![
        2 => Just(Verdict::Success), 4 => Just(Verdict::Failure), 1 => Just(Verdict::Neutral)
    ];
    prop_oneof![
        8 => Just(Step::Admit),
        8 => (any::<usize>(), verdict).prop_map(|(call, verdict)| Step::End(call, verdict)),
        4 => (0..300_u32).prop_map(Step::Wait),
        1 => any::<bool>().prop_map(Step::SetHealth),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn the_guard_does_what_the_model_does(
        failures in 0..4_u32,
        probes in 1..4_u8,
        successes in 1..4_u8,
        seed: u64,
        steps in prop::collection::vec(steps(), 0..120),
    ) {
        let millis = Duration::from_millis;
        let rules = Rules { failures, probes, successes, open: millis(100), max_open: millis(350) };
        let mut now = Instant::now();
        let guard = Guard::new(rules, now, seed);
        let state = State::Closed { failures: 0 };
        let mut model = Model { rules, healthy: true, state, episodes: 0 };
        let mut calls: Vec<(Permit<&Guard>, Option<usize>)> = Vec::new();
        for step in steps {
            match step {
                Step::Wait(time) => now += millis(time.into()),
                Step::SetHealth(healthy) => {
                    let health = if healthy { Health::Healthy } else { Health::Unhealthy };
                    let reported = guard.set_health(health);
                    prop_assert_eq!(reported.is_some(), healthy != model.healthy);
                    model.healthy = healthy;
                }
                Step::Admit => {
                    let was_open = matches!(model.state, State::Open { .. });
                    match (guard.admit(now), model.admit(now)) {
                        (Ok(admitted), Ok(slot)) => {
                            prop_assert_eq!(admitted.permit.is_probe(), slot.is_some());
                            let expected = was_open.then_some(Transition::HalfOpened);
                            prop_assert_eq!(admitted.transition, expected);
                            calls.push((admitted.permit, slot));
                        }
                        (Err(refused), Err(reason)) => {
                            prop_assert_eq!(refused.reason(), reason);
                            if let (AdmissionError::Open { wait }, State::Open { until, .. }) =
                                (refused, &model.state)
                            {
                                prop_assert_eq!(wait, *until - now);
                            }
                        }
                        (found, expected) => {
                            prop_assert!(false, "expected {expected:?}, found {found:?}");
                        }
                    }
                }
                Step::End(_, _) if calls.is_empty() => {}
                Step::End(call, verdict) => {
                    let (permit, slot) = calls.swap_remove(call % calls.len());
                    let reported = permit.ended(verdict, now);
                    let expected = model.end(slot, verdict);
                    prop_assert_eq!(reported.map(|reported| reported.as_str()), expected.map(|reported| reported.0));
                    if let (Some(Transition::Opened { duration, .. }), Some((_, openings))) =
                        (reported, expected)
                    {
                        // The jitter within 10 % is the guard's own choice.
                        let nominal = millis([100, 200, 350][openings.min(3) as usize - 1]);
                        prop_assert!(duration.abs_diff(nominal) <= nominal / 10 + millis(1));
                        model.state = State::Open { until: now + duration, openings };
                    }
                }
            }
            let expected = match &model.state {
                State::Closed { .. } => BreakerState::Closed,
                State::Open { until, .. } if now < *until => {
                    BreakerState::Open { remaining: *until - now }
                }
                _ => BreakerState::HalfOpen,
            };
            prop_assert_eq!(guard.state(now), expected);
            let counts = matches!(model.state, State::Closed { failures: 0 });
            prop_assert_eq!(guard.is_clear(), counts && model.healthy);
        }
    }
}
