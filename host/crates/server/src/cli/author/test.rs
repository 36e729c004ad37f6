//! `test`

use clap::Args;
use serde_json::{Value, json};

use super::build::{PluginArgs, Source};
use super::cases::{Case, Expected, Hosts};
use super::sources::Sources;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;

/// Builds the plugin, and runs its cases in a host
///
/// A case is a folder below tests/cases: case.toml says what is called, input.* is what it gets, and expected.* what it
/// answers. The host is the one that serves plugins; a case has the grants and the config that it names, and no others.
/// Exit code 1 if an answer is not the expected one.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay test
  plugbay test encode                   the cases whose name contains it
  plugbay test --update                 makes the answers of now the expected ones")]
pub(in crate::cli) struct Test {
    /// Parts of names of cases [default: all cases]
    #[arg(value_name = "CASE")]
    cases: Vec<String>,

    /// Writes the answers as what is expected
    #[arg(long)]
    update: bool,

    /// Runs them again at each change, until ctrl-c
    #[arg(long, conflicts_with = "update")]
    watch: bool,

    #[command(flatten)]
    plugin: PluginArgs,
}

impl Test {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let source = self.plugin.find()?;
        if !self.watch {
            return self.once(globals, &source);
        }
        let mut watched = source.project.inputs();
        watched.push(source.project.folder().join("tests"));
        let sources = Sources::watch(&watched)?;
        loop {
            if let Err(failure) = self.once(globals, &source) {
                failure.report(globals.json);
            }
            if !sources.wait() {
                return Ok(Outcome::Done);
            }
        }
    }

    fn once(&self, globals: &Globals, source: &Source) -> Result<Outcome, Failure> {
        let cases = Case::all(source.project.folder(), &self.cases)?;
        let artifact = source.build()?;
        let mut hosts = Hosts::of(&artifact.path)?;
        let mut failed = 0;
        let mut reports = Vec::new();
        for case in &cases {
            let answer = hosts.ready(case)?.call();
            let verdict = answer.compare(case)?;
            let (word, report) = match verdict {
                Expected::Yes => ("ok", None),
                Expected::No(_) if self.update => {
                    answer.accept(case)?;
                    ("updated", None)
                }
                Expected::No(report) => {
                    failed += 1;
                    ("FAILED", Some(report))
                }
            };
            if globals.json {
                reports.push(
                    json!({ "case": case.name, "verdict": word.to_lowercase(), "report": report }),
                );
                continue;
            }
            print::line(&print::lines(&format!("{word:<8}{}", case.name)))?;
            if let Some(report) = report {
                print::line(&print::lines(&indented(&report)))?;
            }
        }
        if globals.json {
            print::json(&Value::Array(reports))?;
        } else {
            print::line(&format!("{} cases, {failed} failed", cases.len()))?;
            if failed > 0 {
                print::line("  if the answers are right: plugbay test --update")?;
            }
        }
        Ok(if failed > 0 { Outcome::Negative } else { Outcome::Done })
    }
}

fn indented(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(|line| format!("        {line}")).collect();
    lines.join("\n")
}
