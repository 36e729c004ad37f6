//! `enable`, `disable`, `restart`, `drain`, `breaker`, `weights`

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::StatusCode;
use clap::{Args, ValueEnum};
use plugbay::{ActionReport, CallsLeft, escaped};
use serde_json::json;

use super::change;
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::inspect::percent_encode;
use super::print;
use super::source::{self, Progress};
use super::target::Target;

/// How long one request for a drain waits: the progress is shown after each.
const LOOK: u64 = 1;

#[derive(Args)]
struct Common {
    /// Shows what would change, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

/// Lets a plugin run and get calls again, after disable or drain
///
/// If the configuration disables it, this holds over a restart of the host, until the configuration enables it or
/// `plugbay disable`.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay enable hello
  plugbay enable hello --dry-run")]
pub(super) struct Enable {
    /// The name of the plugin
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Stops a plugin; its calls in flight finish
///
/// Whatever the configuration says, and over a restart of the host, until `plugbay enable`. Says which capabilities go
/// with it.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay disable hello --dry-run      which capabilities and routes would go
  plugbay disable hello")]
pub(super) struct Disable {
    /// The name of the plugin
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Starts the same version of a plugin again; no call is lost
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay restart hello")]
pub(super) struct Restart {
    /// The name of the plugin
    name: String,
    #[command(flatten)]
    common: Common,
}

/// Gives a plugin no new calls, and waits for those in flight
///
/// The plugin stays loaded, and gets calls again by `plugbay enable`. Exit code 1 if calls are left after --wait.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay drain hello
  plugbay drain hello --wait 0         says at once how many calls are in flight")]
pub(super) struct Drain {
    /// The name of the plugin
    name: String,
    /// The longest wait for calls in flight, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(..=3600))]
    wait: u64,
    #[command(flatten)]
    common: Common,
}

/// Opens the breaker of a plugin until it is reset, or closes it at once
///
/// While it is open, calls are refused, or go to the capability's other providers.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay breaker hello open
  plugbay breaker hello reset")]
pub(super) struct Breaker {
    /// The name of the plugin
    name: String,
    /// What to do with it
    what: BreakerAction,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, ValueEnum)]
enum BreakerAction {
    /// Refuse all calls until the reset
    Open,
    /// Close it at once, whether an operator or failures opened it
    Reset,
}

/// Sets the weights of the plugins that share a capability, or brings back the configured ones
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay weights codec:json json=90 json-fast=10
  plugbay weights codec:json           back to those of the configuration")]
pub(super) struct Weights {
    /// The capability, as KIND:NAME
    #[arg(value_name = "CAPABILITY")]
    capability: String,
    /// The new weight of a plugin; others keep theirs
    #[arg(value_name = "PLUGIN=N", value_parser = weight)]
    providers: Vec<(String, u32)>,
    #[command(flatten)]
    common: Common,
}

fn weight(text: &str) -> Result<(String, u32), String> {
    let expected = || "expected PLUGIN=NUMBER, such as json=90".to_owned();
    let (plugin, weight) = text.split_once('=').ok_or_else(expected)?;
    let weight = weight.parse().map_err(|_| expected())?;
    if plugin.is_empty() { Err(expected()) } else { Ok((plugin.to_owned(), weight)) }
}

impl Enable {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        on_plugin(globals, &self.name, "enable", Bytes::new(), &self.common)
    }
}

impl Disable {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        on_plugin(globals, &self.name, "disable", Bytes::new(), &self.common)
    }
}

impl Restart {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        on_plugin(globals, &self.name, "restart", Bytes::new(), &self.common)
    }
}

impl Breaker {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let state = match self.what {
            BreakerAction::Open => "open",
            BreakerAction::Reset => "closed",
        };
        let body = json!({ "state": state }).to_string().into();
        on_plugin(globals, &self.name, "breaker", body, &self.common)
    }
}

impl Weights {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let weights: BTreeMap<_, _> = self.providers.iter().cloned().collect();
        let body = json!({ "weights": weights }).to_string().into();
        let path = format!("/v1/capabilities/{}/weights", percent_encode(&self.capability));
        act(globals, &path, &self.capability, "setting the weights", body, &self.common)
    }
}

impl Drain {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let path = path(&self.name, "drain", &self.common);
        let end = Instant::now() + Duration::from_secs(self.wait);
        let progress = Progress::new(globals);
        let mut report = ask_to_drain(&target, &path, 0)?;
        while let Some(left) = report.left.filter(|left| !left.is_drained()) {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                break;
            }
            let message = format!("draining {}: {}", self.name, calls(left));
            let wait = rest.as_secs().clamp(1, LOOK);
            report = progress.during_named(&message, || ask_to_drain(&target, &path, wait))?;
        }
        show(globals, &report)?;
        let is_left = report.left.is_some_and(|left| !left.is_drained());
        Ok(if is_left { Outcome::Negative } else { Outcome::Done })
    }
}

fn ask_to_drain(target: &Target, path: &str, wait: u64) -> Result<ActionReport, Failure> {
    let wait = format!("wait={wait}");
    let answer = source::command_with(target, path, &[("prefer", &wait)], Bytes::new())?;
    source::read_named(answer.ok_or_else(|| source::no_host(target))?)
}

fn path(name: &str, action: &str, common: &Common) -> String {
    let query = if common.dry_run { "?dry_run=true" } else { "" };
    format!("/v1/plugins/{}/{action}{query}", percent_encode(name))
}

fn on_plugin(
    globals: &Globals,
    name: &str,
    action: &str,
    body: Bytes,
    common: &Common,
) -> Result<Outcome, Failure> {
    let path = format!("/v1/plugins/{}/{action}", percent_encode(name));
    act(globals, &path, name, action, body, common)
}

/// Asks for an action, and prints what it changed.
fn act(
    globals: &Globals,
    path: &str,
    on: &str,
    what: &str,
    body: Bytes,
    common: &Common,
) -> Result<Outcome, Failure> {
    let target = Target::of(globals)?;
    let query = if common.dry_run { "?dry_run=true" } else { "" };
    let path = format!("{path}{query}");
    let message = format!("{what}: {on}");
    // The longest that a host may be asked to wait.
    let prefer = [("prefer", "wait=300")];
    let answer = Progress::new(globals)
        .during_named(&message, || source::command_with(&target, &path, &prefer, body))?;
    let answer = answer.ok_or_else(|| source::no_host(&target))?;
    if answer.0 == StatusCode::ACCEPTED {
        return Err(Failure::new(format!("the host still works on it: {message}"))
            .hint("plugbay events --follow"));
    }
    let report: ActionReport = source::read_named(answer)?;
    show(globals, &report)?;
    Ok(Outcome::Done)
}

fn show(globals: &Globals, report: &ActionReport) -> Result<(), Failure> {
    if globals.json {
        return Ok(print::json(report)?);
    }
    let ActionReport { action, on, dry_run, generation, published, .. } = report;
    let what = escaped(format!("{action} {on}")).into_owned();
    print::line(&match (dry_run, published) {
        (true, _) => format!("{what} would change:"),
        (false, true) => format!("{what}: generation {generation} serves now"),
        (false, false) => format!("{what}: generation {generation} goes on"),
    })?;
    for line in change::lines(&report.change) {
        print::line(&format!("  {}", escaped(line)))?;
    }
    if report.change.is_empty() && *dry_run {
        print::line("  nothing")?;
    }
    if let Some(left) = report.left {
        let drained = if left.is_drained() { "drained" } else { "not drained yet" };
        print::line(&format!("  {drained}: {}", calls(left)))?;
    }
    for note in &report.notes {
        print::line(&format!("  note: {}", escaped(note)))?;
    }
    Ok(())
}

fn calls(left: CallsLeft) -> String {
    let CallsLeft { leases, others, .. } = left;
    let others = match others {
        0 => String::new(),
        others => format!(", and {others} that may reach it"),
    };
    format!("{leases} calls in flight{others}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_pairs() {
        assert_eq!(weight("json=90"), Ok(("json".to_owned(), 90)));
        for wrong in ["json", "=1", "json=", "json=-1", "json=1.5", "json=99999999999"] {
            assert!(weight(wrong).unwrap_err().contains("json=90"), "{wrong}");
        }
    }
}
