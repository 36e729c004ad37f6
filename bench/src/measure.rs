//! Measures pairs, and prints the table of their medians.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Pairs per row.
const PAIRS: usize = 61;
/// How long one side of a pair runs.
const BATCH: Duration = Duration::from_millis(15);

/// A row: the result, and whether the budget was met.
struct Row {
    name: String,
    measured: String,
    budget: String,
    met: bool,
}

/// The rows that were measured.
pub struct Table {
    only: Vec<String>,
    rows: Vec<Row>,
}

/// The budget of a row.
#[derive(Clone, Copy)]
pub enum Budget {
    /// At most this many times the baseline's time.
    AtMost(f64),
    /// At least this many times as fast as the baseline.
    FasterBy(f64),
    /// At most this many nanoseconds more than the baseline.
    Over(f64),
}

impl Table {
    /// A table of the rows that the program's arguments select.
    #[must_use]
    pub fn of_arguments() -> Self {
        let only = std::env::args().skip(1).filter(|word| !word.starts_with('-'));
        Self { only: only.collect(), rows: Vec::new() }
    }

    /// Whether a row is selected.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(&**word))
    }

    /// Measures `ours` and `baseline`, both in nanoseconds per call, and adds a row.
    ///
    /// # Errors
    ///
    /// If either fails.
    pub fn ratio(
        &mut self,
        name: &str,
        budget: Budget,
        mut ours: impl FnMut() -> Result<()>,
        mut baseline: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        if !self.selects(name) {
            return Ok(());
        }
        let (our_calls, their_calls) = (calibrate(&mut ours)?, calibrate(&mut baseline)?);
        let mut pairs = Vec::with_capacity(PAIRS);
        for pair in 0..PAIRS {
            // The side that is measured first alternates: a drift within a pair favours neither.
            let (mine, theirs) = if pair % 2 == 0 {
                let mine = time(&mut ours, our_calls)?;
                (mine, time(&mut baseline, their_calls)?)
            } else {
                let theirs = time(&mut baseline, their_calls)?;
                (time(&mut ours, our_calls)?, theirs)
            };
            pairs.push((mine, theirs));
        }
        let mine = median(pairs.iter().map(|pair| pair.0));
        let theirs = median(pairs.iter().map(|pair| pair.1));
        let ratio = median(pairs.iter().map(|pair| pair.0 / pair.1));
        let (shown, budget, met) = match budget {
            Budget::AtMost(most) => (format!("{ratio:.3} ×"), format!("≤ {most} ×"), ratio <= most),
            Budget::FasterBy(least) => {
                let faster = 1.0 / ratio;
                (format!("{faster:.1} × faster"), format!("≥ {least} × faster"), faster >= least)
            }
            Budget::Over(most) => {
                let over = median(pairs.iter().map(|pair| pair.0 - pair.1));
                (format!("{over:+.1} ns"), format!("≤ +{most} ns"), over <= most)
            }
        };
        self.push(name, format!("{} vs {}: {shown}", nanos(mine), nanos(theirs)), budget, met);
        Ok(())
    }

    /// Measures `ours` in nanoseconds per call, for a row whose budget is a time.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn time(
        &mut self,
        name: &str,
        most: f64,
        mut ours: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        if self.selects(name) {
            let calls = calibrate(&mut ours)?;
            let times = (0..PAIRS).map(|_| time(&mut ours, calls)).collect::<Result<Vec<_>>>()?;
            self.bound(name, median(times.into_iter()), "ns", most, "");
        }
        Ok(())
    }

    /// Adds a row whose budget is an upper bound of a number.
    pub fn bound(&mut self, name: &str, measured: f64, unit: &str, most: f64, note: &str) {
        let measured_text = format!("{measured:.1} {unit}{note}");
        self.push(name, measured_text, format!("≤ {most} {unit}"), measured <= most);
    }

    fn push(&mut self, name: &str, measured: String, budget: String, met: bool) {
        let mark = if met { "met" } else { "MISSED" };
        println!("{mark:<6}  {name:<44}  {measured:<48}  {budget}");
        self.rows.push(Row { name: name.to_owned(), measured, budget, met });
    }

    /// Prints the budgets that were missed.
    ///
    /// # Errors
    ///
    /// If a budget was missed.
    pub fn finish(self) -> Result<()> {
        let missed: Vec<&Row> = self.rows.iter().filter(|row| !row.met).collect();
        println!(
            "{} rows, {} met, {} missed",
            self.rows.len(),
            self.rows.len() - missed.len(),
            missed.len()
        );
        if missed.is_empty() {
            return Ok(());
        }
        for row in &missed {
            println!("missed: {}: {} (budget {})", row.name, row.measured, row.budget);
        }
        bail!("{} budgets were not met", missed.len())
    }
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

/// The median of some numbers.
pub fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    numbers[numbers.len() / 2]
}

/// Lets time pass: the pace of requests, and the length of a test, are times.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for but time")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}

fn nanos(nanos: f64) -> String {
    if nanos < 1_000.0 { format!("{nanos:.1} ns") } else { format!("{:.2} µs", nanos / 1_000.0) }
}
