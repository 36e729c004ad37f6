//! `list`

use clap::Args;
use plugbay_server::admin::{names, registry};
use serde_json::Value;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::{print, source};

/// Lists what runs, one name a line
///
/// Asks the running host by its admin plane. When no host answers, prepares the plugins in this
/// process and says so on stderr.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay list codecs
  plugbay list plugins --json      with version, digest, size, source, generation and state,
                                   draining and rejected ones too")]
pub(super) struct List {
    /// plugins, codecs, handlers, or the name of another kind
    #[arg(default_value = "plugins")]
    what: String,
}

impl List {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let registry = self.registry(globals)?;
        if globals.json {
            print::json(&registry)?;
            return Ok(Outcome::Done);
        }
        let entries = registry["entries"].as_array().map(Vec::as_slice).unwrap_or_default();
        let gone = |entry: &&Value| entry["state"] == "draining" || entry["state"] == "rejected";
        let mut names: Vec<_> = entries
            .iter()
            .filter(|entry| !gone(entry))
            .filter_map(|entry| entry["name"].as_str())
            .collect();
        // Two versions of a plugin serve while one of them is on trial.
        names.dedup();
        for name in names {
            print::line(&print::plain(name))?;
        }
        Ok(Outcome::Done)
    }

    fn registry(&self, globals: &Globals) -> Result<Value, Failure> {
        let name = match self.what.as_str() {
            "codecs" => "codec",
            "handlers" => "handler",
            "plugin" => "plugins",
            other => other,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Failure::usage(format!("expected plugins or a kind, found {name:?}")));
        }
        let config = globals.layers().load()?;
        if let Some(answer) = source::ask(&config, &format!("/debug/registry/{name}"))? {
            return source::found(answer);
        }
        source::say_here(globals, &config);
        let status = source::here(globals)?.status();
        let registry = registry(&status, name).ok_or_else(|| {
            let known = names(&status).join(", ");
            Failure::usage(format!("no kind {name:?}; there are: {known}"))
        })?;
        Ok(serde_json::to_value(registry)?)
    }
}
