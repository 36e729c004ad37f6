//! `bench`

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};

use super::build::PluginArgs;
use super::cases::{Case, Hosts};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;

/// Calls that are not measured: the first ones make instances.
const WARM_UP: usize = 20;
/// The most calls of a case; each keeps its duration.
const MAX_CALLS: usize = 1_000_000;
/// A run is kept beside the plugin's files.
const LAST: &str = "target/bench.json";

/// Measures the calls of the cases, beside the last run
///
/// Builds the plugin, and makes the call of each case that expects an answer again and again, one at a time, in a host
/// of this process. Durations are those of a caller: the host's part is in them.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay bench
  plugbay bench encode --seconds 10")]
pub(in crate::cli) struct Bench {
    /// Parts of names of cases [default: all cases]
    #[arg(value_name = "CASE")]
    cases: Vec<String>,

    /// How long each case is measured
    #[arg(long, value_name = "N", default_value = "2", value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,

    #[command(flatten)]
    plugin: PluginArgs,
}

/// The figures of a case.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Figures {
    calls: usize,
    /// Nanoseconds.
    p50: u64,
    p90: u64,
    p99: u64,
    max: u64,
    /// The most that all instances of the plugin together used until then, in bytes.
    peak_memory: u64,
}

impl Figures {
    /// Of at least one duration.
    fn of(mut durations: Vec<u64>, peak_memory: u64) -> Self {
        durations.sort_unstable();
        let calls = durations.len();
        let at = |percent: usize| {
            let index = (calls * percent).div_ceil(100).saturating_sub(1);
            durations.get(index).copied().unwrap_or_default()
        };
        Self { calls, p50: at(50), p90: at(90), p99: at(99), max: at(100), peak_memory }
    }
}

impl Bench {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let source = self.plugin.find()?;
        let cases = Case::all(source.project.folder(), &self.cases)?;
        let artifact = source.build()?;
        let mut hosts = Hosts::of(&artifact.path)?;
        let mut run = BTreeMap::new();
        for case in &cases {
            if let Some(figures) = measure(&mut hosts, case, Duration::from_secs(self.seconds))? {
                run.insert(case.name.clone(), figures);
            }
        }
        let path = source.project.folder().join(LAST);
        let last = last_run(&path);
        if globals.json {
            print::json(&serde_json::json!({ "run": run, "last": last }))?;
        } else {
            let heads = ["case", "calls", "p50", "before", "p90", "p99", "max", "memory"];
            let rows = run.iter().map(|(name, now)| row(name, now, last.get(name)));
            print::line(&print::table(&heads, rows.collect()))?;
        }
        // Cases that were not measured keep their figures.
        let kept: BTreeMap<_, _> = last.into_iter().chain(run).collect();
        fs::write(&path, serde_json::to_vec_pretty(&kept)?)?;
        Ok(Outcome::Done)
    }
}

/// Nothing for a case whose call fails: it measures no work.
fn measure(hosts: &mut Hosts, case: &Case, within: Duration) -> Result<Option<Figures>, Failure> {
    let ready = hosts.ready(case)?;
    if (0..WARM_UP).any(|_| !ready.call().is_answer()) {
        return Ok(None);
    }
    let mut durations = Vec::new();
    let end = Instant::now() + within;
    while durations.is_empty() || Instant::now() < end && durations.len() < MAX_CALLS {
        let began = Instant::now();
        let answer = std::hint::black_box(ready.call());
        let took = began.elapsed();
        drop(answer);
        durations.push(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }
    Ok(Some(Figures::of(durations, hosts.peak_memory())))
}

/// The last run; nothing if there is none that can be read.
fn last_run(path: &PathBuf) -> BTreeMap<String, Figures> {
    fs::read(path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default()
}

fn row(name: &str, now: &Figures, last: Option<&Figures>) -> Vec<String> {
    let before = last.map_or_else(|| "-".to_owned(), |last| time(last.p50));
    let [p50, p90, p99, max] = [now.p50, now.p90, now.p99, now.max].map(time);
    let memory = print::size(now.peak_memory);
    vec![name.to_owned(), now.calls.to_string(), p50, before, p90, p99, max, memory]
}

/// Nanoseconds for people.
fn time(nanoseconds: u64) -> String {
    let (unit, name) = match nanoseconds {
        0..1_000 => return format!("{nanoseconds} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    let tenths = nanoseconds.saturating_mul(10) / unit;
    format!("{}.{} {name}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_calls_that_were_made() {
        let figures = Figures::of((1..=200).rev().collect(), 7);
        let expected =
            Figures { calls: 200, p50: 100, p90: 180, p99: 198, max: 200, peak_memory: 7 };
        assert_eq!(figures, expected);
        assert_eq!(Figures::of(vec![5], 0).p99, 5);
    }

    #[test]
    fn the_last_run_stands_beside_this_one() {
        let figures = Figures::of(vec![1_500], 2048);
        let row = row("a", &figures, Some(&Figures::of(vec![2_000_000], 0)));
        assert_eq!(row[..4], ["a", "1", "1.5 µs", "2.0 ms"]);
        assert_eq!(last_run(&PathBuf::from("/nowhere/bench.json")), BTreeMap::new());
    }
}
