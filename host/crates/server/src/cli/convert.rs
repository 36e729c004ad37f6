//! `convert`

use std::io::Read;
use std::path::{Path, PathBuf};
use std::{fs, io};

use clap::Args;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::{print, source};

/// Reads a document by one codec and writes it by another
///
/// The plugins are loaded in this process. If the format cannot hold the document, the codec's error
/// is printed and nothing is written.
#[derive(Args)]
#[command(after_help = "Examples:
  printf '{\"a\":1}' | plugbay convert --from json --to msgpack | xxd
  plugbay convert --from yaml --to toml settings.yaml > settings.toml")]
pub(super) struct Convert {
    /// The codec that reads the document
    #[arg(long, value_name = "CODEC")]
    from: String,

    /// The codec that writes the document
    #[arg(long, value_name = "CODEC")]
    to: String,

    /// The file to read [default: stdin]
    file: Option<PathBuf>,
}

impl Convert {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let host = source::in_process(globals)?;
        // Both names are checked before stdin is read, so that a typing error is reported at once.
        let from = host.codec(&self.from).map_err(|missed| source::missing(&host, &missed))?;
        let to = host.codec(&self.to).map_err(|missed| source::missing(&host, &missed))?;
        let failed = |error| Failure::of_call(&host, error);
        let document = from.decode_document(&input(self.file.as_deref())?).map_err(failed)?;
        print::bytes(&to.encode_document(document.as_cbor()).map_err(failed)?)?;
        Ok(Outcome::Done)
    }
}

/// Reads a whole file; or stdin, if there is no file or it is `-`.
pub(super) fn input(file: Option<&Path>) -> Result<Vec<u8>, Failure> {
    let Some(file) = file.filter(|file| *file != Path::new("-")) else {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        return Ok(bytes);
    };
    fs::read(file).map_err(|error| Failure::new(format!("cannot read {}: {error}", file.display())))
}
