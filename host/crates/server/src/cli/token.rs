//! `token new`

use std::path::PathBuf;

use clap::{Args, Subcommand};
use plugbay_discovery::Grants;
use plugbay_server::{NewTokenError, Role, new_token};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::print;

/// Makes tokens for the admin plane, and for a directory of services
#[derive(Subcommand)]
pub(super) enum TokenCommand {
    New(New),
}

/// Makes a token, prints it once, and adds its hash to the file of the host's tokens
///
/// The file has a line NAME ROLE SHA256 for each token, or for a directory NAME GRANTS SHA256. A running host with
/// this file (admin.tokens), or directory, accepts the token within two seconds. To revoke a token, remove its line.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay token new ada --role operator --file tokens > ada.token
  plugbay status --token-file ada.token
  plugbay token new prometheus --role viewer     to the file of admin.tokens
  plugbay token new web --grants register:web-*,read:* --file directory-tokens > web.token")]
pub(super) struct New {
    /// Who will have the token; the audit log names it
    name: String,

    /// viewer: sees everything; operator: sees and does everything
    #[arg(long, required_unless_present = "grants")]
    role: Option<Role>,

    /// For a directory: rights (read, register, admin; each includes those before it) to services, by name or prefix,
    /// such as read:*,register:web-*
    #[arg(long, conflicts_with = "role", requires = "file")]
    grants: Option<Grants>,

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
        let (token, (word, rights)) = match (&self.grants, self.role) {
            (Some(grants), _) => {
                let token = new_token(&file, &self.name, grants.clone())?;
                (token, ("grants", grants.to_string()))
            }
            (None, Some(role)) => (new_token(&file, &self.name, role)?, ("role", role.to_string())),
            (None, None) => return Err(Failure::usage("expected --role or --grants")),
        };
        if globals.json {
            print::json(&json!({
                "name": self.name, word: rights, "token": token.reveal(),
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
