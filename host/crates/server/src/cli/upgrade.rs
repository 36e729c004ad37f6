//! `upgrade`

use clap::Args;
use plugbay_server::admin::Upgraded;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::source::Progress;
use super::target::Target;
use super::{print, source};

/// Replaces the running host by a new process of the program that is now on disk
///
/// No connection is refused and no request is lost: the new process inherits the sockets, and the old one ends when it
/// has answered what it accepted. Waits until the new process serves, and says which one that is. If it does not serve
/// in time (`host.stall_timeout`), nothing has changed, and the exit code is 1.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay upgrade
  plugbay upgrade --json")]
pub(super) struct Upgrade {}

impl Upgrade {
    #[expect(clippy::unused_self, reason = "every subcommand has this shape")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let asked = Progress::new(globals)
            .during("waiting for the new process", || source::command(&target, "/v1/upgrade"));
        let answer: Upgraded = source::read(asked?.ok_or_else(|| source::no_host(&target))?)?;
        if globals.json {
            print::json(&answer)?;
            return Ok(Outcome::Done);
        }
        let Upgraded { process, replaced, .. } = answer;
        print::line(&format!("process {process} serves in place of process {replaced}"))?;
        Ok(Outcome::Done)
    }
}
