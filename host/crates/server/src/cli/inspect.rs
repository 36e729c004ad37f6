//! `inspect`

use std::path::Path;

use clap::Args;
use plugbay::{PluginStatus, escaped};
use plugbay_server::admin::{self, Versions};
use serde_json::Value;

use super::facts;
use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::target::Target;
use super::{print, source};

/// Shows what a plugin is, offers, requests and is granted
///
/// A file is compiled and described, but not started. A name is looked up in the running host; if no
/// host answers, among the plugins loaded in this process.
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
        if is_file(&self.what) {
            let inspection = source::empty(globals)?.inspect_file(Path::new(&self.what))?;
            if globals.json {
                print::json(&inspection)?;
                return Ok(Outcome::Done);
            }
            let described = &inspection.description;
            let title = format!("{} {}", described.name, described.version);
            show(&title, facts::of_file(&inspection), described.config_schema.as_ref())?;
            return Ok(Outcome::Done);
        }
        let versions = self.running(globals)?;
        if globals.json {
            print::json(&versions)?;
            return Ok(Outcome::Done);
        }
        show_running(&versions.stable, "", "")?;
        if let Some(canary) = &versions.canary {
            show_running(canary, "\n", ", on trial")?;
        }
        Ok(Outcome::Done)
    }

    /// The status of a plugin, by its name or by a capability that it offers.
    fn running(&self, globals: &Globals) -> Result<Versions, Failure> {
        let config = globals.layers().load()?;
        let path = format!("/v1/plugins/{}", percent_encode(&self.what));
        let target = Target::with(globals, &config)?;
        if let Some(answer) = source::query(&target, &path)? {
            return source::read(answer);
        }
        source::stand_in(globals, &target)?;
        let status = source::in_process(globals)?.status();
        admin::plugin(&status, &self.what).map_err(Failure::new)
    }
}

/// Whether this is a file, and not the name of a plugin or capability; both may have dots.
fn is_file(what: &str) -> bool {
    let path = Path::new(what);
    let extension = path.extension().and_then(|it| it.to_str()).map(str::to_ascii_lowercase);
    let artifact = matches!(extension.as_deref(), Some("wasm" | "so" | "dylib" | "dll"));
    artifact || what.contains(std::path::is_separator) || path.exists()
}

/// Encodes text as one segment of a URL path.
pub(super) fn percent_encode(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'-' | b'_' | b'.' | b':' => {
            char::from(byte).to_string()
        }
        other => format!("%{other:02X}"),
    });
    encoded.collect()
}

fn show_running(plugin: &PluginStatus, before: &str, after: &str) -> Result<(), Failure> {
    let title = format!("{before}{} {}{after}", plugin.name, plugin.version);
    show(&title, facts::of_running(plugin), plugin.config_schema.as_ref())
}

fn show(title: &str, rows: Vec<Vec<String>>, schema: Option<&Value>) -> Result<(), Failure> {
    print::line(&escaped(title))?;
    print::line(&print::table(&["", ""], rows))?;
    if let Some(schema) = schema.filter(|schema| !schema.is_null()) {
        let schema = serde_json::to_string_pretty(schema)?;
        print::line(&format!("\nconfig schema\n{}", print::lines(&schema)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_may_have_dots() {
        for file in ["a.wasm", "A.SO", "./a", "plugins/a", "/a", env!("CARGO_MANIFEST_DIR")] {
            assert!(is_file(file), "{file}");
        }
        for name in ["a", "a.b", "codec:mine.tsv", "codec:a.b", ""] {
            assert!(!is_file(name), "{name}");
        }
    }

    #[test]
    fn a_name_is_one_segment() {
        assert_eq!(percent_encode("codec:a.b-c_1"), "codec:a.b-c_1");
        assert_eq!(percent_encode("a/b c?é"), "a%2Fb%20c%3F%C3%A9");
    }
}
