//! `generations`, `rollback`, `resume`

use clap::Args;
use plugbay::{Report, timestamp};
use plugbay_server::admin;

use super::actions::{self, Common};
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::source::Progress;
use super::target::Target;
use super::{print, source};

/// Lists the generations that can be rolled back to
///
/// The running host keeps the last host.history of them; the last one listed is serving.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay generations
  plugbay generations --json")]
pub(super) struct Generations {}

impl Generations {
    #[expect(clippy::unused_self, reason = "every subcommand has this shape")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let answer = query(globals)?;
        if globals.json {
            print::json(&answer)?;
            return Ok(Outcome::Done);
        }
        let rows = answer.history.iter().map(|past| {
            let mark = if past.generation == answer.generation { "serves" } else { "" };
            let published = timestamp::text(past.published_at);
            vec![past.generation.to_string(), published, mark.to_owned(), past.plugins.join(" ")]
        });
        print::line(&print::table(&["generation", "published", "", "plugins"], rows.collect()))?;
        if let Some(pinned) = answer.pinned {
            let pinned = format!(
                "\nrolled back to generation {pinned}: changes are held back until `plugbay resume`"
            );
            print::line(&pinned)?;
        }
        Ok(Outcome::Done)
    }
}

/// Rolls back to the plugins and configuration of an earlier generation
///
/// They are published as a new generation, or nothing changes. Changes of files and configuration
/// are then held back until `plugbay resume` or a restart of the host.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay rollback           to the newest generation that differs from the serving one
  plugbay rollback 12 --dry-run
  plugbay generations        lists the generations to choose from")]
pub(super) struct Rollback {
    /// The generation [default: the newest that differs from the serving one]
    generation: Option<u64>,
    #[command(flatten)]
    common: Common,
}

impl Rollback {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let to = match self.generation {
            Some(generation) => generation,
            None => previous(&query(globals)?)?,
        };
        let path = format!("/v1/generations/{to}/rollback");
        if self.common.is_dry_run() {
            return actions::preview(globals, &path);
        }
        command(globals, &path, |now| {
            format!(
                "generation {now} serves what generation {to} served; changes are held back until \
                 `plugbay resume`"
            )
        })
    }
}

/// Applies changes again after a rollback
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay resume --dry-run   what has changed meanwhile
  plugbay resume")]
pub(super) struct Resume {
    #[command(flatten)]
    common: Common,
}

impl Resume {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        if self.common.is_dry_run() {
            return actions::preview(globals, "/v1/resume");
        }
        command(globals, "/v1/resume", |now| {
            format!("generation {now} serves; changes are applied again")
        })
    }
}

/// The newest generation that differs from the serving one.
fn previous(answer: &admin::Generations) -> Result<u64, Failure> {
    answer.previous.ok_or_else(|| {
        Failure::new("expected an earlier generation that differs, found none in the history")
            .hint("host.history sets how many generations the host keeps")
    })
}

fn query(globals: &Globals) -> Result<admin::Generations, Failure> {
    let target = Target::of(globals)?;
    match source::query(&target, "/v1/generations")? {
        Some(answer) => source::read(answer),
        None => Err(source::no_host(&target)),
    }
}

/// Sends a command to the running host, and prints the result.
fn command(
    globals: &Globals,
    path: &str,
    done: impl FnOnce(u64) -> String,
) -> Result<Outcome, Failure> {
    let target = Target::of(globals)?;
    let asked =
        Progress::new(globals).during("waiting for the host", || source::command(&target, path));
    let Some(answer) = asked? else {
        return Err(source::no_host(&target));
    };
    let report: Report = source::read(answer)?;
    if globals.json {
        print::json(&report)?;
    } else {
        print::line(&done(report.generation))?;
    }
    Ok(Outcome::Done)
}
