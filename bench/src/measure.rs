//! Measures how long calls take, one alone or two in pairs.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Pairs per row.
const PAIRS: usize = 61;
/// How long one side of a pair runs.
const BATCH: Duration = Duration::from_millis(15);

/// Nanoseconds per call of both sides, pair by pair. The side that is measured first alternates: a drift
/// within a pair favours neither.
///
/// # Errors
///
/// If either side fails.
pub(crate) fn pairs(
    mut ours: impl FnMut() -> Result<()>,
    mut baseline: impl FnMut() -> Result<()>,
) -> Result<Vec<(f64, f64)>> {
    let (our_calls, their_calls) = (calibrate(&mut ours)?, calibrate(&mut baseline)?);
    let mut pairs = Vec::with_capacity(PAIRS);
    for pair in 0..PAIRS {
        pairs.push(if pair % 2 == 0 {
            let mine = time(&mut ours, our_calls)?;
            (mine, time(&mut baseline, their_calls)?)
        } else {
            let theirs = time(&mut baseline, their_calls)?;
            (time(&mut ours, our_calls)?, theirs)
        });
    }
    Ok(pairs)
}

/// Nanoseconds per call, measured as often as a pair is.
///
/// # Errors
///
/// If a call fails.
pub(crate) fn times(mut call: impl FnMut() -> Result<()>) -> Result<Vec<f64>> {
    let calls = calibrate(&mut call)?;
    (0..PAIRS).map(|_| time(&mut call, calls)).collect()
}

/// The number of calls that take about as long as [`BATCH`].
fn calibrate(call: &mut impl FnMut() -> Result<()>) -> Result<u32> {
    let mut calls = 1_u32;
    loop {
        let began = Instant::now();
        for _ in 0..calls {
            call()?;
        }
        let took = began.elapsed();
        if took >= BATCH / 4 || calls > 1 << 28 {
            let scale = BATCH.as_secs_f64() / took.as_secs_f64().max(1e-9);
            return Ok(((f64::from(calls) * scale) as u32).max(1));
        }
        calls = calls.saturating_mul(2);
    }
}

/// Nanoseconds per call.
fn time(call: &mut impl FnMut() -> Result<()>, calls: u32) -> Result<f64> {
    let began = Instant::now();
    for _ in 0..calls {
        call()?;
    }
    Ok(began.elapsed().as_nanos() as f64 / f64::from(calls))
}

/// The CPU time that this thread has used.
#[cfg(unix)]
pub(crate) fn cpu_time() -> Duration {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(now).unwrap_or_default()
}

/// Without a CPU clock for threads, wall time is used.
#[cfg(not(unix))]
pub(crate) fn cpu_time() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// The median of some numbers.
pub fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    Spread::of(numbers).median
}

/// The median of some numbers, and the quartiles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Spread {
    /// A quarter of the numbers is below it.
    pub low: f64,
    /// Half of them is.
    pub median: f64,
    /// Three quarters of them are.
    pub high: f64,
}

impl Spread {
    /// Of at least one number.
    pub fn of(numbers: impl Iterator<Item = f64>) -> Self {
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_by(f64::total_cmp);
        let last = numbers.len() - 1;
        Self {
            low: numbers[last / 4],
            median: numbers[numbers.len() / 2],
            high: numbers[last - last / 4],
        }
    }

    /// Of a single measurement.
    #[must_use]
    pub fn single(number: f64) -> Self {
        Self { low: number, median: number, high: number }
    }
}

/// Lets time pass: the pace of requests, and the length of a test, are times.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for but time")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
