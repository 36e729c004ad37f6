//! `generations`, `rollback`, `resume`

use clap::Args;
use serde_json::Value;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::{print, source};

/// Lists the generations that can be gone back to
///
/// The running host remembers host.history of them; the last one serves.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay generations
  plugbay generations --json")]
pub(super) struct Generations {}

impl Generations {
    #[expect(clippy::unused_self, reason = "every subcommand has this shape")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let answer = ask(globals)?;
        if globals.json {
            print::json(&answer)?;
            return Ok(Outcome::Done);
        }
        let serving = answer["generation"].as_u64();
        let rows = history(&answer).map(|past| {
            let number = past["generation"].as_u64();
            let mark = if number == serving { "serves" } else { "" };
            let plugins = past["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
            let plugins: Vec<_> = plugins.iter().filter_map(Value::as_str).collect();
            let number = number.map(|number| number.to_string()).unwrap_or_default();
            let published = past["published_at"].as_str().unwrap_or_default().to_owned();
            vec![number, published, mark.to_owned(), plugins.join(" ")]
        });
        let rows: Vec<_> = rows.collect();
        print::line(&print::table(&["generation", "published", "", "plugins"], rows))?;
        if let Some(pinned) = answer["pinned"].as_u64() {
            let pinned = format!(
                "\nrolled back to generation {pinned}: changes wait until `plugbay resume`"
            );
            print::line(&pinned)?;
        }
        Ok(Outcome::Done)
    }
}

/// Serves again what an earlier generation served
///
/// Its plugins and its configuration serve under a new number, or nothing changes. From then on
/// changes of files and configuration wait, until `plugbay resume` or the end of the host.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay rollback           to the newest generation that serves anything else
  plugbay rollback 12
  plugbay generations        those that can be named")]
pub(super) struct Rollback {
    /// The generation; left out, the newest that serves anything else
    generation: Option<u64>,
}

impl Rollback {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let to = match self.generation {
            Some(generation) => generation,
            None => before(&ask(globals)?)?,
        };
        order(globals, &format!("/v1/generations/{to}/rollback"), |now| {
            format!(
                "generation {now} serves, as generation {to} did; changes wait until \
                 `plugbay resume`"
            )
        })
    }
}

/// Takes over changes again, after a rollback
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay resume")]
pub(super) struct Resume {}

impl Resume {
    #[expect(clippy::unused_self, reason = "every subcommand has this shape")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        order(globals, "/v1/resume", |now| format!("generation {now} serves; changes are seen"))
    }
}

fn history(answer: &Value) -> impl Iterator<Item = &Value> {
    answer["history"].as_array().map(Vec::as_slice).unwrap_or_default().iter()
}

/// The newest generation that serves anything else.
fn before(answer: &Value) -> Result<u64, Failure> {
    answer["previous"].as_u64().ok_or_else(|| {
        Failure::new("expected an earlier generation, found none that the host remembers")
            .hint("host.history says how many it remembers")
    })
}

fn ask(globals: &Globals) -> Result<Value, Failure> {
    let config = globals.layers().load()?;
    match source::ask(&config, "/v1/generations")? {
        Some(answer) => source::value(answer),
        None => Err(source::nobody(&config)),
    }
}

/// Has the running host do something, and says what came of it.
fn order(
    globals: &Globals,
    path: &str,
    done: impl FnOnce(u64) -> String,
) -> Result<Outcome, Failure> {
    let config = globals.layers().load()?;
    let Some(answer) = source::order(&config, path)? else { return Err(source::nobody(&config)) };
    let report = source::value(answer)?;
    if globals.json {
        print::json(&report)?;
    } else {
        print::line(&done(report["generation"].as_u64().unwrap_or_default()))?;
    }
    Ok(Outcome::Done)
}
