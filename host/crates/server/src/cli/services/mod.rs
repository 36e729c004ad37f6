//! `services list`, `services show`, `services watch`, `services register`, `services deregister`

mod ask;
mod list;
mod register;
mod watch;

use clap::{Args, Subcommand};

use self::ask::Directory;
use super::failure::{Failure, Outcome};
use super::globals::Globals;

/// Asks a directory of services, and changes it
///
/// The directory is the one of `plugbay directory` or of [discovery] in the configuration of a host. A token for it
/// is given as for a host: --token-file FILE or `PLUGBAY_TOKEN`; and --ca says which certificate it has.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay services list
  plugbay services show web --all
  plugbay services watch web --json
  plugbay services register web 10.0.0.7 8080 --check-http /health --keep
  plugbay services list --directory https://directory.example:7072 --token-file web.token")]
pub(super) struct Services {
    /// Where the directory is [default: `http://127.0.0.1:7072`]
    #[arg(
        long,
        global = true,
        value_name = "URL",
        env = "PLUGBAY_DIRECTORY",
        hide_env_values = true
    )]
    directory: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    List(list::List),
    Show(list::Show),
    Watch(watch::Watch),
    Register(register::Register),
    Deregister(register::Deregister),
}

impl Services {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let directory = Directory::of(self.directory.as_deref(), globals)?;
        let runtime = super::source::runtime()?;
        runtime.block_on(async {
            match &self.command {
                Command::List(list) => list.run(&directory, globals).await,
                Command::Show(show) => show.run(&directory, globals).await,
                Command::Watch(watch) => watch.run(&directory, globals).await,
                Command::Register(register) => register.run(&directory, globals).await,
                Command::Deregister(deregister) => deregister.run(&directory).await,
            }
        })
    }
}
