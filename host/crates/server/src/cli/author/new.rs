//! `new`

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use plugbay::escaped;
use plugbay_scaffold::{Kind, Language, OwnPlugin, Scaffold, ScaffoldError, write_sdk};
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
  plugbay new polite --kind ../app/wit/greeter.wit   of a kind that an application defines
  plugbay new --sdk                     in a plugin's folder: the SDK of this program, in place of an older one")]
pub(in crate::cli) struct New {
    /// The plugin's name: a-z, 0-9 and -
    #[arg(value_name = "NAME", required_unless_present = "sdk")]
    name: Option<String>,

    /// What the plugin offers: codec, handler, or the WIT file of an application's own kind
    #[arg(long, value_name = "KIND", default_value = "codec", value_parser = KindName::parse)]
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

#[derive(Clone)]
enum KindName {
    /// Documents to bytes, and back
    Codec,
    /// HTTP requests to answers
    Handler,
    /// What this WIT file says
    Own(PathBuf),
}

impl KindName {
    fn parse(text: &str) -> Result<Self, String> {
        let path = Path::new(text);
        match text {
            "codec" => Ok(Self::Codec),
            "handler" => Ok(Self::Handler),
            _ if path.extension().is_some_and(|extension| extension == "wit") => {
                Ok(Self::Own(path.to_owned()))
            }
            _ => {
                Err("expected codec, handler, or the path of a WIT file, which ends in .wit"
                    .to_owned())
            }
        }
    }
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
        let folder = self.folder.clone().unwrap_or_else(|| PathBuf::from(name));
        let kind = match &self.kind {
            KindName::Codec => Kind::Codec,
            KindName::Handler => Kind::Handler,
            KindName::Own(wit) => return self.own(globals, name, wit, &folder),
        };
        let language = match self.lang {
            LanguageName::Rust => Language::Rust,
            LanguageName::C => Language::C,
            LanguageName::Js => Language::Js,
        };
        Scaffold { name: name.clone(), kind, language }.write(&folder)?;
        let at = folder.display();
        let text = format!(
            "made {at}: next\n  cd {at}\n  plugbay test    builds it, and runs its cases\n  plugbay dev     serves it, and reloads it at each change"
        );
        said(globals, &folder, &text)
    }

    /// Makes the folder of a plugin of an application's kind.
    fn own(
        &self,
        globals: &Globals,
        name: &str,
        wit: &Path,
        folder: &Path,
    ) -> Result<Outcome, Failure> {
        if !matches!(self.lang, LanguageName::Rust) {
            return Err(ScaffoldError::NoTemplate.into());
        }
        let file = wit.display().to_string();
        let text = fs::read_to_string(wit)
            .map_err(|error| Failure::usage(format!("cannot read {}: {error}", escaped(&file))))?;
        OwnPlugin { name: name.to_owned(), wit: text, file }.write(folder)?;
        let at = folder.display();
        let text = format!(
            "made {at}: next\n  cd {at}\n  cargo test       calls its functions\n  plugbay build    makes the file for the application's plugin folder"
        );
        said(globals, folder, &text)
    }
}

pub(super) fn said(globals: &Globals, folder: &Path, text: &str) -> Result<Outcome, Failure> {
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
