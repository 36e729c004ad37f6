//! What protects callers from a failing plugin: a circuit breaker, a health record, a restart
//! budget, the choice among providers, a retry budget, the comparison of a canary with the stable
//! version, and rate limits.
//!
//! **The rule of this crate: it decides, it never acts.** It reads no clock, starts no task,
//! waits for nothing, opens nothing and logs nothing. Time and random numbers are arguments. A
//! caller gets a decision (admitted or refused, wait this long, this provider, roll back) and, if
//! the state changed, the transition as a value, so that the caller can report it. So every test
//! here is exact and takes no time, and [loom] can try every interleaving.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use plugbay_guard::{Guard, AdmissionError, Rules, Transition};
//!
//! let now = Instant::now(); let rules = Rules { failures: 2, ..Rules::default() }; let guard =
//! Guard::new(rules, now, 7); assert!(guard.is_clear()); // one load: all that a healthy call costs
//! assert_eq!(guard.failed(now), None); let opened = guard.failed(now); assert!(matches!(opened,
//! Some(Transition::Opened { failures: 2, .. }))); assert!(matches!(guard.admit(now),
//! Err(AdmissionError::Open { .. })));
//!
//! let later = now + 2 * rules.open;
//! let probe = guard.admit(later).expect("half-open");
//! assert_eq!(probe.transition, Some(Transition::HalfOpened));
//! assert_eq!(probe.permit.succeeded(), Some(Transition::Closed));
//! assert!(guard.is_clear());
//! ```
//!
//! # The pieces
//! - [`Guard`] admits every call: circuit breaker and health in one word, which is zero while
//!   nothing is wrong. Its file opens with the protocol.
//! - [`Streak`] turns single health checks into healthy and unhealthy; [`jittered`] spreads them in time.
//! - [`Restarts`] decides when a crashed plugin may be restarted, and when to give up.
//! - [`pick`], [`pick_among`] and [`pick_by_key`] choose among providers by weight, sticky by a key.
//! - [`RetryBudget`] decides whether a failed call may be retried with another provider.
//! - [`Trial`] compares the two [`Side`]s of a canary by a stated test, and [`Steps`] raise its
//!   share.
//! - [`RateLimit`] limits events per second, [`Tally`] counts events and decides when to report
//!   them, and [`Quota`] is both: a limit, and a count of what exceeded it.
//!
//! # What is never done here
//!
//! - A healthy call writes nothing: it loads one word before and one after.
//! - Each transition is returned to exactly one caller, and none is lost.
//! - No file or socket, no log line, no clock, no thread, no async runtime, no unsafe code.
//! - This crate knows nothing of plugins, and depends on no other crate of Plugbay.
//!
//! # How it is checked
//!
//! Besides the tests, which any `cargo test` runs, from the workspace's root:
//!
//! ```text
//! # every interleaving of the words that threads share
//! RUSTFLAGS="--cfg loom" cargo test --release -p plugbay-guard --lib loom
//!
//! # what the guard costs a healthy call
//! cargo run --release -p plugbay-guard --example cost
//! ```
//!
//! [loom]: https://docs.rs/loom
#![forbid(unsafe_code)]

mod canary;
mod guard;
mod health;
mod jitter;
mod mix;
mod quota;
mod rate;
mod restarts;
mod retry;
mod share;
mod tally;

pub use canary::{CanaryRules, Figures, Judgement, Regression, Side, Stage, Steps, Trial};
pub use guard::{
    AdmissionError, Admitted, BreakerState, Guard, Permit, Rules, Transition, Verdict,
};
pub use health::{Health, Streak};
pub use jitter::jittered;
pub use quota::{Exceeded, Quota};
pub use rate::RateLimit;
pub use restarts::{Next, RestartRules, Restarts};
pub use retry::{RetryBudget, RetryRules};
pub use share::{WeightedProvider, pick, pick_among, pick_by_key};
pub use tally::{DistinctTally, Tally};
