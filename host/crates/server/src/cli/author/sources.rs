//! Waits for changes of a plugin's sources.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{Event, RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::cli::failure::Failure;

/// An editor saves several files at once: a build begins when none changed for this long.
const QUIET: Duration = Duration::from_millis(30);

/// Files and folders that are watched.
pub(super) struct Sources {
    changes: Receiver<()>,
    _watcher: RecommendedWatcher,
}

impl Sources {
    /// Watches files and folders, these with all that is in them, from now on.
    pub(super) fn watch(paths: &[PathBuf]) -> Result<Self, Failure> {
        let failed =
            |error: notify::Error| Failure::new(format!("cannot watch the sources: {error}"));
        let absolute = |path: &PathBuf| path.canonicalize().unwrap_or_else(|_| path.clone());
        let watched: Vec<PathBuf> = paths.iter().map(absolute).collect();
        let (report, changes) = channel();
        let of_interest = watched.clone();
        let look = move |event: notify::Result<Event>| {
            let matters = match event {
                Ok(event) => {
                    !event.kind.is_access()
                        && event.paths.iter().any(|path| is_below_any(path, &of_interest))
                }
                // What was lost may have been a change.
                Err(_) => true,
            };
            if matters {
                // The receiver is gone when nobody waits any more.
                let _ = report.send(());
            }
        };
        let mut system = notify::recommended_watcher(look).map_err(failed)?;
        for path in &watched {
            // A file is saved by a rename: its folder is watched, for its name.
            let (place, mode) = match path.parent() {
                Some(parent) if !path.is_dir() => (parent, RecursiveMode::NonRecursive),
                _ => (path.as_path(), RecursiveMode::Recursive),
            };
            system.watch(place, mode).map_err(failed)?;
        }
        Ok(Self { changes, _watcher: system })
    }

    /// Blocks until something changed, and then nothing for a moment. False if nothing is watched any more.
    pub(super) fn wait(&self) -> bool {
        if self.changes.recv().is_err() {
            return false;
        }
        loop {
            match self.changes.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout) => return true,
                Err(RecvTimeoutError::Disconnected) => return false,
            }
        }
    }
}

fn is_below_any(path: &Path, places: &[PathBuf]) -> bool {
    places.iter().any(|place| path.starts_with(place))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_saved_file_is_a_change_and_its_neighbour_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let manifest = folder.path().join("Cargo.toml");
        let sources = folder.path().join("src");
        fs::write(&manifest, "a").unwrap();
        fs::create_dir_all(sources.join("deep")).unwrap();
        let watch = Sources::watch(&[manifest.clone(), sources.clone()]).unwrap();
        let saves: [&dyn Fn(); 2] =
            [&|| fs::write(sources.join("deep/new.rs"), "").unwrap(), &|| {
                fs::write(folder.path().join("new"), "b").unwrap();
                fs::rename(folder.path().join("new"), &manifest).unwrap();
            }];
        for save in saves {
            save();
            assert!(watch.wait());
        }
        fs::write(folder.path().join("other"), "").unwrap();
        assert!(watch.changes.recv_timeout(QUIET * 5).is_err());
    }
}
