//! `list`

use clap::Args;
use plugbay::escaped;
use plugbay::kind::BUILT_IN;
use plugbay_server::admin::{Registry, RejectedList, State, names, registry};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::target::Target;
use super::{print, source, tables};

/// Lists the running plugins with their versions, the capabilities of a kind, or what is rejected and why
///
/// Queries the admin plane of the running host. If no host answers, loads the plugins in this
/// process and says so on stderr.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay list plugins
  plugbay list codecs              one name per line
  plugbay list rejected            files that are refused, with the reasons
  plugbay list plugins --json      with version, digest, size, source, generation and state,
                                   including draining and rejected plugins")]
pub(super) struct List {
    #[arg(default_value = "plugins", help = what_to_list())]
    what: String,
}

fn what_to_list() -> String {
    let plurals = BUILT_IN.map(|kind| kind.plural).join(", ");
    format!("plugins, rejected, {plurals}, or the name of another kind")
}

impl List {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        if self.what == "rejected" {
            return rejected(globals);
        }
        let registry = self.registry(globals)?;
        if globals.json {
            print::json(&registry)?;
            return Ok(Outcome::Done);
        }
        let serving = registry.entries.iter().filter(|it| matches!(it.state, State::Serving(_)));
        if registry.name == "plugins" {
            let plugins = serving.map(|entry| {
                let version = entry.version.clone().unwrap_or_default();
                vec![entry.name.clone(), version, entry.state.as_str().to_owned()]
            });
            print::line(&print::table(&["plugin", "version", "state"], plugins.collect()))?;
            return Ok(Outcome::Done);
        }
        let mut names: Vec<_> = serving.map(|entry| entry.name.as_str()).collect();
        // Two versions of a capability serve while one of them is on trial.
        names.dedup();
        for name in names {
            print::line(&escaped(name))?;
        }
        Ok(Outcome::Done)
    }

    fn registry(&self, globals: &Globals) -> Result<Registry, Failure> {
        let what = self.what.as_str();
        let name = match BUILT_IN.iter().find(|kind| kind.plural == what) {
            Some(kind) => kind.name,
            None if what == "plugin" => "plugins",
            None => what,
        };
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.is_empty() || !name.bytes().all(plain) {
            return Err(Failure::usage(format!("expected plugins or a kind, found {name:?}")));
        }
        let config = globals.layers().load()?;
        let target = Target::with(globals, &config)?;
        if let Some(answer) = source::query(&target, &format!("/debug/registry/{name}"))? {
            return source::read_named(answer);
        }
        source::stand_in(globals, &target)?;
        let status = source::in_process(globals)?.status();
        registry(&status, name).ok_or_else(|| {
            let known = names(&status.capabilities).join(", ");
            Failure::usage(format!("no kind {name:?}; known: {known}"))
        })
    }
}

/// Lists the files that are refused, and why.
fn rejected(globals: &Globals) -> Result<Outcome, Failure> {
    let config = globals.layers().load()?;
    let target = Target::with(globals, &config)?;
    let answer = source::query(&target, "/v1/rejected")?;
    let (generation, rejected) = if let Some(answer) = answer {
        let RejectedList { generation, rejected, .. } = source::read(answer)?;
        (generation, rejected)
    } else {
        source::stand_in(globals, &target)?;
        let status = source::in_process(globals)?.status();
        (status.generation, status.rejected)
    };
    if globals.json {
        print::json(&json!({ "generation": generation, "rejected": rejected }))?;
    } else if let Some(table) = tables::rejected(&rejected) {
        print::line(&table)?;
    }
    Ok(Outcome::Done)
}
