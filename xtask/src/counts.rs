//! `counts`: counts what operations take, and compares with `bench/counts.toml`. Unlike a time, a count is
//! the same on a busy machine: a change that moves one has to change the file in the same commit.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::needs;
use crate::repository::Repository;

/// The version of the crate in Cargo.lock: the two halves speak a format of their own.
const RUNNER: &str = "gungraun-runner";
/// As in `bench/counts/benches/counts.rs`.
const TIMES: f64 = 100.0;
/// How often an operation is done under the tracer: the second run does it twice as often as the first,
/// so that what both have in common is not counted.
const TRACED: u32 = 5_000;
/// How often a run is repeated. What else goes on in a process only adds to its counts, so the least counts.
const RUNS: usize = 3;

const HEAD: &str = "\
# What one operation of bench/counts and bench/src/operations.rs takes on x86-64: instructions in the profile
# `counts`, of those that need no runtime; everything else in the profile `dev`. `cargo xtask counts` compares,
# and `cargo xtask counts --bless` writes this file.
";

/// What one operation takes.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Counts {
    #[serde(skip_serializing_if = "Option::is_none")]
    instructions: Option<f64>,
    allocations: f64,
    system_calls: f64,
    page_faults: f64,
}

type All = BTreeMap<String, Counts>;

pub(crate) fn run(bless: bool) -> Result<bool> {
    let repository = Repository::find()?;
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        println!("counts: skipped, because the tracked ones are those of Linux on x86-64");
        return Ok(true);
    }
    for program in ["valgrind", "strace"] {
        ensure!(needs::has(program), "expected the program {program} (apt-get install {program})");
    }
    let counted = count(&repository)?;
    let file = repository.root.join("bench").join("counts.toml");
    if bless {
        fs::write(&file, written(&counted)?)?;
        println!("written: bench/counts.toml");
        return Ok(true);
    }
    let text = fs::read_to_string(&file).context("bench/counts.toml")?;
    let tracked: All = toml::from_str(&text).context("bench/counts.toml")?;
    let moved = moved(&tracked, &counted);
    print!("{}", table(&tracked, &counted));
    for line in &moved {
        println!("moved: {line}");
    }
    if !moved.is_empty() {
        println!(
            "If the change is meant to do this, run `cargo xtask counts --bless` and commit the file."
        );
    }
    Ok(moved.is_empty())
}

fn count(repository: &Repository) -> Result<All> {
    let instructions = counted_instructions(repository)?;
    let mut build = repository.cargo();
    // With the tests of the whole workspace, whose features are others, so that their build is used.
    build.args(["build", "--workspace", "--tests", "--bin", "counted"]);
    ensure!(build.status()?.success(), "the build failed");
    let program = repository.target.join("debug").join("counted");
    let names = Command::new(&program).output()?;
    ensure!(names.status.success(), "{} failed: {}", program.display(), names.status);
    let mut all = All::new();
    for name in String::from_utf8(names.stdout)?.lines() {
        let (once, twice) = (least(&program, name, TRACED)?, least(&program, name, TRACED * 2)?);
        let each = |count: fn(&Traced) -> u32| {
            let more = f64::from(count(&twice)) - f64::from(count(&once));
            (more.max(0.0) / f64::from(TRACED) * 100.0).round() / 100.0
        };
        let counts = Counts {
            instructions: instructions.get(name).copied(),
            allocations: each(|run| run.allocations),
            system_calls: each(|run| run.system_calls),
            page_faults: each(|run| run.page_faults),
        };
        all.insert(name.to_owned(), counts);
    }
    Ok(all)
}

fn counted_instructions(repository: &Repository) -> Result<BTreeMap<String, f64>> {
    let runner = runner(repository)?;
    let mut bench = repository.cargo();
    bench.args(["bench", "--profile", "counts", "--package", "plugbay-bench-counts"]);
    bench.args(["--bench", "counts", "--", "--output-format=json"]).stdout(Stdio::piped());
    bench.env("PATH", before_path(runner)?);
    let output = bench.spawn()?.wait_with_output()?;
    ensure!(output.status.success(), "the benchmark of instructions failed: {}", output.status);
    instructions(&output.stdout)
}

/// The instructions of each operation, from the summaries that the runner prints, one after the other.
fn instructions(summaries: &[u8]) -> Result<BTreeMap<String, f64>> {
    let mut all = BTreeMap::new();
    for summary in serde_json::Deserializer::from_slice(summaries).into_iter::<Value>() {
        let summary = summary.context("expected a summary of a benchmark as JSON")?;
        let id = summary["id"].as_str().context("expected a summary with an id")?;
        let metrics = &summary["profiles"][0]["data"]["total"]["metrics"];
        let count = metrics["Ir"]["values"]["new"].as_f64();
        let count =
            count.with_context(|| format!("{id}: expected instructions, found {metrics}"))?;
        all.insert(id.to_owned(), (count / TIMES).round());
    }
    ensure!(!all.is_empty(), "expected summaries of benchmarks, found none");
    Ok(all)
}

struct Traced {
    allocations: u32,
    system_calls: u32,
    page_faults: u32,
}

/// The least of each count in several runs.
fn least(program: &Path, name: &str, times: u32) -> Result<Traced> {
    let mut least = traced(program, name, times)?;
    for _ in 1..RUNS {
        let run = traced(program, name, times)?;
        least.allocations = least.allocations.min(run.allocations);
        least.system_calls = least.system_calls.min(run.system_calls);
        least.page_faults = least.page_faults.min(run.page_faults);
    }
    Ok(least)
}

fn traced(program: &Path, name: &str, times: u32) -> Result<Traced> {
    let summary = tempfile::NamedTempFile::new()?;
    let times = times.to_string();
    // Faults are counted without the tracer, which stops the program.
    let plain = Command::new(program).args([name, &times]).output()?;
    ensure!(plain.status.success(), "{name}: {}", String::from_utf8_lossy(&plain.stderr));
    let plain: Value = serde_json::from_slice(&plain.stdout).context("the counts of a run")?;
    // Of the calling thread only, which a call that is handed over makes wait: how often the threads of a host look
    // at the time depends on how long a run takes. So does how often a call looks at its processor time.
    let mut strace = Command::new("strace");
    strace.args(["--summary-only", "--trace=!clock_gettime", "--output"]).arg(summary.path());
    strace.arg(program).args([name, &times]).stdout(Stdio::null());
    let status = strace.status().context("cannot start strace")?;
    ensure!(status.success(), "{name} under strace: {status}");
    let number = |key: &str| -> Result<u32> {
        let number = plain[key].as_u64().with_context(|| format!("{name}: no {key}"))?;
        Ok(number.try_into()?)
    };
    Ok(Traced {
        allocations: number("allocations")?,
        page_faults: number("page-faults")?,
        system_calls: calls(&fs::read_to_string(summary.path())?)?,
    })
}

/// The number of calls in the last line of strace's summary, `100.00 0.12 3 456 total`.
fn calls(summary: &str) -> Result<u32> {
    let total = summary.lines().rev().find(|line| line.trim_end().ends_with("total"));
    let total = total.context("expected a summary of strace with a line of totals")?;
    let calls = total.split_whitespace().nth(3).context("expected calls in strace's totals")?;
    calls.parse().with_context(|| format!("expected a count of calls, found \"{calls}\""))
}

/// The folder of the runner, which is installed unless it is there in the version of the lock file.
fn runner(repository: &Repository) -> Result<PathBuf> {
    let lock = fs::read_to_string(repository.root.join("Cargo.lock"))?;
    let version = locked(&lock, RUNNER)?;
    let tools = repository.target.join("tools");
    let program = tools.join("bin").join(RUNNER);
    let found = Command::new(&program).arg("--version").output();
    if found.is_ok_and(|found| String::from_utf8_lossy(&found.stdout).contains(&version)) {
        return Ok(tools.join("bin"));
    }
    let mut install = repository.cargo();
    install.args(["install", "--locked", &format!("{RUNNER}@={version}"), "--force", "--root"]);
    install.arg(&tools);
    // It only starts valgrind, and reads what that writes.
    install.envs([("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1"), ("CARGO_PROFILE_RELEASE_LTO", "off")]);
    ensure!(install.status()?.success(), "cannot install {RUNNER} {version}");
    Ok(tools.join("bin"))
}

/// The version of a package in a lock file.
fn locked(lock: &str, package: &str) -> Result<String> {
    let rest = lock.split_once(&format!("name = \"{package}\"\nversion = \""));
    let version = rest.and_then(|(_, rest)| rest.split_once('"'));
    Ok(version.with_context(|| format!("Cargo.lock: expected the package {package}"))?.0.to_owned())
}

fn before_path(folder: PathBuf) -> Result<std::ffi::OsString> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    Ok(std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path)))?)
}

/// What is not as tracked, a sentence each.
fn moved(tracked: &All, counted: &All) -> Vec<String> {
    let mut moved = Vec::new();
    for (name, was) in tracked {
        let Some(is) = counted.get(name) else {
            moved.push(format!("{name} is tracked, and no longer counted"));
            continue;
        };
        // Standard libraries choose other instructions on other processors, and the system's threads run in
        // between: the bands are a little wider than what was seen of both.
        let (before, now) = (was.instructions.unwrap_or(0.0), is.instructions.unwrap_or(0.0));
        let compared = [
            ("instructions", before, now, 2.0_f64.max(before * 0.03)),
            ("allocations", was.allocations, is.allocations, 0.05),
            ("system calls", was.system_calls, is.system_calls, 0.1),
            ("page faults", was.page_faults, is.page_faults, 0.1),
        ];
        for (what, was, is, band) in compared {
            if (is - was).abs() > band {
                moved.push(format!("{name} takes {is} {what}, tracked are {was} ± {band:.2}"));
            }
        }
    }
    let new = counted.keys().filter(|name| !tracked.contains_key(*name));
    moved.extend(new.map(|name| format!("{name} is counted, and not tracked")));
    moved
}

fn table(tracked: &All, counted: &All) -> String {
    let mut table = format!(
        "{:<20} {:>12} {:>12} {:>12} {:>12} {:>12}\n",
        "one operation", "tracked", "instructions", "allocations", "system calls", "page faults"
    );
    for (name, is) in counted {
        let text = |count: Option<f64>| count.map_or_else(String::new, |count| count.to_string());
        let was = text(tracked.get(name).and_then(|was| was.instructions));
        let Counts { instructions, allocations, system_calls, page_faults } = is;
        let instructions = text(*instructions);
        let _ = writeln!(
            table,
            "{name:<20} {was:>12} {instructions:>12} {allocations:>12} {system_calls:>12} {page_faults:>12}"
        );
    }
    table
}

fn written(counted: &All) -> Result<String> {
    if counted.is_empty() {
        bail!("expected counts, found none");
    }
    Ok(format!("{HEAD}\n{}", toml::to_string(counted)?))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(instructions: f64, allocations: f64) -> All {
        let counts = Counts {
            instructions: Some(instructions),
            allocations,
            system_calls: 0.0,
            page_faults: 0.0,
        };
        All::from([("lease".to_owned(), counts)])
    }

    #[test]
    fn a_count_beyond_its_band_has_moved_in_either_direction() {
        assert_eq!(moved(&one(1000.0, 1.0), &one(1030.0, 1.0)), [""; 0]);
        for instructions in [1031.0, 969.0] {
            assert_eq!(moved(&one(1000.0, 1.0), &one(instructions, 1.0)).len(), 1);
        }
        let more = moved(&one(1000.0, 1.0), &one(1000.0, 2.0));
        assert_eq!(more, ["lease takes 2 allocations, tracked are 1 ± 0.05"]);
    }

    #[test]
    fn an_operation_comes_and_goes_with_the_file() {
        assert_eq!(moved(&All::new(), &one(1.0, 0.0)), ["lease is counted, and not tracked"]);
        assert_eq!(moved(&one(1.0, 0.0), &All::new()), ["lease is tracked, and no longer counted"]);
    }

    #[test]
    fn what_is_written_is_read() {
        let counted = one(61.0, 0.5);
        let text = written(&counted).unwrap_or_default();
        assert_eq!(toml::from_str::<All>(&text).ok(), Some(counted));
    }

    #[test]
    fn the_last_line_of_the_summary_has_the_calls() {
        let summary = "% time  seconds  usecs/call  calls  errors syscall\n\
                       60.00  0.1  5  20 futex\n100.00  0.2  6  41  2 total\n";
        assert_eq!(calls(summary).ok(), Some(41));
        assert!(calls("").is_err());
    }

    #[test]
    fn the_version_of_the_lock_file_is_installed() {
        let lock = "[[package]]\nname = \"gungraun-runner\"\nversion = \"0.20.0\"\n";
        assert_eq!(locked(lock, RUNNER).ok().as_deref(), Some("0.20.0"));
        assert!(locked("", RUNNER).is_err());
    }

    #[test]
    fn a_summary_without_instructions_is_an_error() {
        assert!(instructions(json!({ "id": "lease" }).to_string().as_bytes()).is_err());
        assert!(instructions(b"").is_err());
    }
}
