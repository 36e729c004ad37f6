//! Stages that run one after the other, even if an earlier one failed, and their summary.

use std::fmt::Write as _;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result};

/// How a stage ended.
pub(crate) enum Outcome {
    Passed(Tally),
    Failed { why: String, tally: Tally },
    Skipped(String),
}

/// Counts of tests, read from the output of the test runners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
    /// Names of failed tests, if the runner prints them.
    pub(crate) failures: Vec<String>,
}

impl Tally {
    /// Counts one line of output: a summary of libtest or nextest, or a line that names a failed test.
    pub(crate) fn read(&mut self, line: &str) {
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result:") {
            let rest = rest.split_once('.').map_or(rest, |(_, rest)| rest);
            self.add(rest.split(';'), "ignored");
        } else if let Some((kind, count)) = node_summary(line) {
            match kind {
                "pass" => self.passed += count,
                "fail" => self.failed += count,
                _ => self.skipped += count,
            }
        } else if let Some(summary) = pytest_summary(line) {
            self.add(summary.split(','), "skipped");
        } else if let Some(name) = line.strip_prefix("FAILED ").filter(|name| name.contains("::")) {
            self.name(name.split(" - ").next().unwrap_or(name));
        } else if let Some((_, rest)) =
            line.split_once("tests run:").filter(|_| line.starts_with("Summary"))
        {
            self.add(rest.split(','), "skipped");
        } else if let Some(name) =
            line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.name(name);
        } else if let Some((_, name)) = line.split_once("] ").filter(|_| is_nextest_failure(line)) {
            // nextest numbers the tests, "(1/20) crate name", and repeats failures at its end.
            let name = name.trim_start();
            self.name(
                name.split_once(") ")
                    .filter(|_| name.starts_with('('))
                    .map_or(name, |(_, name)| name),
            );
        }
    }

    fn add<'a>(&mut self, parts: impl Iterator<Item = &'a str>, skipped: &str) {
        for part in parts {
            let mut words = part.split_whitespace();
            let (Some(Ok(count)), Some(word)) = (words.next().map(str::parse::<u64>), words.next())
            else {
                continue;
            };
            match word {
                "passed" => self.passed += count,
                // nextest counts a test that it killed because it hung as "timed out".
                "failed" | "timed" => self.failed += count,
                word if word == skipped => self.skipped += count,
                _ => {}
            }
        }
    }

    fn name(&mut self, name: &str) {
        let name = name.trim().to_owned();
        if !self.failures.contains(&name) {
            self.failures.push(name);
        }
    }

    fn merge(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

/// A line of the summary of node's test runner, such as `ℹ pass 3`.
fn node_summary(line: &str) -> Option<(&str, u64)> {
    let (kind, count) = line.strip_prefix("ℹ ")?.split_once(' ')?;
    ["pass", "fail", "skipped"].contains(&kind).then_some((kind, count.parse().ok()?))
}

/// The counts in the summary of pytest, such as `1 failed, 2 passed in 3.21s`.
fn pytest_summary(line: &str) -> Option<&str> {
    let (counts, time) = line.trim_matches(['=', ' ']).rsplit_once(" in ")?;
    let seconds = time.split(' ').next()?.strip_suffix('s')?;
    // The message of a failure may say the same; a summary is nothing but counts.
    let is_count = |part: &str| {
        part.split_once(' ').is_some_and(|(count, word)| {
            count.parse::<u64>().is_ok() && word.chars().all(char::is_alphabetic)
        })
    };
    (seconds.parse::<f64>().is_ok() && counts.split(", ").all(is_count)).then_some(counts)
}

fn is_nextest_failure(line: &str) -> bool {
    ["FAIL [", "TIMEOUT [", "SIGABRT [", "SIGSEGV ["].iter().any(|start| line.starts_with(start))
}

/// Runs `command`, copies its output to standard output, and counts the tests in it.
pub(crate) fn tests(command: &mut Command) -> Result<Outcome> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", command.get_program().display()))?;
    let tally = Mutex::new(Tally::default());
    let pipes: [Option<Box<dyn Read + Send>>; 2] = [
        child.stdout.take().map(|pipe| Box::new(pipe) as _),
        child.stderr.take().map(|pipe| Box::new(pipe) as _),
    ];
    thread::scope(|scope| {
        for pipe in pipes.into_iter().flatten() {
            scope.spawn(|| pass_on(pipe, &tally));
        }
    });
    let status = child.wait()?;
    let tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(if status.success() {
        Outcome::Passed(tally)
    } else {
        Outcome::Failed { why: status.to_string(), tally }
    })
}

fn pass_on(pipe: impl Read, tally: &Mutex<Tally>) {
    for line in BufReader::new(pipe).split(b'\n').map_while(io::Result::ok) {
        tally.lock().unwrap_or_else(PoisonError::into_inner).read(&String::from_utf8_lossy(&line));
        let mut out = io::stdout().lock();
        // If standard output is closed, reading goes on: the tests would block on a full pipe.
        let _ = out.write_all(&line).and_then(|()| out.write_all(b"\n"));
    }
}

/// The results of the stages that have run.
#[derive(Default)]
pub(crate) struct Stages(Vec<(String, Outcome, f64)>);

impl Stages {
    /// Runs one stage. An error counts as a failure of the stage, and the next stages still run.
    pub(crate) fn run(&mut self, name: &str, stage: impl FnOnce() -> Result<Outcome>) {
        println!("\n==> {name}");
        let began = Instant::now();
        let outcome = stage().unwrap_or_else(|error| Outcome::Failed {
            why: format!("{error:#}"),
            tally: Tally::default(),
        });
        match &outcome {
            Outcome::Passed(_) => {}
            Outcome::Failed { why, .. } => println!("==> {name} FAILED: {why}"),
            Outcome::Skipped(why) => println!("==> {name} SKIPPED: {why}"),
        }
        self.0.push((name.to_owned(), outcome, began.elapsed().as_secs_f64()));
    }

    /// Prints all stages with their results. Returns whether none failed.
    pub(crate) fn finish(&self) -> bool {
        print!("{}", self.summary());
        let _ = io::stdout().flush();
        self.failed() == 0
    }

    fn failed(&self) -> usize {
        self.0.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed { .. })).count()
    }

    fn summary(&self) -> String {
        let mut text = String::from("\n==> summary\n");
        let mut total = Tally::default();
        for (name, outcome, seconds) in &self.0 {
            let (word, tally, remark) = match outcome {
                Outcome::Passed(tally) => ("ok", tally, ""),
                Outcome::Failed { why, tally } => {
                    ("FAILED", tally, why.lines().next().unwrap_or_default())
                }
                Outcome::Skipped(why) => {
                    ("skipped", &Tally::default(), why.lines().next().unwrap_or_default())
                }
            };
            total.merge(tally);
            let counted = if *tally == Tally::default() { String::new() } else { counts(tally) };
            let _ = writeln!(
                text,
                "{word:<8} {seconds:>7.1} s  {name:<34} {}",
                [&counted, remark].join(" ").trim()
            );
            for failure in &tally.failures {
                let _ = writeln!(text, "         failed: {failure}");
            }
        }
        let failed = self.failed();
        let skipped =
            self.0.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Skipped(_))).count();
        let _ = writeln!(
            text,
            "{}: {}; stages: {} run, {failed} failed, {skipped} skipped",
            if failed == 0 { "tests ok" } else { "tests FAILED" },
            counts(&total),
            self.0.len() - skipped,
        );
        text
    }
}

fn counts(tally: &Tally) -> String {
    format!("{} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> Tally {
        let mut tally = Tally::default();
        for line in lines {
            tally.read(line);
        }
        tally
    }

    #[test]
    fn libtest_is_counted() {
        let tally = tally(&[
            "test lease::closes ... ok",
            "test lease::reopens ... FAILED",
            "test result: FAILED. 23 passed; 1 failed; 2 ignored; 0 measured; 5 filtered out; finished in 0.3s",
        ]);
        let failures = vec!["lease::reopens".to_owned()];
        assert_eq!(tally, Tally { passed: 23, failed: 1, skipped: 2, failures });
    }

    #[test]
    fn node_is_counted() {
        let lines = ["ℹ tests 6", "ℹ pass 3", "ℹ fail 2", "ℹ skipped 1", "ℹ duration_ms 17.5"];
        let expected = Tally { passed: 3, failed: 2, skipped: 1, failures: Vec::new() };
        assert_eq!(tally(&lines), expected);
    }

    #[test]
    fn pytest_is_counted() {
        let tally = tally(&[
            "FAILED test_client.py::test_a - AssertionError: 3 passed in 1s of 2",
            "1 failed, 2 passed, 1 skipped in 62.10s (0:01:02)",
        ]);
        let failures = vec!["test_client.py::test_a".to_owned()];
        assert_eq!(tally, Tally { passed: 2, failed: 1, skipped: 1, failures });
    }

    #[test]
    fn nextest_is_counted() {
        let tally = tally(&[
            "        FAIL [   0.010s] (3/8) plugbay-core digest::is_hex",
            "     Summary [   0.520s] 8 tests run: 6 passed (1 slow), 2 failed, 4 skipped",
            "        FAIL [   0.010s] (3/8) plugbay-core digest::is_hex",
        ]);
        let failures = vec!["plugbay-core digest::is_hex".to_owned()];
        assert_eq!(tally, Tally { passed: 6, failed: 2, skipped: 4, failures });
    }

    #[test]
    fn a_failure_is_shown_and_does_not_stop_later_stages() {
        let mut stages = Stages::default();
        stages.run("first", || anyhow::bail!("no disk"));
        stages.run("second", || Ok(Outcome::Skipped("no nightly".into())));
        stages.run("third", || Ok(Outcome::Passed(Tally { passed: 2, ..Tally::default() })));
        let summary = stages.summary();
        assert!(!stages.finish());
        for part in ["FAILED", "first", "no disk", "skipped", "no nightly", "third", "2 passed"] {
            assert!(summary.contains(part), "{part} is missing in {summary}");
        }
        let last = summary.lines().last().unwrap();
        assert_eq!(
            last,
            "tests FAILED: 2 passed, 0 failed, 0 skipped; stages: 2 run, 1 failed, 1 skipped"
        );
    }
}
