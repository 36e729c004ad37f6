//! Reads from `cargo metadata` which packages are plugins, and the target of each.

use std::path::{Path, PathBuf};

use cargo_metadata::{CrateType, Metadata, MetadataCommand, Package, PackageId};

use crate::error::BuildErrorKind;
use crate::{Target, environment};

/// A package that is built as a component.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plugin {
    /// The package's name.
    pub package: String,
    /// The target that its manifest names.
    pub target: Target,
    pub(crate) id: PackageId,
}

/// A workspace (or a lone package) of plugins.
pub(crate) struct Workspace {
    pub(crate) plugins: Vec<Plugin>,
    pub(crate) root: PathBuf,
    others: Vec<String>,
}

impl Workspace {
    pub(crate) fn read(manifest: &Path) -> Result<Self, BuildErrorKind> {
        let mut command = MetadataCommand::new();
        command.manifest_path(manifest).no_deps();
        for (name, _) in std::env::vars_os() {
            if name.to_str().is_some_and(environment::leaks) {
                command.env_remove(name);
            }
        }
        let metadata =
            command.exec().map_err(|error| BuildErrorKind::Manifest(error.to_string()))?;
        Self::of(&metadata)
    }

    fn of(metadata: &Metadata) -> Result<Self, BuildErrorKind> {
        // For the manifest of a package these are the package alone, even in a larger workspace.
        let members = metadata.workspace_default_packages();
        let mut workspace = Self {
            plugins: Vec::new(),
            root: metadata.workspace_root.clone().into(),
            others: Vec::new(),
        };
        for package in members {
            if is_plugin(package) {
                let target = target(package)?;
                let name = package.name.to_string();
                workspace.plugins.push(Plugin { package: name, target, id: package.id.clone() });
            } else {
                workspace.others.push(package.name.to_string());
            }
        }
        workspace.plugins.sort_by(|a, b| a.package.cmp(&b.package));
        Ok(workspace)
    }

    /// The plugin of that name; without a name, all plugins.
    pub(crate) fn select(self, package: Option<&str>) -> Result<Vec<Plugin>, BuildErrorKind> {
        let Some(name) = package else {
            return Ok(self.plugins);
        };
        if self.others.iter().any(|other| other == name) {
            return Err(BuildErrorKind::NotAPlugin(name.to_owned()));
        }
        let known = self.plugins.iter().map(|plugin| plugin.package.clone()).collect();
        match self.plugins.into_iter().find(|plugin| plugin.package == name) {
            Some(plugin) => Ok(vec![plugin]),
            None => Err(BuildErrorKind::NoSuchPackage { name: name.to_owned(), known }),
        }
    }
}

/// Whether a package builds a `cdylib`, or is a library with `[package.metadata.plugbay]`. The latter
/// need not list `cdylib`: with `crate-type = ["cdylib", "lib"]` the library's file name has no hash,
/// and two builds of it with different features would overwrite each other.
fn is_plugin(package: &Package) -> bool {
    let is_cdylib = package.targets.iter().any(|it| it.crate_types.contains(&CrateType::CDyLib));
    let is_library = package.targets.iter().any(cargo_metadata::Target::is_lib);
    is_cdylib || is_library && !package.metadata["plugbay"].is_null()
}

fn target(package: &Package) -> Result<Target, BuildErrorKind> {
    let value = &package.metadata["plugbay"]["target"];
    let word = match value {
        serde_json::Value::Null => return Ok(Target::default()),
        serde_json::Value::String(word) => word.clone(),
        other => other.to_string(),
    };
    word.parse()
        .map_err(|problem| BuildErrorKind::BadTarget { package: package.name.to_string(), problem })
}
