//! The configuration file of a running host, and when what it holds is taken over.
//!
//! A program that saves a file may remove it, empty it, or write it in parts. So a file that looks
//! unfinished is *not yet* a configuration, as an artifact is not: the configuration in force stays, and
//! nothing is refused, until the file has not changed for [`SETTLE`]. A file looks unfinished if it
//! does not load (it may be missing), is blank, does not end with a newline, holds only the beginning of
//! the text in force, or was written in place and is shorter than that. Everything else is taken over at
//! once.

use std::path::{Path, PathBuf};

use crate::config::file::{SETTLE, Seen, Stamp};
use crate::config::kept;
use crate::config::layers::Start;
use crate::config::text::{self, FileText};
use crate::config::{Config, ConfigError, Layers, Origins};

/// The layers of a configuration, of which the file may change.
#[derive(Debug)]
pub(crate) struct ConfigFile {
    layers: Layers,
    in_force: Option<Version>,
    /// The version that was read last, until it is in force.
    latest: Option<Version>,
    seen: Seen,
    /// Why the file was refused when it was read last.
    refused: Option<ConfigError>,
    /// Whether the text in force is kept for the next start.
    is_kept: bool,
}

/// The result of reading the file.
#[derive(Debug)]
pub(crate) enum Reading {
    Config(Box<Config>),
    Refused(ConfigError),
    /// The file looks unfinished. If the version before it was refused, it still is.
    NotYet(Option<ConfigError>),
}

/// Which file is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    /// One that does not load is not yet complete.
    Wait,
    /// One that does not load is refused now: someone waits for the result.
    JudgeNow,
}

#[derive(Debug)]
struct Version {
    text: String,
    stamp: Option<Stamp>,
}

impl Version {
    /// Whether `next`, which loads, may be an unfinished version of what follows this one.
    fn may_be_cut(&self, next: &Self) -> bool {
        let (old, new) = (&self.text, &next.text);
        if old == new {
            return false;
        }
        let in_place = match (&self.stamp, &next.stamp) {
            (Some(old), Some(new)) => old.is_same_file(new),
            _ => false,
        };
        let is_blank = new.trim().is_empty() && !old.trim().is_empty();
        let is_beginning = old.starts_with(new.as_str());
        let is_cut = !new.ends_with('\n') || (in_place && new.len() < old.len());
        is_blank || is_beginning || is_cut
    }
}

impl ConfigFile {
    pub(crate) fn new(layers: Layers) -> Self {
        Self {
            layers,
            in_force: None,
            latest: None,
            seen: Seen::now(None),
            refused: None,
            is_kept: false,
        }
    }

    /// Sets the plugin folder, whatever the layers say.
    pub(crate) fn set_plugins(&mut self, folder: PathBuf) {
        self.layers.set_plugins(folder);
    }

    /// The file, if there is one.
    pub(crate) fn path(&self) -> Option<&Path> {
        self.layers.path()
    }

    /// Loads the configuration that a host starts with. It is in force then.
    ///
    /// # Errors
    /// As [`Layers::load_to_start`].
    pub(crate) fn start(&mut self) -> Result<Config, ConfigError> {
        let Start { config, text, refused } = self.layers.start()?;
        self.in_force = text.map(|(text, stamp)| Version { text, stamp });
        self.seen = Seen::now(self.in_force.as_ref().and_then(|it| it.stamp.clone()));
        self.is_kept = refused.is_some();
        self.refused = refused;
        Ok(config)
    }

    /// Why the file was refused when it was read last: at the start, the host uses the kept text then.
    pub(crate) fn refused(&self) -> Option<&ConfigError> {
        self.refused.as_ref()
    }

    /// Reads the file as it is now.
    pub(crate) fn read(&mut self, patience: Patience) -> Reading {
        let Some(path) = self.layers.path() else {
            return self
                .layers
                .load()
                .map_or_else(Reading::Refused, |config| Reading::Config(Box::new(config)));
        };
        let FileText { stamp, text } = text::read(path);
        let loaded = text.and_then(|text| {
            let config = self.layers.clone().text(text.as_str(), path).load()?;
            Ok((text, config))
        });
        let settled = self.seen.age(stamp.as_ref()) >= SETTLE;
        match loaded {
            Ok((text, config)) => {
                let version = Version { text, stamp };
                if !settled && self.in_force.as_ref().is_some_and(|it| it.may_be_cut(&version)) {
                    return Reading::NotYet(self.refused.clone());
                }
                self.latest = Some(version);
                self.refused = None;
                Reading::Config(Box::new(config))
            }
            Err(error) if settled || patience == Patience::JudgeNow => {
                self.refused = Some(error.clone());
                Reading::Refused(error)
            }
            Err(_) => Reading::NotYet(self.refused.clone()),
        }
    }

    /// Where the values of the configuration in force come from.
    pub(crate) fn origins(&self) -> Origins {
        match (self.layers.path(), &self.in_force) {
            (Some(path), Some(version)) => {
                self.layers.clone().text(version.text.as_str(), path).origins()
            }
            _ => self.layers.origins(),
        }
    }

    /// Notes that the configuration that was read last is in force, and keeps its text in the cache
    /// folder, if the layers say so.
    ///
    /// Returns whether its text differs from the one that was in force before.
    pub(crate) fn adopt(&mut self, cache: &Path) -> bool {
        let mut is_new = false;
        if let Some(latest) = self.latest.take() {
            let is_same = self.in_force.as_ref().is_some_and(|it| it.text == latest.text);
            is_new = !is_same;
            self.is_kept &= is_same;
            self.in_force = Some(latest);
        }
        let (Some(path), Some(version)) = (self.layers.path(), &self.in_force) else {
            return is_new;
        };
        if self.is_kept || !self.layers.keeps_last() || cache.as_os_str().is_empty() {
            return is_new;
        }
        match kept::keep(cache, path, &version.text) {
            Ok(()) => self.is_kept = true,
            // The host warns of a cache that it cannot use; the next reconciliation tries again.
            Err(error) => tracing::debug!(%error, "cannot keep the configuration in the cache"),
        }
        is_new
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    const OLD: &str = "[host]\nstrict = true\n[plugins.a]\nenabled = false\n";
    const NEW: &str = "[host]\nstrict = true\n[plugins.b]\nenabled = false\n# saved\n";

    /// A file that holds `OLD`, which is in force.
    fn old() -> (tempfile::TempDir, std::path::PathBuf, ConfigFile) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.toml");
        fs::write(&path, OLD).unwrap();
        let mut file = ConfigFile::new(Layers::default().file(&path));
        assert!(file.start().unwrap().host.strict);
        (folder, path, file)
    }

    fn is_config(reading: &Reading) -> bool {
        matches!(reading, Reading::Config(_))
    }

    fn is_not_yet(reading: &Reading) -> bool {
        matches!(reading, Reading::NotYet(None))
    }

    /// Saves as an editor does that writes another file and renames it.
    fn replace(path: &Path, text: &str) {
        let temporary = path.with_extension("tmp");
        fs::write(&temporary, text).unwrap();
        fs::rename(temporary, path).unwrap();
    }

    fn make_old(path: &Path) {
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - 2 * SETTLE).unwrap();
    }

    #[test]
    fn a_whole_file_is_taken_over_at_once() {
        let (_folder, path, mut file) = old();
        fs::write(&path, NEW).unwrap();
        assert!(is_config(&file.read(Patience::Wait)), "longer, in place");
        file.adopt(Path::new(""));
        replace(&path, "[plugins.c]\nenabled = false\n");
        assert!(is_config(&file.read(Patience::Wait)), "shorter, by a rename");
    }

    #[test]
    fn what_looks_unfinished_is_not_yet_a_configuration() {
        let cut = [
            "",
            "\n \n",
            "[host]\n",
            "[plugins.b]\nenabled = fal",
            "[plugins.b]\nenabled = false",
            "[plugins.b]\nenabled = false\n",
            "[plugins.b\n",
        ];
        for text in cut {
            let (_folder, path, mut file) = old();
            fs::write(&path, text).unwrap();
            assert!(is_not_yet(&file.read(Patience::Wait)), "{text:?}");
            // The rest of it arrives.
            fs::write(&path, NEW).unwrap();
            assert!(is_config(&file.read(Patience::Wait)), "{text:?}");
        }
    }

    #[test]
    fn what_has_not_changed_for_a_while_counts_as_it_is() {
        let (_folder, path, mut file) = old();
        fs::write(&path, "").unwrap();
        make_old(&path);
        let Reading::Config(config) = file.read(Patience::Wait) else { panic!("not yet") };
        assert!(!config.host.strict);
        fs::write(&path, "broken").unwrap();
        make_old(&path);
        let Reading::Refused(error) = file.read(Patience::Wait) else { panic!("not refused") };
        assert_eq!(error.reason(), "config-syntax");
        // It is edited once more, and stays refused meanwhile.
        fs::write(&path, "still broken").unwrap();
        let Reading::NotYet(Some(still)) = file.read(Patience::Wait) else { panic!("not yet") };
        assert_eq!(still, error);
    }

    #[test]
    fn a_time_stamp_in_the_future_does_not_matter() {
        let (_folder, path, mut file) = old();
        fs::write(&path, "").unwrap();
        let future = SystemTime::now() + Duration::from_hours(1000);
        File::options().append(true).open(&path).unwrap().set_modified(future).unwrap();
        let begun = Instant::now();
        while is_not_yet(&file.read(Patience::Wait)) {
            std::thread::yield_now();
            assert!(begun.elapsed() < 10 * SETTLE, "it never settles");
        }
        assert!(begun.elapsed() >= SETTLE);
    }

    #[test]
    fn a_removed_file_is_awaited_and_then_refused() {
        let (_folder, path, mut file) = old();
        fs::remove_file(&path).unwrap();
        let begun = Instant::now();
        let error = loop {
            match file.read(Patience::Wait) {
                Reading::Refused(error) => break error,
                reading => assert!(is_not_yet(&reading), "{reading:?}"),
            }
            std::thread::yield_now();
            assert!(begun.elapsed() < 10 * SETTLE, "it never settles");
        };
        assert!(begun.elapsed() >= SETTLE);
        assert!(error.to_string().contains("expected a readable file"), "{error}");
        fs::write(&path, NEW).unwrap();
        assert!(is_config(&file.read(Patience::Wait)));
    }

    #[test]
    fn someone_who_waits_gets_the_mistake_at_once_but_no_half_file() {
        let (_folder, path, mut file) = old();
        fs::write(&path, "broken").unwrap();
        assert!(matches!(file.read(Patience::JudgeNow), Reading::Refused(_)));
        fs::write(&path, "").unwrap();
        assert!(matches!(file.read(Patience::JudgeNow), Reading::NotYet(Some(_))));
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_file_is_never_opened() {
        let (folder, path, _) = old();
        fs::remove_file(&path).unwrap();
        let found = |path: &Path| {
            let error = ConfigFile::new(Layers::default().file(path)).start().unwrap_err();
            assert_eq!(error.reason(), "config-io");
            error.problems[0].message.clone()
        };
        let _socket = std::os::unix::net::UnixListener::bind(&path).unwrap();
        assert_eq!(found(&path), "expected a file, found a pipe, a socket or a device");
        assert_eq!(found(folder.path()), "expected a file, found a folder");
        let link = folder.path().join("link.toml");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert_eq!(found(&link), "expected a file, found a dangling link");
    }
}
