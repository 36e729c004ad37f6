//! `enable`, `disable`, `restart`, `drain`, `breaker`

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
pub(super) struct Common {
    /// Shows what would change, and changes nothing
    #[arg(long)]
    dry_run: bool,
}

impl Common {
    /// Whether nothing is to be changed.
    pub(super) fn is_dry_run(&self) -> bool {
        self.dry_run
    }

    /// The path with the parameter of a dry run, if it is one.
    fn path(&self, path: &str) -> String {
        let query = if self.dry_run { "?dry_run=true" } else { "" };
        format!("{path}{query}")
    }
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

impl Drain {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let path = self.common.path(&path(&self.name, "drain"));
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

fn path(name: &str, action: &str) -> String {
    format!("/v1/plugins/{}/{action}", percent_encode(name))
}

fn on_plugin(
    globals: &Globals,
    name: &str,
    action: &str,
    body: Bytes,
    common: &Common,
) -> Result<Outcome, Failure> {
    act(globals, &path(name, action), name, action, body, common)
}

/// Asks what a change of the whole host would change, and prints it.
pub(super) fn preview(globals: &Globals, path: &str) -> Result<Outcome, Failure> {
    let target = Target::of(globals)?;
    let path = Common { dry_run: true }.path(path);
    let asked = Progress::new(globals)
        .during("waiting for the host", || source::command(&target, &path))?;
    let report: ActionReport = source::read_named(asked.ok_or_else(|| source::no_host(&target))?)?;
    show(globals, &report)?;
    Ok(Outcome::Done)
}

/// Asks for an action, and prints what it changed.
pub(super) fn act(
    globals: &Globals,
    path: &str,
    on: &str,
    what: &str,
    body: Bytes,
    common: &Common,
) -> Result<Outcome, Failure> {
    let target = Target::of(globals)?;
    let path = common.path(path);
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
    let what = format!("{action} {on}");
    let what = escaped(what.trim_end()).into_owned();
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
