//! The table of the rows: what was measured, how far it spread, and whether the budget was met.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::measure::{Spread, pairs, times};

/// The rows that were measured.
pub struct Table {
    only: Vec<String>,
    /// The file to which each row is appended, as a line of JSON.
    file: Option<PathBuf>,
    rows: Vec<Row>,
}

/// A row: the figure that has a budget, and the budget.
struct Row {
    name: String,
    /// The figure as text, with what it is computed from.
    measured: String,
    budget: String,
    unit: &'static str,
    figure: Spread,
    met: bool,
}

/// The budget of a comparison.
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
    /// A table of the rows that the program's arguments select: those whose names contain one of them, or
    /// all. `--rows=FILE` has each row appended to the file, as a line of JSON.
    #[must_use]
    pub fn of_arguments() -> Self {
        let (mut only, mut file) = (Vec::new(), None);
        for word in std::env::args().skip(1) {
            match word.strip_prefix("--rows=") {
                Some(path) => file = Some(path.into()),
                None if word.starts_with('-') => {}
                None => only.push(word),
            }
        }
        Self { only, file, rows: Vec::new() }
    }

    /// Whether a row is selected.
    #[must_use]
    pub fn selects(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|word| name.contains(&**word))
    }

    /// Measures `ours` and `baseline` in pairs, both in nanoseconds per call, and adds a row of the medians.
    ///
    /// # Errors
    ///
    /// If either fails.
    pub fn ratio(
        &mut self,
        name: &str,
        budget: Budget,
        ours: impl FnMut() -> Result<()>,
        baseline: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        if !self.selects(name) {
            return Ok(());
        }
        let pairs = pairs(ours, baseline)?;
        let of = |figure: fn(&(f64, f64)) -> f64| Spread::of(pairs.iter().map(figure));
        let (mine, theirs) = (of(|pair| pair.0).median, of(|pair| pair.1).median);
        let sides = format!("{} vs {}", nanos(mine), nanos(theirs));
        match budget {
            Budget::AtMost(most) => {
                let ratio = of(|pair| pair.0 / pair.1);
                let shown = format!("{sides}: {:.3} ×", ratio.median);
                self.push(name, shown, ("≤", most, "×"), ratio)
            }
            Budget::FasterBy(least) => {
                let faster = of(|pair| pair.1 / pair.0);
                let shown = format!("{sides}: {:.1} × faster", faster.median);
                self.push(name, shown, ("≥", least, "× faster"), faster)
            }
            Budget::Over(most) => {
                let over = of(|pair| pair.0 - pair.1);
                let shown = format!("{sides}: {:+.1} ns", over.median);
                self.push(name, shown, ("≤", most, "ns"), over)
            }
        }
    }

    /// Measures `ours` in nanoseconds per call, for a row whose budget is a time.
    ///
    /// # Errors
    ///
    /// If it fails.
    pub fn time(&mut self, name: &str, most: f64, ours: impl FnMut() -> Result<()>) -> Result<()> {
        if !self.selects(name) {
            return Ok(());
        }
        self.bound(name, Spread::of(times(ours)?.into_iter()), "ns", most, "")
    }

    /// Adds a row whose budget is an upper bound of a number. `note` follows the number.
    ///
    /// # Errors
    ///
    /// If the row cannot be written to the file.
    pub fn bound(
        &mut self,
        name: &str,
        measured: Spread,
        unit: &'static str,
        most: f64,
        note: &str,
    ) -> Result<()> {
        let shown = format!("{:.1} {unit}{note}", measured.median);
        self.push(name, shown, ("≤", most, unit), measured)
    }

    /// As [`Table::bound`], for a lower bound.
    ///
    /// # Errors
    ///
    /// If the row cannot be written to the file.
    pub fn least(
        &mut self,
        name: &str,
        measured: Spread,
        unit: &'static str,
        least: f64,
        note: &str,
    ) -> Result<()> {
        let shown = format!("{:.2} {unit}{note}", measured.median);
        self.push(name, shown, ("≥", least, unit), measured)
    }

    fn push(
        &mut self,
        name: &str,
        measured: String,
        (sign, limit, unit): (&str, f64, &'static str),
        figure: Spread,
    ) -> Result<()> {
        let met = if sign == "≤" { figure.median <= limit } else { figure.median >= limit };
        let budget = format!("{sign} {limit} {unit}");
        let row = Row { name: name.to_owned(), measured, budget, unit, figure, met };
        let mark = if met { "met" } else { "MISSED" };
        let Row { name, measured, budget, .. } = &row;
        println!("{mark:<6}  {name:<44}  {measured:<40}  {:<18}  {budget}", row.spread());
        if let Some(file) = &self.file {
            let opened = OpenOptions::new().create(true).append(true).open(file);
            let mut opened = opened.with_context(|| file.display().to_string())?;
            writeln!(opened, "{}", row.json())?;
        }
        self.rows.push(row);
        Ok(())
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

impl Row {
    /// Half of the measurements lie between these two; empty for a single measurement.
    fn spread(&self) -> String {
        let Spread { low, high, .. } = self.figure;
        let places = if self.unit.starts_with('×') { 2 } else { 1 };
        if low < high { format!("{low:.places$} to {high:.places$}") } else { String::new() }
    }

    fn json(&self) -> Value {
        let Self { name, measured, budget, unit, figure, met } = self;
        json!({
            "name": name, "measured": measured, "budget": budget, "unit": unit, "met": met,
            "low": figure.low, "median": figure.median, "high": figure.high, "spread": self.spread(),
        })
    }
}

fn nanos(nanos: f64) -> String {
    if nanos < 1_000.0 { format!("{nanos:.1} ns") } else { format!("{:.2} µs", nanos / 1_000.0) }
}
