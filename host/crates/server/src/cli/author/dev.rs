//! `dev`

use std::path::{Path, PathBuf};
use std::time::Instant;
use std::{fs, thread};

use clap::Args;
use plugbay_toolchain::install;

use super::build::{PluginArgs, Source, shown};
use super::sources::Sources;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;
use crate::cli::serve::Up;

/// What plugins log is shown, without a flag: it is what the author wrote.
const LOG: &str = "warn,plugbay=error,plugbay::plugin=debug,plugbay::plugin::output=info,plugbay_server=warn,plugbay_wasm=warn,plugbay_native=warn";

/// The folder that the host of this process watches, below the plugin's.
const SERVED: &str = "target/dev";

/// Serves the plugin, and builds and reloads it at each change
///
/// A host of this process serves the plugin beside the bundled ones, and prints its log. When a source is saved, the
/// plugin is built, and takes over as soon as it is. If it does not compile, the messages of the compiler are printed,
/// and the version before it keeps serving. A config.toml in the working folder applies, as for `plugbay up`.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay dev
  plugbay dev --set server.listen=127.0.0.1:8080
  plugbay dev --into /srv/plugins       only builds: a running host watches that folder")]
pub(in crate::cli) struct Dev {
    /// Puts the plugin into the folder of a running host, instead of serving it
    #[arg(long, value_name = "FOLDER")]
    into: Option<PathBuf>,

    #[command(flatten)]
    plugin: PluginArgs,
}

impl Dev {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        if self.into.is_none() {
            Up::first();
        }
        let source = self.plugin.find()?;
        let sources = Sources::watch(&source.project.inputs())?;
        if let Some(folder) = &self.into {
            globals.log(std::io::stderr)?;
            if !folder.is_dir() {
                let message = format!(
                    "expected the plugin folder of a host, found no folder {}",
                    folder.display()
                );
                return Err(Failure::usage(message));
            }
            rebuild(globals, &source, folder);
            rebuild_always(globals, &source, &sources, folder);
            return Ok(Outcome::Done);
        }
        let served = source.project.folder().join(SERVED);
        let plugins = served.join("plugins");
        // A file of an earlier run may be for another target.
        if let Err(error) = fs::remove_dir_all(&plugins)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error.into());
        }
        fs::create_dir_all(&plugins)?;
        rebuild(globals, &source, &plugins);
        let own = globals.with(settings(&served, &plugins), LOG);
        let builder = globals.clone();
        // It ends with the process.
        thread::Builder::new().name("plugbay-build".into()).spawn(move || {
            rebuild_always(&builder, &source, &sources, &plugins);
        })?;
        Up::here().run(&own)
    }
}

/// What the host of this process is told, unless the user says otherwise.
fn settings(served: &Path, plugins: &Path) -> [(String, String); 4] {
    let set = |key: &str, value: String| (key.to_owned(), value);
    [
        set("host.plugins", plugins.display().to_string()),
        set("host.cache", served.join("cache").display().to_string()),
        // Each file is put there whole, by a rename: there is nothing to wait for.
        set("host.debounce", "1ms".to_owned()),
        set("defaults.isolation", "process".to_owned()),
    ]
}

/// Builds the plugin at each change, for as long as its sources are watched.
fn rebuild_always(globals: &Globals, source: &Source, sources: &Sources, folder: &Path) {
    loop {
        if !sources.wait() {
            return;
        }
        rebuild(globals, source, folder);
    }
}

/// Builds the plugin and puts its file into the folder, and says what came of it.
fn rebuild(globals: &Globals, source: &Source, folder: &Path) {
    let began = Instant::now();
    let built = source.build().and_then(|artifact| {
        let to = folder.join(artifact.path.file_name().unwrap_or_default());
        let changed = install(&artifact.path, &to)?;
        Ok((artifact.path, changed))
    });
    let text = match built {
        Ok((path, true)) => {
            let seconds = began.elapsed().as_secs_f64();
            format!("built     {} in {seconds:.1} s", shown(&path))
        }
        Ok((_, false)) => return,
        Err(failure) => {
            failure.report(globals.json);
            "not built: the version before this one keeps serving".to_owned()
        }
    };
    if !globals.json {
        // A closed stdout must not end the builds.
        let _ = print::line(&print::lines(&text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_host_of_dev_takes_its_settings() {
        let folder = tempfile::tempdir().unwrap();
        let plugins = folder.path().join("plugins");
        fs::create_dir(&plugins).unwrap();
        let layers = plugbay::Config::builder();
        let layers = settings(folder.path(), &plugins)
            .into_iter()
            .fold(layers, |layers, (key, value)| layers.set(key, value));
        let config = layers.load().unwrap();
        assert_eq!(config.host.plugins, plugins);
        assert_eq!(config.host.debounce.as_millis(), 1);
    }
}
