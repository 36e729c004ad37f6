//! `inspect`

use std::path::Path;

use clap::Args;
use serde_json::Value;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::{print, source};

/// Says what a plugin is, offers and asks for
///
/// A file is compiled and described, and not started. A name is looked up in the running host; when
/// no host answers, among the plugins prepared in this process.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay inspect plugins/hello.wasm
  plugbay inspect json --json
  plugbay inspect codec:json            the plugin that offers it")]
pub(super) struct Inspect {
    /// A file, the name of a plugin, or a capability as KIND:NAME
    #[arg(value_name = "FILE|NAME")]
    what: String,
}

impl Inspect {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let path = Path::new(&self.what);
        let looks_like_a_file = path.components().count() > 1 || path.extension().is_some();
        let (facts, title) = if path.is_file() || looks_like_a_file {
            let inspection = source::bare(globals)?.inspect_file(path)?;
            let facts = serde_json::to_value(&inspection)?;
            let described = &inspection.description;
            (facts, format!("{} {}", described.name, described.version))
        } else {
            let facts = self.running(globals)?;
            let title = format!("{} {}", text(&facts, "name"), text(&facts, "version"));
            (facts, title)
        };
        if globals.json {
            print::json(&facts)?;
            return Ok(Outcome::Done);
        }
        print::line(&print::plain(&title))?;
        print::line(&print::table(&["", ""], rows(&facts)))?;
        // What is described stands at the top for a running plugin, one level down for a file.
        let schema = [&facts["config_schema"], &facts["description"]["config_schema"]];
        if let Some(schema) = schema.into_iter().find(|schema| !schema.is_null()) {
            let schema = serde_json::to_string_pretty(schema)?;
            print::line(&format!("\nconfig schema\n{}", print::plain(&schema)))?;
        }
        Ok(Outcome::Done)
    }

    /// The status of a plugin, by its name or by what it offers.
    fn running(&self, globals: &Globals) -> Result<Value, Failure> {
        let config = globals.layers().load()?;
        let status = if let Some(answer) = source::ask(&config, "/v1/status")? {
            source::value(answer)?
        } else {
            source::say_here(globals, &config);
            serde_json::to_value(source::here(globals)?.status())?
        };
        let plugins = status["plugins"].as_array().map(Vec::as_slice).unwrap_or_default();
        let offers = |plugin: &&Value| {
            let offered = plugin["capabilities"].as_array();
            plugin["name"] == *self.what
                || offered.is_some_and(|offered| offered.iter().any(|it| *it == *self.what))
        };
        plugins.iter().find(offers).cloned().ok_or_else(|| {
            let names: Vec<_> = plugins.iter().map(|plugin| text(plugin, "name")).collect();
            Failure::new(format!("no plugin {:?} runs; these do: {}", self.what, names.join(", ")))
        })
    }
}

fn text<'a>(of: &'a Value, key: &str) -> &'a str {
    of[key].as_str().unwrap_or_default()
}

/// What of the sandbox is open to a running plugin, and what it asks for in vain.
fn granted(facts: &Value) -> String {
    let names = |key: &str| {
        let names = facts[key].as_array().map(Vec::as_slice).unwrap_or_default();
        names.iter().filter_map(Value::as_str).collect::<Vec<_>>()
    };
    let (asked, granted) = (names("asked"), names("granted"));
    let denied = asked.iter().filter(|it| !granted.contains(it));
    let granted = granted.iter().map(|it| (*it).to_owned());
    let running = facts.get("granted").is_some();
    let denied = denied.filter(|_| running).map(|it| format!("not {it}"));
    granted.chain(denied).collect::<Vec<_>>().join("\n")
}

/// What people want to know, a fact a row.
fn rows(facts: &Value) -> Vec<Vec<String>> {
    let described = &facts["description"];
    let about = described.as_str().unwrap_or_else(|| text(described, "description"));
    let offers = facts.get("capabilities").unwrap_or(&described["capabilities"]);
    let list = |of: &Value| {
        let items = of.as_array().map(Vec::as_slice).unwrap_or_default();
        let named = |item: &Value| match item.as_str() {
            Some(item) => item.to_owned(),
            None => format!("{}:{}", text(item, "kind"), text(item, "name")),
        };
        items.iter().map(named).collect::<Vec<_>>().join("\n")
    };
    let bytes = |key: &str| facts[key].as_u64().map(print::size).unwrap_or_default();
    let rows = [
        ("about", about.to_owned()),
        ("source", text(facts, "source").to_owned()),
        ("form", text(facts, "form").to_owned()),
        ("digest", text(facts, "digest").to_owned()),
        ("size", bytes("size")),
        ("code size", bytes("code_size")),
        (
            "since generation",
            facts["generation"].as_u64().map(|n| n.to_string()).unwrap_or_default(),
        ),
        ("offers", list(offers)),
        ("state", text(facts, "state").to_owned()),
        ("imports", list(&facts["imports"])),
        ("asks for", list(&facts["asked"])),
        ("granted", granted(facts)),
        ("exports", list(&facts["exports"])),
    ];
    let known = rows.into_iter().filter(|(_, value)| !value.is_empty());
    known.map(|(name, value)| vec![name.to_owned(), value]).collect()
}
