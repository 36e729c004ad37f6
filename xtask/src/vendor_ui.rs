//! `vendor-ui`: fetches the modules of the dashboard from npm, checks them against the pinned digests, and writes them
//! with their licences where the server's sources have them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use data_encoding::{BASE64, HEXLOWER};
use serde::Deserialize;
use sha2::{Digest as _, Sha256, Sha512};

use crate::repository::Repository;

/// The folder of the modules, from the root of the repository.
pub(crate) const FOLDER: &str = "host/crates/server/ui/vendor";
/// The licences of the modules, in that folder.
pub(crate) const LICENCES: &str = "THIRD-PARTY.md";
/// The list of the packages, in that folder.
const MANIFEST: &str = "vendor.toml";

/// The list of the packages.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    #[serde(rename = "package")]
    pub(crate) packages: Vec<Package>,
    /// Which file a package's name in an import becomes.
    imports: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) version: String,
    /// An SPDX expression.
    pub(crate) licence: String,
    /// The digest of the package, as npm writes it: `sha512-` and base64.
    integrity: String,
    pub(crate) files: Vec<File>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// The path in the package.
    from: String,
    /// The name in the folder.
    pub(crate) to: String,
    /// The digest of what is in the folder.
    pub(crate) sha256: String,
}

impl Manifest {
    pub(crate) fn parse(text: &str) -> Result<Self> {
        Ok(toml::from_str(text)?)
    }
}

pub(crate) fn run() -> Result<bool> {
    let folder = Repository::find()?.root.join(FOLDER);
    let path = folder.join(MANIFEST);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let manifest = Manifest::parse(&text).with_context(|| path.display().to_string())?;
    let temporary = tempfile::tempdir()?;
    let mut licences = String::from(
        "# Software of others in the dashboard\n\nWritten by `cargo xtask vendor-ui` from the packages of npm that \
         `vendor.toml` names.\n",
    );
    let mut pinned = text.clone();
    let mut same = true;
    for package in &manifest.packages {
        let unpacked = fetch(package, temporary.path())?;
        let licence = fs::read_to_string(unpacked.join("LICENSE"))
            .with_context(|| format!("{}: expected a file LICENSE", package.name))?;
        let Package { name, version, licence: spdx, .. } = package;
        write!(licences, "\n## {name} {version} ({spdx})\n\n```text\n{}\n```\n", licence.trim())?;
        for file in &package.files {
            let source = unpacked.join(&file.from);
            let source = fs::read_to_string(&source)
                .with_context(|| format!("{name}: expected the file {}", file.from))?;
            let module = module(&source, &manifest.imports);
            let digest = sha256(module.as_bytes());
            if digest != file.sha256 {
                same = false;
                println!("{}: expected the digest {}, found {digest}", file.to, file.sha256);
                pinned = pinned.replace(&file.sha256, &digest);
            }
            fs::write(folder.join(&file.to), module)?;
        }
        println!("{name} {version}: {} files", package.files.len());
    }
    fs::write(folder.join(LICENCES), licences)?;
    if !same {
        fs::write(&path, pinned)?;
        println!("{MANIFEST} has the new digests: look at what changed before you commit it");
    }
    Ok(same)
}

/// Downloads a package, and unpacks it if it is the pinned one.
fn fetch(package: &Package, into: &Path) -> Result<std::path::PathBuf> {
    let Package { name, version, integrity, .. } = package;
    let folder = into.join(name.replace('/', "-"));
    fs::create_dir(&folder)?;
    let mut npm = Command::new("npm");
    npm.args(["pack", "--silent", "--ignore-scripts", &format!("{name}@{version}")]);
    let packed = npm.current_dir(&folder).output().context("cannot start npm")?;
    let said = String::from_utf8_lossy(&packed.stderr);
    ensure!(packed.status.success(), "npm pack {name}@{version}: {}", said.trim());
    let output = String::from_utf8(packed.stdout)?;
    let archive = folder.join(output.trim().lines().last().unwrap_or_default());
    let found = format!("sha512-{}", BASE64.encode(&Sha512::digest(fs::read(&archive)?)));
    ensure!(found == *integrity, "{name}@{version}: expected {integrity}, found {found}");
    let mut tar = Command::new("tar");
    tar.arg("xzf").arg(&archive).arg("-C").arg(&folder);
    ensure!(tar.status().context("cannot start tar")?.success(), "cannot unpack {name}@{version}");
    Ok(folder.join("package"))
}

/// A module whose imports are files beside it, because the page has no import map: its policy forbids inline scripts.
fn module(source: &str, imports: &BTreeMap<String, String>) -> String {
    let mut module = source.to_owned();
    for (name, file) in imports {
        for (from, to) in [('"', '"'), ('\'', '\'')] {
            for keyword in ["from", "import"] {
                let specifier = format!("{keyword}{from}{name}{to}");
                module = module.replace(&specifier, &format!("{keyword}\"{file}\""));
            }
        }
    }
    // A browser would ask for a file that is not served.
    match module.find("//# sourceMappingURL=") {
        Some(at) => format!("{}\n", module[..at].trim_end()),
        None => format!("{}\n", module.trim_end()),
    }
}

/// The digest of a file, in hexadecimal.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    HEXLOWER.encode(&Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_become_files_and_source_maps_are_left_out() {
        let imports = [("preact", "./preact.js"), ("preact/hooks", "./hooks.js")];
        let imports = imports.map(|(name, file)| (name.to_owned(), file.to_owned())).into();
        let source = "import{h}from\"preact\";import{a}from'preact/hooks';f(\"preact\")//# sourceMappingURL=a.map\n";
        let expected = "import{h}from\"./preact.js\";import{a}from\"./hooks.js\";f(\"preact\")\n";
        assert_eq!(module(source, &imports), expected);
    }
}
