//! `audit verify`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use plugbay::escaped;
use plugbay_server::audit;
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::print;

/// Checks the audit log of the admin plane
#[derive(Subcommand)]
pub(super) enum AuditCommand {
    Verify(Verify),
}

/// Checks that no line of an audit log was changed, removed or added
///
/// Each line has the hash of the line before. Prints the number of lines and the hash of the last one; keep it
/// elsewhere to notice that the end of a log was removed. Exit code 1 if a line breaks the chain.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay audit verify                   the file of admin.audit
  plugbay audit verify audit.log.1       one that was moved away")]
pub(super) struct Verify {
    /// The audit log [default: admin.audit of the configuration]
    file: Option<PathBuf>,
}

impl AuditCommand {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let Self::Verify(verify) = self;
        verify.run(globals)
    }
}

impl Verify {
    fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => configured(globals)?,
        };
        let found = audit::verify(&file).map_err(|error| Failure::new(error.to_string()))?;
        let file = file.display();
        if globals.json {
            print::json(&json!({ "file": file.to_string(), "log": found }))?;
        } else if let Some(broken) = &found.broken {
            let line = format!("broken: {file}:{}: {}", broken.line, broken.why);
            print::line(&escaped(line))?;
        } else {
            let torn = match found.torn {
                0 => String::new(),
                torn => format!(", {torn} torn by a crash"),
            };
            print::line(&escaped(format!("good: {file}: {} lines{torn}", found.lines)))?;
            if let Some(continues) = &found.continues {
                print::line(&format!("continues a log that ends with {continues}"))?;
            }
            print::line(&format!("ends with {}", found.last))?;
        }
        Ok(if found.broken.is_none() { Outcome::Done } else { Outcome::Negative })
    }
}

fn configured(globals: &Globals) -> Result<PathBuf, Failure> {
    let audit = globals.layers().load()?.admin.audit;
    if audit.as_os_str().is_empty() {
        return Err(Failure::usage(
            "expected a file, found none in the configuration (admin.audit)",
        )
        .hint("name it: plugbay audit verify FILE"));
    }
    Ok(audit)
}
