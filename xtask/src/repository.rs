//! The repository: its root, cargo's target folder, and its packages.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use cargo_metadata::{Metadata, MetadataCommand};

/// The repository, and cargo's metadata of its workspace.
pub(crate) struct Repository {
    pub(crate) root: PathBuf,
    /// Cargo's target folder: `target`, unless `CARGO_TARGET_DIR` says otherwise.
    pub(crate) target: PathBuf,
    pub(crate) metadata: Metadata,
}

impl Repository {
    pub(crate) fn find() -> Result<Self> {
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
        let metadata = MetadataCommand::new()
            .manifest_path(manifest)
            .no_deps()
            .exec()
            .context("cannot read the workspace")?;
        Ok(Self {
            root: metadata.workspace_root.clone().into(),
            target: metadata.target_directory.clone().into(),
            metadata,
        })
    }

    pub(crate) fn has_package(&self, name: &str) -> bool {
        self.metadata.packages.iter().any(|package| package.name.as_str() == name)
    }

    /// A cargo command in the root, with the toolchain and the environment of xtask itself.
    pub(crate) fn cargo(&self) -> Command {
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(&self.root);
        // `cargo xtask` sets them for itself. Build scripts that read them, such as that of ring, would run again, and
        // what depends on them would be built again, after each build without xtask.
        for (name, _) in std::env::vars_os() {
            let text = name.to_string_lossy();
            if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
                command.env_remove(&name);
            }
        }
        command
    }
}
