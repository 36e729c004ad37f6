//! Builds plugins in Rust: one cargo call for each plugin whose inputs changed.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, IsTerminal, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Stdio};
use std::thread;
use std::time::SystemTime;

use cargo_metadata::Message;

use crate::error::BuildErrorKind;
use crate::fresh::{self, Stamp};
use crate::manifest::{Plugin, Workspace};
use crate::run::Tail;
use crate::toolchain::Kit;
use crate::{BuildError, Target, Toolchain};

/// The first bytes of a component: `\0asm`, version 13, layer 1. A core module has version 1, layer 0.
const COMPONENT: [u8; 8] = [0x00, 0x61, 0x73, 0x6d, 0x0d, 0x00, 0x01, 0x00];

/// A build of one plugin, or of all the plugins of a workspace.
#[derive(Clone, Debug)]
pub struct Build {
    /// The plugin's manifest, or that of a workspace of plugins.
    pub manifest_path: PathBuf,
    /// One plugin of the workspace; without it, all of them.
    pub package: Option<String>,
    /// Builds for this target, whatever the manifests say.
    pub target: Option<Target>,
    /// Builds with optimisation.
    pub release: bool,
    /// Cargo features to switch on.
    pub features: Vec<String>,
    /// Cargo's target folder; by default `target/guests` of the workspace. It must not be the host's
    /// own target folder: each build would wait for the other's lock.
    pub target_dir: Option<PathBuf>,
}

/// A plugin that was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Built {
    /// The plugin's package.
    pub package: String,
    /// The target it was built for.
    pub target: Target,
    /// The file, in the build's own folder. To put it into a watched folder, copy it to a temporary name
    /// there and rename it.
    pub path_to_component: PathBuf,
    /// The size of the file.
    pub bytes: u64,
}

/// The plugins and folders of a build.
struct Plan {
    plugins: Vec<Plugin>,
    /// The workspace's folder.
    root: PathBuf,
    /// Cargo's target folder.
    target_dir: PathBuf,
}

impl Build {
    /// A release build of every plugin of the manifest, each for the target that its manifest names.
    #[must_use]
    pub fn new(manifest_path: impl Into<PathBuf>) -> Self {
        Self {
            manifest_path: manifest_path.into(),
            package: None,
            target: None,
            release: true,
            features: Vec::new(),
            target_dir: None,
        }
    }

    /// The plugins that [`run`](Self::run) would build, by name.
    ///
    /// # Errors
    ///
    /// If a manifest cannot be read, or names a package or a target that does not exist.
    pub fn plugins(&self) -> Result<Vec<Plugin>, BuildError> {
        self.try_plugins().map_err(|kind| self.error(kind))
    }

    pub(crate) fn try_plugins(&self) -> Result<Vec<Plugin>, BuildErrorKind> {
        self.plan().map(|plan| plan.plugins)
    }

    /// Builds the plugins that changed, and returns all components, sorted by package. Cargo's
    /// messages go to standard error.
    ///
    /// # Errors
    ///
    /// The first failure. If cargo failed, the error has the last lines of its output.
    pub fn run(&self, toolchain: &Toolchain) -> Result<Vec<Built>, BuildError> {
        self.try_run(toolchain).map_err(|kind| self.error(kind))
    }

    fn error(&self, kind: BuildErrorKind) -> BuildError {
        BuildError { manifest: self.manifest_path.clone(), kind }
    }

    fn plan(&self) -> Result<Plan, BuildErrorKind> {
        let workspace = Workspace::read(&self.manifest_path)?;
        let root = workspace.root.clone();
        let target_dir = self.target_dir.clone().unwrap_or_else(|| root.join("target/guests"));
        Ok(Plan { plugins: workspace.select(self.package.as_deref())?, root, target_dir })
    }

    pub(crate) fn try_run(&self, toolchain: &Toolchain) -> Result<Vec<Built>, BuildErrorKind> {
        let Plan { plugins, root, target_dir } = self.plan()?;
        let mut by_target: BTreeMap<Target, Vec<Plugin>> = BTreeMap::new();
        for plugin in plugins {
            by_target.entry(self.target.unwrap_or(plugin.target)).or_default().push(plugin);
        }
        let mut built = Vec::new();
        for (target, plugins) in by_target {
            let kit = toolchain.kit(target)?;
            for plugin in plugins {
                let path = self.component(&kit, &plugin, &root, &target_dir)?;
                let bytes = match target {
                    Target::Native => fs::metadata(&path).map_err(at(&path))?.len(),
                    Target::Pure | Target::Wasi => component_size(&path)?,
                };
                let package = plugin.package;
                built.push(Built { package, target, path_to_component: path, bytes });
            }
        }
        built.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(built)
    }

    /// The plugin's file; cargo is called only if an input changed since the last build.
    fn component(
        &self,
        kit: &Kit,
        plugin: &Plugin,
        root: &Path,
        target_dir: &Path,
    ) -> Result<PathBuf, BuildErrorKind> {
        let recipe = format!("{:?}", (&self.manifest_path, self.release, &self.features, kit));
        let profile = if self.release { "release" } else { "debug" };
        let name = format!("{}-{}-{profile}", plugin.package, kit.target().triple());
        let stamp = Stamp::new(target_dir, &name, &recipe);
        if let Some(path) = stamp.component() {
            return Ok(path);
        }
        let began = SystemTime::now();
        let path = self.cargo(kit, plugin, target_dir)?;
        let path = path.ok_or_else(|| BuildErrorKind::NoArtifact(plugin.package.clone()))?;
        let mut others = fresh::configuration(root);
        others.extend([root.join("Cargo.lock"), root.join("Cargo.toml")]);
        others.extend(kit.programs());
        stamp.write(&path, &others, began);
        Ok(path)
    }

    /// Calls cargo for one plugin, and returns the plugin's file.
    fn cargo(
        &self,
        kit: &Kit,
        plugin: &Plugin,
        target_dir: &Path,
    ) -> Result<Option<PathBuf>, BuildErrorKind> {
        let mut command = kit.cargo_build();
        command.args(["--lib", "--message-format=json-render-diagnostics"]);
        command.arg("--manifest-path").arg(&self.manifest_path);
        command.arg("--target-dir").arg(target_dir);
        command.arg("--package").arg(&plugin.package);
        if self.release {
            command.arg("--release");
        }
        if !self.features.is_empty() {
            command.arg("--features").arg(self.features.join(","));
        }
        if io::stderr().is_terminal() {
            command.env("CARGO_TERM_COLOR", "always");
        }
        let cargo = PathBuf::from(command.get_program());
        let mut child =
            command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(at(&cargo))?;
        let echo = child.stderr.take().map(|pipe| thread::spawn(move || echo(pipe)));
        let mut file = None;
        if let Some(messages) = child.stdout.take() {
            for message in Message::parse_stream(BufReader::new(messages)) {
                let Message::CompilerArtifact(artifact) = message.map_err(at(&cargo))? else {
                    continue;
                };
                let ends = Some(kit.target().extension());
                let wasm = artifact.filenames.iter().find(|file| file.extension() == ends);
                if artifact.package_id == plugin.id {
                    file = wasm.map(|wasm| wasm.clone().into_std_path_buf()).or(file);
                }
            }
        }
        let status = child.wait().map_err(at(&cargo))?;
        let tail = echo.and_then(|echo| echo.join().ok()).unwrap_or_default();
        if status.success() {
            Ok(file)
        } else {
            Err(BuildErrorKind::Cargo { status: status.to_string(), tail })
        }
    }
}

/// Copies cargo's messages to standard error, line by line, and returns the last ones.
fn echo(pipe: ChildStderr) -> String {
    let mut tail = Tail::default();
    for line in BufReader::new(pipe).split(b'\n').map_while(Result::ok) {
        let mut stderr = io::stderr().lock();
        // A closed standard error must not end the build.
        let _ = stderr.write_all(&line).and_then(|()| stderr.write_all(b"\n"));
        tail.push(String::from_utf8_lossy(&line).into_owned());
    }
    tail.text()
}

fn component_size(path: &Path) -> Result<u64, BuildErrorKind> {
    let mut file = File::open(path).map_err(at(path))?;
    let mut found = Vec::new();
    (&mut file).take(COMPONENT.len() as u64).read_to_end(&mut found).map_err(at(path))?;
    if found != COMPONENT {
        return Err(BuildErrorKind::NotAComponent { path: path.to_owned(), found });
    }
    Ok(file.metadata().map_err(at(path))?.len())
}

/// An error of the system about this file or folder.
pub(crate) fn at(path: &Path) -> impl Fn(io::Error) -> BuildErrorKind {
    let path = path.to_owned();
    move |source| BuildErrorKind::Io { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_module_is_no_component() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.wasm");
        fs::write(&path, b"\0asm\x01\0\0\0").unwrap();
        let error = component_size(&path).unwrap_err();
        assert_eq!(error.reason(), "not-a-component");
        fs::write(&path, COMPONENT).unwrap();
        assert_eq!(component_size(&path).unwrap(), 8);
    }
}
