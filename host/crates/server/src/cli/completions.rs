//! `completions`

use std::io::{self, Write};

use clap::Args;
use clap_complete::Shell;

use super::failure::{Failure, Outcome};

/// Prints the completions of a shell
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay completions bash > ~/.local/share/bash-completion/completions/plugbay
  plugbay completions zsh > ~/.zfunc/_plugbay
  plugbay completions fish > ~/.config/fish/completions/plugbay.fish")]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut of: clap::Command) -> Result<Outcome, Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut of, "plugbay", &mut script);
        io::stdout().lock().write_all(&script)?;
        Ok(Outcome::Done)
    }
}
