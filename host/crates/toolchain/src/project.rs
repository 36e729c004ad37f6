//! The folder of one plugin: its language, and its file.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::build::at;
use crate::error::BuildErrorKind;
use crate::{Build, BuildError, Target, Toolchain, c, js};

/// The manifest of a plugin that is not in Rust.
const MANIFEST: &str = "plugbay.toml";
/// Where a plugin's file goes, below its folder.
const OUT: &str = "target/plugins";

/// The language of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Language {
    /// Rust, built by cargo.
    Rust,
    /// C, built by the C compiler of the machine.
    C,
    /// JavaScript, as a component with an interpreter in it.
    Js,
}

impl Language {
    /// The targets for which it is built.
    fn targets(self) -> &'static [Target] {
        match self {
            Self::Rust => &Target::ALL,
            Self::C => &[Target::Native],
            Self::Js => &[Target::Pure],
        }
    }

    fn check(self, target: Target) -> Result<(), BuildErrorKind> {
        let targets = self.targets();
        if targets.contains(&target) {
            return Ok(());
        }
        let known: Vec<_> = targets.iter().map(|target| target.word()).collect();
        let language = format!("{self:?}").to_lowercase();
        let known = known.join(", ");
        Err(BuildErrorKind::Manifest(format!(
            "plugin.target: expected {known} for the language {language}, found {target}"
        )))
    }
}

/// The folder of one plugin.
#[derive(Clone, Debug)]
pub struct Project {
    folder: PathBuf,
    /// `Cargo.toml` or `plugbay.toml`.
    manifest: PathBuf,
    name: String,
    language: Language,
    target: Target,
    /// The world of the WIT package that a component implements; in Rust the SDK knows it.
    world: Option<String>,
}

/// The file of a plugin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Artifact {
    /// The file, below the plugin's folder. It is replaced by a rename, and only if its bytes changed.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Whether its bytes are others than before the build.
    pub changed: bool,
}

/// `plugbay.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    plugin: PluginSection,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PluginSection {
    name: String,
    language: Language,
    target: Option<String>,
    world: Option<String>,
}

impl Project {
    /// The plugin of a folder. `package` names one of several in a cargo workspace.
    ///
    /// # Errors
    ///
    /// If the folder has no manifest, a manifest with a mistake, or several plugins of which none is named.
    pub fn find(folder: &Path, package: Option<&str>) -> Result<Self, BuildError> {
        let cargo = folder.join("Cargo.toml");
        let own = folder.join(MANIFEST);
        let (manifest, found) = match (own.exists(), cargo.exists()) {
            (true, _) => (own.clone(), Self::described(folder, own)),
            (false, true) => (cargo.clone(), Self::of_cargo(folder, cargo, package)),
            (false, false) => (folder.to_owned(), Err(BuildErrorKind::NoPlugin)),
        };
        found.map_err(|kind| BuildError { manifest, kind })
    }

    fn of_cargo(
        folder: &Path,
        manifest: PathBuf,
        package: Option<&str>,
    ) -> Result<Self, BuildErrorKind> {
        let package = package.map(str::to_owned);
        let mut plugins = Build { package, ..Build::new(&manifest) }.try_plugins()?;
        if plugins.len() > 1 {
            let known = plugins.into_iter().map(|plugin| plugin.package).collect();
            return Err(BuildErrorKind::SeveralPlugins(known));
        }
        let plugin = plugins.pop().ok_or(BuildErrorKind::NoPlugin)?;
        let (name, target) = (plugin.package, plugin.target);
        let (folder, language, world) = (folder.to_owned(), Language::Rust, None);
        Ok(Self { folder, manifest, name, language, target, world })
    }

    fn described(folder: &Path, manifest: PathBuf) -> Result<Self, BuildErrorKind> {
        let text = fs::read_to_string(&manifest).map_err(at(&manifest))?;
        let Manifest { plugin } =
            toml::from_str(&text).map_err(|error| BuildErrorKind::Manifest(error.to_string()))?;
        let PluginSection { name, language, target, world } = plugin;
        if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
            let message = format!("plugin.name: expected a name, found {name:?}");
            return Err(BuildErrorKind::Manifest(message));
        }
        let wrong = |problem| BuildErrorKind::Manifest(format!("plugin.target: {problem}"));
        let target = match (target, language.targets()) {
            (Some(word), _) => word.parse().map_err(wrong)?,
            (None, [first, ..]) => *first,
            (None, []) => Target::default(),
        };
        language.check(target)?;
        Ok(Self { folder: folder.to_owned(), manifest, name, language, target, world })
    }

    /// The plugin's name, which is that of its file.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// For what it is built.
    #[must_use]
    pub fn target(&self) -> Target {
        self.target
    }

    /// The same plugin, built for `target` instead.
    ///
    /// # Errors
    ///
    /// If its language is not built for that target.
    pub fn for_target(mut self, target: Target) -> Result<Self, BuildError> {
        if let Err(kind) = self.language.check(target) {
            return Err(BuildError { manifest: self.manifest, kind });
        }
        self.target = target;
        Ok(self)
    }

    /// Where its file is, built or not: `target/plugins/NAME.wasm`, or with the ending of libraries.
    #[must_use]
    pub fn path_to_artifact(&self) -> PathBuf {
        self.folder.join(OUT).join(format!("{}.{}", self.name, self.target.extension()))
    }

    /// What a build reads, and what is worth watching: files and folders below the plugin's.
    #[must_use]
    pub fn inputs(&self) -> Vec<PathBuf> {
        let names = ["src", "sdk", "build.rs", "Cargo.toml", "package.json", MANIFEST];
        names.iter().map(|name| self.folder.join(name)).filter(|path| path.exists()).collect()
    }

    /// Builds the plugin, with optimisation. The compiler's messages go to standard error.
    ///
    /// # Errors
    ///
    /// If there is no compiler, or it fails; the error then has the last lines of its output.
    pub fn build(&self, toolchain: &Toolchain) -> Result<Artifact, BuildError> {
        self.try_build(toolchain)
            .map_err(|kind| BuildError { manifest: self.manifest.clone(), kind })
    }

    fn try_build(&self, toolchain: &Toolchain) -> Result<Artifact, BuildErrorKind> {
        let path = self.path_to_artifact();
        let built = match self.language {
            Language::Rust => self.cargo(toolchain)?,
            Language::C => c::build(&self.folder, &self.name)?,
            Language::Js => js::build(&self.folder, &self.name, self.world())?,
        };
        let changed = install(&built, &path).map_err(at(&path))?;
        let bytes = fs::metadata(&path).map_err(at(&path))?.len();
        Ok(Artifact { path, bytes, changed })
    }

    fn world(&self) -> &str {
        self.world.as_deref().unwrap_or("plugin")
    }

    fn cargo(&self, toolchain: &Toolchain) -> Result<PathBuf, BuildErrorKind> {
        let build = Build {
            package: Some(self.name.clone()),
            target: Some(self.target),
            ..Build::new(&self.manifest)
        };
        let component = build.try_run(toolchain)?.pop();
        let component = component.ok_or_else(|| BuildErrorKind::NoArtifact(self.name.clone()))?;
        Ok(component.path_to_component)
    }
}

/// Copies `from` to `to`, unless they have the same bytes. A running host may watch `to`: the file is
/// replaced by a rename, so that the host never reads half of it, and an unchanged file causes no
/// event. Returns whether `to` was replaced.
///
/// # Errors
///
/// If a file cannot be read or written.
pub fn install(from: &Path, to: &Path) -> io::Result<bool> {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder)?;
    }
    // A name with a leading dot: a host that watches the folder ignores it.
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    let temporary = to.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, to)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unchanged_file_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to.wasm"));
        fs::write(&from, "one").unwrap();
        assert!(install(&from, &to).unwrap());
        assert!(!install(&from, &to).unwrap());
        fs::write(&from, "two").unwrap();
        assert!(install(&from, &to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_folder_without_a_manifest_has_no_plugin() {
        let folder = tempfile::tempdir().unwrap();
        let error = Project::find(folder.path(), None).unwrap_err();
        assert_eq!(error.kind.reason(), "no-plugin");
    }

    #[test]
    fn a_manifest_says_what_is_wrong_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let reason = |text: &str| {
            fs::write(folder.path().join(MANIFEST), text).unwrap();
            Project::find(folder.path(), None).unwrap_err().to_string()
        };
        let of = |name: &str, language: &str, target: &str| {
            format!("[plugin]\nname = {name:?}\nlanguage = {language:?}\ntarget = {target:?}\n")
        };
        assert!(reason(&of("a", "cobol", "native")).contains("unknown variant `cobol`"));
        assert!(reason(&of("a", "c", "wasm")).contains("expected \"pure\""));
        assert!(
            reason(&of("a", "c", "pure"))
                .contains("expected native for the language c, found pure")
        );
        assert!(reason(&of("../a", "c", "native")).contains("plugin.name"));
        fs::write(folder.path().join(MANIFEST), of("a", "c", "native")).unwrap();
        let project = Project::find(folder.path(), None).unwrap();
        assert_eq!((project.name(), project.target()), ("a", Target::Native));
        assert_eq!(project.for_target(Target::Wasi).unwrap_err().kind.reason(), "manifest");
    }
}
