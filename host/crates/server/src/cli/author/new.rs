//! `new`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use plugbay::escaped;
use plugbay_scaffold::{Kind, Language, Scaffold, ScaffoldError, write_sdk};
use serde_json::json;

use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;

/// Makes the folder of a new plugin, which builds and passes its test at once
///
/// The folder has sources, cases for `plugbay test`, settings of editors, a CI workflow, and the SDK of this program
/// in `sdk`. Nothing is fetched; cargo fetches what the SDK depends on at the first build.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay new lines
  plugbay new greeter --kind handler
  plugbay new rot13 --lang c
  plugbay new greeter --kind handler --lang js
  plugbay new --sdk                     in a plugin's folder: the SDK of this program, in place of an older one")]
pub(in crate::cli) struct New {
    /// The plugin's name: a-z, 0-9 and -
    #[arg(value_name = "NAME", required_unless_present = "sdk")]
    name: Option<String>,

    /// What the plugin offers
    #[arg(long, value_name = "KIND", default_value = "codec")]
    kind: KindName,

    /// Its language
    #[arg(long, value_name = "LANGUAGE", default_value = "rust")]
    lang: LanguageName,

    /// The folder [default: NAME]
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,

    /// Writes the SDK of this program into a plugin's folder that exists, and nothing else
    #[arg(long, conflicts_with_all = ["name", "kind", "lang"])]
    sdk: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum KindName {
    /// Documents to bytes, and back
    Codec,
    /// HTTP requests to answers
    Handler,
}

#[derive(Clone, Copy, ValueEnum)]
enum LanguageName {
    /// As a component, or a native library
    Rust,
    /// As a native library
    C,
    /// JavaScript, as a component
    Js,
}

impl New {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let Some(name) = self.name.as_ref().filter(|_| !self.sdk) else {
            let folder = self.folder.as_deref().unwrap_or(Path::new("."));
            let written = write_sdk(folder)?;
            return said(globals, &written, &format!("wrote {}", written.display()));
        };
        let kind = match self.kind {
            KindName::Codec => Kind::Codec,
            KindName::Handler => Kind::Handler,
        };
        let language = match self.lang {
            LanguageName::Rust => Language::Rust,
            LanguageName::C => Language::C,
            LanguageName::Js => Language::Js,
        };
        let folder = self.folder.clone().unwrap_or_else(|| PathBuf::from(name));
        Scaffold { name: name.clone(), kind, language }.write(&folder)?;
        let at = folder.display();
        let text = format!(
            "made {at}: next\n  cd {at}\n  plugbay test    builds it, and runs its cases\n  plugbay dev     serves it, and reloads it at each change"
        );
        said(globals, &folder, &text)
    }
}

fn said(globals: &Globals, folder: &Path, text: &str) -> Result<Outcome, Failure> {
    if globals.json {
        print::json(&json!({ "folder": folder }))?;
    } else {
        print::line(&print::lines(text))?;
    }
    Ok(Outcome::Done)
}

/// All but a file that cannot be written are mistakes of the command line.
impl From<ScaffoldError> for Failure {
    fn from(error: ScaffoldError) -> Self {
        let failure = Self::new(escaped(error.to_string()));
        match error {
            ScaffoldError::Io { .. } | ScaffoldError::Sdk(_) => failure,
            _ => failure.caused_by_caller(),
        }
    }
}
