//! `build`, and the plugin that the other commands build first.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use plugbay_toolchain::apt::Consent;
use plugbay_toolchain::{
    Artifact, BuildError, BuildErrorKind, Options, Project, Target, Toolchain,
};
use serde_json::json;

use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;

/// Builds the plugin of a folder, and prints its file
///
/// The compiler and the target are found, or installed where that is allowed. The file is replaced by a rename, and
/// only if its bytes changed.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay build
  plugbay build --target native
  plugbay check $(plugbay build)")]
pub(in crate::cli) struct Build {
    #[command(flatten)]
    plugin: PluginArgs,
}

/// Which plugin is built.
#[derive(Args)]
pub(in crate::cli) struct PluginArgs {
    /// The plugin's folder
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    folder: PathBuf,

    /// For what it is built [default: what its manifest says]
    #[arg(long, value_name = "TARGET")]
    target: Option<TargetName>,

    /// Which plugin of a cargo workspace
    #[arg(long, value_name = "PACKAGE")]
    package: Option<String>,

    /// Installs packages of a compiler that is missing without asking
    #[arg(long)]
    yes: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum TargetName {
    /// A component that imports nothing but Plugbay's interfaces
    Pure,
    /// A component that imports WASI, too
    Wasi,
    /// A shared library for this machine
    Native,
}

impl From<TargetName> for Target {
    fn from(name: TargetName) -> Self {
        match name {
            TargetName::Pure => Self::Pure,
            TargetName::Wasi => Self::Wasi,
            TargetName::Native => Self::Native,
        }
    }
}

/// A plugin, and what builds it.
pub(super) struct Source {
    pub(super) project: Project,
    toolchain: Toolchain,
}

impl PluginArgs {
    /// The plugin, not built yet.
    pub(super) fn find(&self) -> Result<Source, Failure> {
        let project = Project::find(&self.folder, self.package.as_deref())?;
        let project = match self.target {
            Some(target) => project.for_target(target.into())?,
            None => project,
        };
        let options = Options { packages: Consent::of(self.yes), ..Options::default() };
        Ok(Source { project, toolchain: Toolchain::when_needed(options) })
    }

    /// Builds the plugin, and returns its file.
    pub(in crate::cli) fn build(&self) -> Result<PathBuf, Failure> {
        Ok(PathBuf::from(shown(&self.find()?.build()?.path)))
    }
}

impl Source {
    /// Builds the plugin. Messages of the compiler go to stderr.
    pub(super) fn build(&self) -> Result<Artifact, Failure> {
        Ok(self.project.build(&self.toolchain)?)
    }
}

impl Build {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let source = self.plugin.find()?;
        let Artifact { path, bytes, changed } = source.build()?;
        if globals.json {
            let target = source.project.target().word();
            print::json(
                &json!({ "path": path, "bytes": bytes, "changed": changed, "target": target }),
            )?;
        } else {
            print::line(&print::lines(&shown(&path)))?;
        }
        Ok(Outcome::Done)
    }
}

/// A path as a person would write it.
pub(super) fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match &error.kind {
            // Its messages were on stderr already.
            BuildErrorKind::Cargo { status, .. } => Self::new(format!(
                "cannot build {}: cargo failed ({status})",
                shown(&error.manifest)
            ))
            .hint("the compiler's messages above say where"),
            BuildErrorKind::NoPlugin
            | BuildErrorKind::SeveralPlugins(_)
            | BuildErrorKind::NoSuchPackage { .. }
            | BuildErrorKind::NotAPlugin(_) => Self::of_lines(error.to_string()).caused_by_caller(),
            _ => Self::of_lines(error.to_string()),
        }
    }
}
