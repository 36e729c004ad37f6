//! `top`: the plugins of a running host, with figures that are read again and again.
//!
//! | file | idea |
//! |---|---|
//! | `figures` | what the host tells, and the rates between two answers |
//! | `view` | the table, for a terminal and for a pipe |
//! | `screen` | the terminal: keys, and a thread that asks the host |

mod figures;
mod screen;
mod view;

use std::io::IsTerminal as _;
use std::time::Duration;

use axum::http::StatusCode;
use clap::Args;
use serde_json::json;

use self::figures::{Figures, Row, rows};
use self::view::{Order, table};
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::target::Target;
use super::{print, source};

/// The time between the two answers of a single table.
const ONCE: Duration = Duration::from_secs(1);

/// Shows the plugins with their calls, errors, latencies and memory, again and again
///
/// Without a terminal it prints one table, of one second, and ends.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay top
  plugbay top --sort errors --every 5
  plugbay top --once --json

Keys:
  c e l m f n  sort by calls, errors, latency, memory, calls in flight, name; again: the other way round
  up down      move, where there are more plugins than lines
  q            quit")]
pub(super) struct Top {
    /// Seconds between two answers
    #[arg(long, value_name = "SECONDS", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    every: u64,
    /// The column to sort by
    #[arg(long, value_name = "COLUMN", default_value = "calls")]
    sort: Order,
    /// Prints one table and ends
    #[arg(long)]
    once: bool,
}

impl Top {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let first = ask(&target)?;
        if self.once || globals.json || !std::io::stdout().is_terminal() {
            wait();
            return self.print(globals, &first, &ask(&target)?);
        }
        screen::run(&target, first, self.sort, Duration::from_secs(self.every))?;
        Ok(Outcome::Done)
    }

    fn print(
        &self,
        globals: &Globals,
        first: &Figures,
        then: &Figures,
    ) -> Result<Outcome, Failure> {
        let mut rows: Vec<Row> = rows(Some(first), then);
        self.sort.sort(&mut rows, false);
        if globals.json {
            print::json(&json!({ "generation": then.generation, "plugins": rows }))?;
        } else {
            print::line(&table(&rows))?;
        }
        Ok(Outcome::Done)
    }
}

/// Asks the host for its figures.
fn ask(target: &Target) -> Result<Figures, Failure> {
    let answer = source::query(target, "/v1/figures")?;
    let answer = answer.ok_or_else(|| source::no_host(target))?;
    if answer.0 == StatusCode::NOT_FOUND {
        let message =
            format!("expected a host that tells its figures at {target}, found an older one");
        return Err(
            Failure::new(message).hint("`plugbay status --json` has counts since the start")
        );
    }
    source::read(answer)
}

#[expect(clippy::disallowed_methods, reason = "the figures are those of this time")]
fn wait() {
    std::thread::sleep(ONCE);
}
