//! The trial on simulated calls, each run with a fixed seed.

use std::time::Duration;

use super::{CanaryRules, Figures, Judgement, Regression, Side, Trial};

/// How one side behaves.
#[derive(Clone, Copy)]
struct Behaviour {
    errors: f64,
    /// The median latency, in seconds.
    median: f64,
}

const STABLE: Behaviour = Behaviour { errors: 0.001, median: 0.003 };

impl Behaviour {
    fn call(self, side: &Side, random: &mut fastrand::Rng) {
        if random.f64() < self.errors {
            side.failed();
            return;
        }
        // Latencies have a long tail: log-normal, by the method of Box and Muller.
        let normal = (-2.0 * (1.0 - random.f64()).ln()).sqrt()
            * (std::f64::consts::TAU * random.f64()).cos();
        side.succeeded(Duration::from_secs_f64(self.median * (0.6 * normal).exp()));
    }
}

/// The judgement after at most `most` calls of the canary, judged after each of them, and the calls
/// that it took. `per_call` calls of the stable version come with each call of the canary.
fn trial(
    rules: CanaryRules,
    (stable, canary): (Behaviour, Behaviour),
    (per_call, most): (u32, u64),
    seed: u64,
) -> (Judgement, u64) {
    let mut random = fastrand::Rng::with_seed(seed);
    let (stable_side, canary_side) = (Side::default(), Side::default());
    let mut trial = Trial::new(rules);
    for calls in 1..=most {
        (0..per_call).for_each(|_| stable.call(&stable_side, &mut random));
        canary.call(&canary_side, &mut random);
        if !trial.is_due(calls) {
            continue;
        }
        if let bad @ Judgement::Bad(_) = trial.judge(&stable_side.figures(), &canary_side.figures())
        {
            return (bad.clone(), calls);
        }
    }
    (trial.judge(&stable_side.figures(), &canary_side.figures()).clone(), most)
}

fn bad(judgement: &Judgement) -> &'static str {
    match judgement {
        Judgement::Bad(why) => why.reason(),
        other => other.as_str(),
    }
}

#[test]
fn five_percent_of_errors_are_found_within_400_calls() {
    let canary = Behaviour { errors: 0.05, ..STABLE };
    let mut all: Vec<_> = (0..200)
        .map(|seed| {
            let (judgement, calls) =
                trial(CanaryRules::default(), (STABLE, canary), (9, 400), seed);
            assert_eq!(bad(&judgement), "canary-errors", "seed {seed}");
            calls
        })
        .collect();
    all.sort_unstable();
    assert!(all[100] <= 100, "the half of them within 100, found {}", all[100]);
}

#[test]
fn one_three_times_as_slow_is_found_within_200_calls() {
    let canary = Behaviour { median: 3.0 * STABLE.median, ..STABLE };
    for seed in 0..200 {
        let (judgement, _) = trial(CanaryRules::default(), (STABLE, canary), (9, 200), seed);
        assert_eq!(bad(&judgement), "canary-latency", "seed {seed}");
    }
}

/// Without the relevant differences, which would hide what the statistics do.
fn strict() -> CanaryRules {
    CanaryRules {
        rate_margin: 0.0,
        latency_factor: 1.0,
        latency_margin: Duration::ZERO,
        ..CanaryRules::default()
    }
}

/// At several error rates, since the exact test is the more cautious the fewer errors there are.
fn false_alarms(rules: CanaryRules, seeds: u64) -> Vec<(f64, u64)> {
    let rates = [0.0, 0.001, 0.01, 0.1, 0.5];
    let alarms = rates.map(|errors| {
        let equal = Behaviour { errors, ..STABLE };
        let alarms = (0..seeds).filter(|seed| {
            let (judgement, _) = trial(rules, (equal, equal), (1, 2_000), *seed);
            matches!(judgement, Judgement::Bad(_))
        });
        (errors, alarms.count() as u64)
    });
    alarms.to_vec()
}

#[test]
fn an_equal_one_is_found_bad_less_often_than_the_rules_say() {
    for (errors, alarms) in false_alarms(strict(), 300) {
        assert!(alarms <= 6, "{alarms} of 300 at an error rate of {errors}");
    }
}

#[test]
fn an_equal_one_is_never_found_bad_by_the_usual_rules() {
    for errors in [0.0, 0.001, 0.01] {
        let equal = Behaviour { errors, ..STABLE };
        for seed in 0..150 {
            let (judgement, _) = trial(CanaryRules::default(), (equal, equal), (1, 2_000), seed);
            assert_eq!(judgement, Judgement::Good, "seed {seed} at {errors}");
        }
    }
}

/// `cargo nextest run --release -p plugbay-guard --run-ignored only --no-capture measured`
#[test]
#[ignore = "prints figures for the documentation; two minutes in a release build"]
fn measured_false_alarms() {
    for (name, rules) in [("strict", strict()), ("usual", CanaryRules::default())] {
        for (errors, alarms) in false_alarms(rules, 20_000) {
            println!("{name}, error rate {errors}: {alarms} of 20000 equal canaries found bad");
            assert!(alarms <= 200, "{alarms} of 20000 is more than 1 %");
        }
    }
}

fn figures(errors: u64, calls: u64, took: Duration) -> Figures {
    let side = Side::default();
    (0..errors).for_each(|_| side.failed());
    (errors..calls).for_each(|_| side.succeeded(took));
    side.figures()
}

const MS: Duration = Duration::from_millis(1);

#[test]
fn what_is_not_relevant_never_rolls_back() {
    let mut trial = Trial::new(CanaryRules::default());
    let (stable, canary) = (figures(0, 200_000, MS), figures(40, 100_000, MS));
    assert_eq!(trial.judge(&stable, &canary), &Judgement::Good, "p is 1e-20, of 0.04 %");
    let mut trial = Trial::new(CanaryRules::default());
    let micro = Duration::from_micros(1);
    let (stable, canary) = (figures(0, 2_000, micro), figures(0, 2_000, 50 * micro));
    assert_eq!(trial.judge(&stable, &canary), &Judgement::Good, "0.05 ms are nothing");
}

#[test]
fn without_a_stable_side_there_is_nothing_to_say() {
    let mut trial = Trial::new(CanaryRules::default());
    let (nothing, canary) = (figures(0, 0, MS), figures(2_000, 2_000, MS));
    assert_eq!(trial.judge(&nothing, &canary), &Judgement::Undecided);
}

#[test]
fn looks_are_seldom_and_bad_is_for_good() {
    let mut trial = Trial::new(CanaryRules::default());
    let stable = figures(0, 10_000, MS);
    assert!(!trial.is_due(49) && trial.is_due(50));
    assert_eq!(trial.judge(&stable, &figures(0, 60, MS)), &Judgement::Undecided);
    assert!(!trial.is_due(119) && trial.is_due(120));
    let broken = figures(100, 119, MS);
    assert_eq!(trial.judge(&stable, &broken), &Judgement::Undecided, "no look is due");
    let broken = figures(101, 120, MS);
    assert!(matches!(trial.judge(&stable, &broken), Judgement::Bad(Regression::Errors { .. })));
    let fine = figures(101, 100_000, MS);
    assert!(matches!(trial.judge(&stable, &fine), Judgement::Bad(_)));
}

#[test]
fn it_is_good_as_soon_as_enough_was_seen() {
    let mut trial = Trial::new(CanaryRules { min_calls: 600, ..CanaryRules::default() });
    let stable = figures(0, 10_000, MS);
    assert_eq!(trial.judge(&stable, &figures(0, 600, MS)), &Judgement::Undecided);
    assert!(trial.is_due(1_000), "and not only when the calls have doubled");
    assert_eq!(trial.judge(&stable, &figures(0, 1_000, MS)), &Judgement::Good);
}

#[test]
fn one_that_refuses_what_the_other_takes_is_bad() {
    let refusing = |refused: u64, calls: u64| {
        let side = Side::default();
        (0..refused).for_each(|_| side.refused());
        (refused..calls).for_each(|_| side.succeeded(MS));
        side.figures()
    };
    let rules = CanaryRules::default();
    // It refuses all, and so does well in nothing that is timed.
    let judgement = Trial::new(rules).judge(&refusing(0, 1_000), &refusing(50, 50)).clone();
    assert_eq!(bad(&judgement), "canary-refusals");
    let Judgement::Bad(why) = judgement else { panic!("{judgement:?}") };
    let said = "the canary refused the input of 50 of 50 calls (100.00 %), the stable version that \
                of 0 of 1000 (0.00 %): by chance";
    assert!(why.to_string().starts_with(said), "{why}");
    // Where callers err, both refuse.
    let judgement = Trial::new(rules).judge(&refusing(3_000, 9_000), &refusing(340, 1_000)).clone();
    assert_eq!(judgement, Judgement::Good);
}

#[test]
fn why_is_a_sentence_with_figures() {
    let rules = CanaryRules::default();
    let stable = figures(9, 9_000, 3 * MS);
    let errors = Trial::new(rules).judge(&stable, &figures(52, 1_000, 3 * MS)).clone();
    let slow = Trial::new(rules).judge(&stable, &figures(0, 100, 9 * MS)).clone();
    let sentence = |judgement| match judgement {
        Judgement::Bad(why) => why.to_string(),
        other => panic!("expected it to be bad, found {other:?}"),
    };
    assert_eq!(
        sentence(errors),
        "the canary failed 52 of 1000 calls (5.20 %), the stable version 9 of 9000 (0.10 %): by \
         chance this happens with p = 2.1e-43, and less than 1.7e-3 is bad"
    );
    assert_eq!(
        sentence(slow),
        "100 of 100 calls of the canary (100.00 %) took longer than 4.7ms; its 95th percentile is \
         9.4ms, the stable version's at most 3.1ms: by chance this happens with p = 7.9e-131, and \
         less than 1.7e-3 is bad"
    );
}
