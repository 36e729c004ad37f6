//! `directory backup`, `directory restore`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use plugbay_discovery::{FileError, back_up, restore};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::print;

/// The commands for the file of a directory.
#[derive(Subcommand)]
pub(super) enum FileCommand {
    Backup(Backup),
    Restore(Restore),
}

/// Copies the file of a directory, which may be in use
///
/// The copy is one moment of the directory, with all that it acknowledged before. It is checked, and only then takes the
/// place of the last backup.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay directory backup --data directory.db backup.db")]
pub(super) struct Backup {
    /// The file of the directory, as in `plugbay directory --data FILE`
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
    /// The backup: a new file, or an earlier backup
    to: PathBuf,
}

/// Puts a backup in the place of a directory's file
///
/// The directory must be stopped. The file that was there stays beside it, as FILE.replaced-1 and so on.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay directory restore backup.db --data directory.db")]
pub(super) struct Restore {
    /// The backup
    from: PathBuf,
    /// The file of the directory, as in `plugbay directory --data FILE`
    #[arg(long, value_name = "FILE")]
    data: PathBuf,
}

impl FileCommand {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        match self {
            Self::Backup(backup) => backup.run(globals),
            Self::Restore(restore) => restore.run(globals),
        }
    }
}

impl Backup {
    fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let failed = |error| failure("no backup was made", &error, "nothing was changed");
        let endpoints = back_up(&self.data, &self.to).map_err(failed)?.endpoints;
        if globals.json {
            print::json(&json!({ "backup": shown(&self.to), "endpoints": endpoints }))?;
        } else if !globals.quiet {
            let to = shown(&self.to);
            print::line(&format!("backed up {} to {to}", count(endpoints)))?;
        }
        Ok(Outcome::Done)
    }
}

impl Restore {
    fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let failed = |error| failure("nothing was restored", &error, "nothing was changed");
        let restored = restore(&self.from, &self.data).map_err(failed)?;
        let (data, kept) = (shown(&self.data), restored.kept.as_deref().map(shown));
        if globals.json {
            let endpoints = restored.endpoints;
            print::json(&json!({ "file": data, "endpoints": endpoints, "kept": kept }))?;
        } else if !globals.quiet {
            print::line(&format!("restored {} to {data}", count(restored.endpoints)))?;
            if let Some(kept) = kept {
                print::line(&format!("the file that was there is now {kept}"))?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn failure(what: &str, error: &FileError, remains: &str) -> Failure {
    Failure::new(format!("{what}: {error} ({})", error.reason())).hint(remains)
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

fn count(endpoints: usize) -> String {
    format!("{endpoints} endpoint{}", if endpoints == 1 { "" } else { "s" })
}
