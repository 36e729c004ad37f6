//! The file that keeps what operators switched over a restart of the host, beside the cache.
//!
//! It is named by the configuration file, or else by the plugin folder, because hosts may share a cache.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use plugbay_core::Digest;
use serde::{Deserialize, Serialize};

use crate::config::kept;
use crate::set::Overrides;

/// The largest file that is read, in bytes: far more than thousands of overrides need.
const LARGEST: u64 = 4 << 20;
/// The version of the format.
const VERSION: u32 = 1;

/// Where overrides are kept.
#[derive(Debug)]
pub(crate) struct OverridesFile(Option<PathBuf>);

#[derive(Serialize, Deserialize)]
struct Content<'a> {
    version: u32,
    overrides: std::borrow::Cow<'a, Overrides>,
}

impl OverridesFile {
    /// The file of a host with this cache; `names` is its configuration file or its plugin folder. Without
    /// a cache nothing is kept.
    pub(crate) fn in_cache(cache: &Path, names: &Path) -> Self {
        if cache.as_os_str().is_empty() {
            return Self(None);
        }
        let names = std::path::absolute(names).unwrap_or_else(|_| names.to_owned());
        let digest = Digest::of(names.as_os_str().as_encoded_bytes());
        Self(Some(cache.join(format!("overrides-{}.json", digest.hex()))))
    }

    /// What is kept; nothing if there is no file.
    ///
    /// # Errors
    /// If the file cannot be read, or is not one of this format.
    pub(crate) fn read(&self) -> Result<Overrides, String> {
        let Some(place) = &self.0 else { return Ok(Overrides::default()) };
        let at = |error: &dyn std::fmt::Display| {
            format!(
                "expected what operators switched in {}, found: {error}; nothing of it is in force, and \
                 the next action writes the file anew",
                place.display()
            )
        };
        match fs::metadata(place) {
            // Opening a pipe could block for ever.
            Ok(metadata) if !metadata.is_file() => return Err(at(&"something else than a file")),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Overrides::default());
            }
            Err(error) => return Err(at(&error)),
        }
        let file = File::open(place).map_err(|error| at(&error))?;
        let mut text = String::new();
        let read = file.take(LARGEST).read_to_string(&mut text);
        read.map_err(|error| at(&error))?;
        let content: Content<'_> = serde_json::from_str(&text).map_err(|error| at(&error))?;
        if content.version != VERSION {
            return Err(at(&format_args!("the version {} of the format", content.version)));
        }
        Ok(content.overrides.into_owned())
    }

    /// Keeps these overrides in place of others.
    ///
    /// # Errors
    /// If there is no folder to write to: then they are forgotten when the host stops.
    pub(crate) fn write(&self, overrides: &Overrides) -> Result<(), String> {
        let forgotten = "it is forgotten when the host stops";
        let Some(place) = &self.0 else {
            return Err(format!(
                "{forgotten}: host.cache is empty; set it to a folder of this user"
            ));
        };
        let content =
            Content { version: VERSION, overrides: std::borrow::Cow::Borrowed(overrides) };
        let written = serde_json::to_string(&content).map_err(io::Error::from);
        written.and_then(|text| kept::write(place, &text)).map_err(|error| {
            format!(
                "{forgotten}: cannot write {}: {error}; let the host's user write to host.cache",
                place.display()
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;
    use crate::set::{Override, Switch};

    #[test]
    fn overrides_are_kept_and_a_damaged_file_is_reported() {
        let cache = tempfile::tempdir().unwrap();
        let file = OverridesFile::in_cache(cache.path(), Path::new("/srv/config.toml"));
        assert_eq!(file.read().unwrap(), Overrides::default());
        let mut all = Overrides::default();
        all.set(Override {
            on: "a".into(),
            switch: Switch::Disabled,
            by: "ops".into(),
            since: UNIX_EPOCH,
        });
        file.write(&all).unwrap();
        assert_eq!(file.read().unwrap(), all);
        let other = OverridesFile::in_cache(cache.path(), Path::new("/srv/other.toml"));
        assert_eq!(other.read().unwrap(), Overrides::default());
        let place = fs::read_dir(cache.path()).unwrap().next().unwrap().unwrap().path();
        for damaged in ["", "{", r#"{"version":2,"overrides":[]}"#, r#"{"version":1}"#] {
            fs::write(&place, damaged).unwrap();
            let error = file.read().unwrap_err();
            assert!(error.contains("found: "), "{error}");
        }
        fs::remove_file(&place).unwrap();
        fs::create_dir(&place).unwrap();
        assert!(file.read().unwrap_err().contains("something else than a file"));
    }

    #[test]
    fn a_missing_folder_is_said() {
        let none = OverridesFile::in_cache(Path::new(""), Path::new("plugins"));
        assert!(none.write(&Overrides::default()).unwrap_err().contains("host.cache is empty"));
        let root = tempfile::tempdir().unwrap();
        let gone = OverridesFile::in_cache(&root.path().join("gone"), Path::new("plugins"));
        assert!(gone.write(&Overrides::default()).unwrap_err().contains("cannot write"));
    }
}
