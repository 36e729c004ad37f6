//! Hosts in a temporary folder.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use plugbay::{Config, Host};
use tempfile::TempDir;

/// A folder for plugins and a cache beside it.
pub struct Place {
    /// Gone when dropped.
    pub folder: TempDir,
}

impl Place {
    /// An empty one.
    ///
    /// # Errors
    ///
    /// If the folder cannot be made.
    pub fn new() -> Result<Self> {
        let folder = tempfile::tempdir()?;
        std::fs::create_dir(folder.path().join("plugins"))?;
        Ok(Self { folder })
    }

    /// Puts a file into the plugin folder, whole at once.
    ///
    /// # Errors
    ///
    /// If it cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let hidden = self.folder.path().join("plugins").join(format!(".{name}"));
        std::fs::write(&hidden, bytes)?;
        std::fs::rename(hidden, self.folder.path().join("plugins").join(name))?;
        Ok(())
    }

    /// The configuration of a host here.
    #[must_use]
    pub fn config(&self) -> Config {
        config(self.folder.path())
    }

    /// A host that looks only when told to.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn host(&self, config: Config) -> Result<Host> {
        host_of(config)
    }
}

/// A host that looks only when told to.
///
/// # Errors
///
/// If it does not start.
pub fn host_of(config: Config) -> Result<Host> {
    Ok(Host::builder().config(config).watch(false).build_blocking()?)
}

/// The configuration of a host whose plugins and cache are in `folder`.
#[must_use]
pub fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.host.plugins = folder.join("plugins");
    config.host.cache = folder.join("cache");
    config.host.linked = false;
    config.host.rescan = Duration::from_hours(1);
    config
}

/// Bytes of memory that this process has resident.
///
/// # Errors
///
/// Where there is no `/proc`.
pub fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split_whitespace().nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4096)
}
