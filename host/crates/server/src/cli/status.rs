//! `status`, `reload`

use axum::body::Bytes;
use axum::http::StatusCode;
use clap::Args;
use plugbay::{Report, Status as HostStatus, escaped};
use plugbay_server::admin::Preparing;
use serde_json::json;

use super::actions::{self, Common};
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::source::Progress;
use super::target::Target;
use super::{print, source, tables};

/// Shows what the running host serves, what it refused and why
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay status
  plugbay status --json            everything: limits, grants, counters, draining versions
  plugbay status --ready           a probe: exit code 0 if the host takes requests, otherwise 1")]
pub(super) struct Status {
    /// Only whether the host is ready to take requests (`/readyz`); exit code 1 if not
    #[arg(long, conflicts_with = "alive")]
    ready: bool,
    /// Only whether the host is alive and need not be restarted (`/livez`); exit code 1 if not
    #[arg(long)]
    alive: bool,
}

impl Status {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        match self {
            Self { ready: true, .. } => return probe(globals, &target, "/readyz"),
            Self { alive: true, .. } => return probe(globals, &target, "/livez"),
            Self { .. } => {}
        }
        let Some(answer) = source::query(&target, "/v1/status")? else {
            return Err(source::no_host(&target));
        };
        let status: HostStatus = source::read(answer)?;
        if globals.json {
            print::json(&status)?;
            return Ok(Outcome::Done);
        }
        print::line(&format!("generation {}", status.generation))?;
        if let Some(pinned) = status.pinned {
            let pinned = format!(
                "rolled back to generation {pinned}: changes are held back until `plugbay resume`"
            );
            print::line(&pinned)?;
        }
        for switched in &status.overrides {
            print::line(&escaped(switched.to_string()))?;
        }
        if let Some(error) = &status.watch_error {
            print::line(&escaped(error))?;
        }
        for warning in &status.warnings {
            print::line(&escaped(format!("warning: {warning}")))?;
        }
        for table in tables::of(&status) {
            print::line(&format!("\n{table}"))?;
        }
        Ok(Outcome::Done)
    }
}

/// Prints the answer of a probe in a word, or why it fails.
fn probe(globals: &Globals, target: &Target, path: &str) -> Result<Outcome, Failure> {
    let Some((status, body)) = source::query(target, path)? else {
        return Err(source::no_host(target));
    };
    let answer: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    if globals.json {
        print::json(&answer)?;
    } else {
        let word = answer["status"].as_str().or(answer["detail"].as_str());
        print::line(&escaped(word.unwrap_or(status.as_str())))?;
    }
    Ok(if status.is_success() { Outcome::Done } else { Outcome::Negative })
}

/// Lets the running host read its folder and its configuration now
///
/// Plugins that were refused for a reason that may be over are tried again. Waits for the result, at
/// most as long as --wait says; the host goes on after that. Exit code 1 if anything is refused.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay reload
  plugbay reload --dry-run         what would change
  plugbay reload --wait 0          does not wait for new plugins to be compiled")]
pub(super) struct Reload {
    /// The longest wait for new plugins, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=300))]
    wait: u64,
    #[command(flatten)]
    common: Common,
}

impl Reload {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        if self.common.is_dry_run() {
            return actions::preview(globals, "/v1/reload");
        }
        let target = Target::of(globals)?;
        let wait = format!("wait={}", self.wait);
        let prefer = [("prefer", wait.as_str())];
        let look = || preparing(&target);
        let asked = Progress::new(globals).watching("reloading", look, || {
            source::command_with(&target, "/v1/reload", &prefer, Bytes::new())
        });
        let Some(answer) = asked? else { return Err(source::no_host(&target)) };
        if answer.0 == StatusCode::ACCEPTED {
            let Preparing { preparing, .. } = source::read(answer)?;
            if globals.json {
                print::json(&json!({ "preparing": preparing }))?;
            } else {
                print::line(&format!("the host is preparing {}", preparing.join(", ")))?;
            }
            return Ok(Outcome::Done);
        }
        let report: Report = source::read(answer)?;
        if globals.json {
            print::json(&report)?;
        } else {
            show(&report)?;
        }
        Ok(if report.rejected.is_empty() { Outcome::Done } else { Outcome::Negative })
    }
}

/// What the host prepares now, for people who wait.
fn preparing(target: &Target) -> Option<String> {
    let status: HostStatus = source::read(source::query(target, "/v1/status").ok()??).ok()?;
    let [first, ..] = &status.preparing[..] else { return None };
    let count = status.preparing.len();
    Some(escaped(format!("preparing {first}, {count} left")).into_owned())
}

fn show(report: &Report) -> Result<(), Failure> {
    let Report { generation, published, loaded, retired, rejected, .. } = report;
    let what = if *published { "serves now" } else { "goes on: nothing changed" };
    print::line(&format!("generation {generation} {what}"))?;
    for (what, plugins) in [("loaded", loaded), ("retired", retired)] {
        if !plugins.is_empty() {
            print::line(&escaped(format!("{what} {}", plugins.join(", "))))?;
        }
    }
    if let Some(table) = tables::rejected(rejected) {
        print::line(&format!("\n{table}"))?;
    }
    Ok(())
}
