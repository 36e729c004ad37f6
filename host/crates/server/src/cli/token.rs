//! `token new`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use plugbay_server::{NewTokenError, Role, new_token};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::print;

/// Makes tokens for the admin plane
#[derive(Subcommand)]
pub(super) enum TokenCommand {
    New(New),
}

/// Makes a token, prints it once, and adds its hash to the file of the host's tokens
///
/// The file has a line NAME ROLE SHA256 for each token. A running host with this file (admin.tokens) accepts
/// the token within two seconds. To revoke a token, remove its line.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay token new ada --role operator --file tokens > ada.token
  plugbay status --token-file ada.token
  plugbay token new prometheus --role viewer     to the file of admin.tokens")]
pub(super) struct New {
    /// Who will have the token; the audit log names it
    name: String,

    /// viewer: sees everything; operator: sees and does everything
    #[arg(long)]
    role: Role,

    /// The file of hashes, which is made if there is none [default: admin.tokens of the configuration]
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
}

impl TokenCommand {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let Self::New(new) = self;
        new.run(globals)
    }
}

impl New {
    fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let file = match &self.file {
            Some(file) => file.clone(),
            None => configured(globals)?,
        };
        let token = new_token(&file, &self.name, self.role)?;
        if globals.json {
            print::json(&json!({
                "name": self.name, "role": self.role, "token": token.reveal(),
                "file": file.display().to_string(),
            }))?;
            return Ok(Outcome::Done);
        }
        print::line(token.reveal())?;
        if !globals.quiet {
            let file = file.display();
            anstream::eprintln!(
                "added to {file}; the token itself is not kept, and not shown again"
            );
        }
        Ok(Outcome::Done)
    }
}

fn configured(globals: &Globals) -> Result<PathBuf, Failure> {
    let config = globals.layers().load()?;
    if config.admin.needs_token() {
        return Ok(config.admin.tokens);
    }
    Err(Failure::usage("expected a file, found none in the configuration (admin.tokens)")
        .hint("name it: --file FILE"))
}

impl From<NewTokenError> for Failure {
    fn from(error: NewTokenError) -> Self {
        match &error {
            NewTokenError::Name(_) => Self::usage(error.to_string()),
            NewTokenError::Exists { .. } => Self::usage(error.to_string())
                .hint("remove its line first, if the token is to be replaced"),
            NewTokenError::File(file) => Self::new(error.to_string()).hint(file.hint()),
            _ => Self::new(error.to_string()),
        }
    }
}
