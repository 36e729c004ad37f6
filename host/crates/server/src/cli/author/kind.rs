//! `kind`

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use plugbay_scaffold::write_kind;

use super::new::said;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;

/// Kinds of plugins that an application defines
#[derive(Subcommand)]
pub(in crate::cli) enum KindCommand {
    New(NewKind),
}

/// Writes a new kind into the folder of an application: its WIT, and the module that reads it
///
/// The module has the kind for `Builder::kind`, a trait with the functions of the WIT, a handle that calls plugins, a
/// mock, and a check of plugins. All of it is made from the WIT when the application is compiled.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay kind new greeter              wit/greeter.wit and src/greeter.rs
  plugbay new polite --kind wit/greeter.wit   a plugin of it")]
pub(in crate::cli) struct NewKind {
    /// The kind's name, as plugins describe it: a-z, 0-9 and -
    #[arg(value_name = "NAME")]
    name: String,

    /// The folder of the application, with its Cargo.toml
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,
}

impl KindCommand {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let Self::New(new) = self;
        write_kind(&new.folder, &new.name)?;
        let name = &new.name;
        let module = name.replace('-', "_");
        let wit = Path::new("wit").join(format!("{name}.wit"));
        let text = format!(
            "made wit/{name}.wit and src/{module}.rs: next\n  edit wit/{name}.wit\n  write `mod {module};`, and add `.kind::<{module}::…Kind>()` where the host is built\n  plugbay new PLUGIN --kind wit/{name}.wit    makes a plugin of it"
        );
        said(globals, &wit, &text)
    }
}
