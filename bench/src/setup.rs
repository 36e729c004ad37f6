//! Hosts with a temporary folder.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use plugbay::{Config, Host};
use tempfile::TempDir;

/// A temporary folder with plugins and a cache.
pub struct HostFolder {
    /// The folder, which is removed on drop.
    pub root: TempDir,
}

impl HostFolder {
    /// Creates a folder without plugins.
    ///
    /// # Errors
    ///
    /// If the folder cannot be created.
    pub fn new() -> Result<Self> {
        let root = tempfile::tempdir()?;
        std::fs::create_dir(root.path().join("plugins"))?;
        Ok(Self { root })
    }

    /// Writes a file into the plugin folder, by a rename.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let hidden = self.root.path().join("plugins").join(format!(".{name}"));
        std::fs::write(&hidden, bytes)?;
        std::fs::rename(hidden, self.root.path().join("plugins").join(name))?;
        Ok(())
    }

    /// The configuration of a host with this folder.
    #[must_use]
    pub fn config(&self) -> Config {
        config(self.root.path())
    }

    /// Starts a host that does not watch its folder.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub fn host(&self, config: Config) -> Result<Host> {
        host_of(config)
    }
}

/// Starts a host that does not watch its folder.
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

/// The resident memory of this process in bytes.
///
/// # Errors
///
/// If the system has no `/proc`.
pub fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/statm")?;
    let pages: u64 = status.split_whitespace().nth(1).unwrap_or("0").parse()?;
    Ok(pages * 4096)
}
