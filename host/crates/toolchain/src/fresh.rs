//! Checks whether a component is up to date, without starting cargo.
//!
//! A build writes a *stamp* into the target folder: the recipe (compiler, flags, features), and for
//! each input its path, size and modification time. The inputs are the source files that cargo's own
//! dep-info lists, their manifests and build scripts, the lock file, cargo's configuration, the
//! compiler, and the component itself. If none of them has changed since the stamp was written, cargo
//! would build nothing either, as it compares the same times; but it needs a second for each plugin.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The first line of a stamp. Its number changes with the format.
const FORMAT: &str = "plugbay stamp 1";

/// The stamp of one component.
pub(crate) struct Stamp {
    file: PathBuf,
    /// Everything besides the inputs that the component depends on, as one line.
    recipe: String,
}

impl Stamp {
    /// The stamp `name` in cargo's target folder, for this recipe.
    pub(crate) fn new(target_dir: &Path, name: &str, recipe: &str) -> Self {
        let file = target_dir.join("stamps").join(name);
        Self { file, recipe: recipe.replace('\n', " ") }
    }

    /// The component, if it was built by this recipe and no input has changed since.
    pub(crate) fn component(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(&self.file).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(FORMAT) || lines.next() != Some(&*self.recipe) {
            return None;
        }
        let component = PathBuf::from(lines.next()?);
        let unchanged = |line: &str| {
            line.split_once('\t').is_some_and(|(was, path)| was == state(Path::new(path)))
        };
        lines.all(unchanged).then_some(component)
    }

    /// Writes the stamp of a component whose build began at `began`. `others` are inputs that cargo's
    /// dep-info does not list.
    ///
    /// If an input changed since `began`, the stamp is removed instead: the build may have read the
    /// input before or after the change. Errors are ignored: without a stamp the next build starts
    /// cargo.
    pub(crate) fn write(&self, component: &Path, others: &[PathBuf], began: SystemTime) {
        let Ok(sources) = sources(&component.with_extension("d")) else { return };
        let manifests = manifests(&sources);
        let inputs: BTreeSet<&PathBuf> = sources.iter().chain(&manifests).chain(others).collect();
        if inputs.iter().any(|path| modified(path).is_some_and(|at| at >= began)) {
            let _ = fs::remove_file(&self.file);
            return;
        }
        let mut lines = vec![FORMAT.to_owned(), self.recipe.clone(), text(component)];
        let states = inputs.into_iter().map(PathBuf::as_path).chain([component]);
        lines.extend(states.map(|path| format!("{}\t{}", state(path), text(path))));
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let _ = fs::create_dir_all(folder).and_then(|()| fs::write(&self.file, lines.join("\n")));
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// The size and the modification time of a file, as a text.
fn state(path: &Path) -> String {
    let Ok(metadata) = fs::metadata(path) else { return "absent".to_owned() };
    let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("{} {}", metadata.len(), since.unwrap_or_default().as_nanos())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The files that cargo's dep-info lists: `component: source source …`, with spaces escaped.
fn sources(dep_info: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(dep_info)?;
    let listed = text.lines().next().and_then(|line| line.split_once(": "));
    let (_, listed) = listed.ok_or(io::ErrorKind::InvalidData)?;
    let joined = listed.replace("\\ ", "\0");
    Ok(joined.split_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect())
}

/// For each package with one of these files: its manifest, and the path that its build script would
/// have.
fn manifests(sources: &[PathBuf]) -> BTreeSet<PathBuf> {
    let package = |source: &PathBuf| {
        let folder = source.ancestors().skip(1).find(|it| it.join("Cargo.toml").is_file());
        folder.map(Path::to_owned)
    };
    let packages: BTreeSet<PathBuf> = sources.iter().filter_map(package).collect();
    packages
        .iter()
        .flat_map(|folder| ["Cargo.toml", "build.rs"].map(|it| folder.join(it)))
        .collect()
}

/// The paths of cargo's configuration for a package in `folder`, whether the files exist or not.
pub(crate) fn configuration(folder: &Path) -> Vec<PathBuf> {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    let home = set("CARGO_HOME").or_else(|| set("HOME").map(|home| home.join(".cargo")));
    let above = folder.ancestors().map(|folder| folder.join(".cargo"));
    above.chain(home).map(|folder| folder.join("config.toml")).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// A package, its component, and the dep-info that cargo would write.
    fn built() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let package = folder.path().join("a package");
        fs::create_dir_all(package.join("src")).unwrap();
        fs::write(package.join("Cargo.toml"), "[package]").unwrap();
        fs::write(package.join("src/lib.rs"), "// one").unwrap();
        let component = folder.path().join("out.wasm");
        fs::write(&component, "component").unwrap();
        let source = text(&package.join("src/lib.rs")).replace(' ', "\\ ");
        let listed = format!("{}: {source}\n", text(&component));
        fs::write(component.with_extension("d"), listed).unwrap();
        (folder, component)
    }

    fn later() -> SystemTime {
        SystemTime::now() + Duration::from_mins(1)
    }

    #[test]
    fn a_component_is_fresh_until_an_input_or_the_recipe_changes() {
        let (folder, component) = built();
        let stamp = Stamp::new(folder.path(), "one", "recipe");
        let lock = folder.path().join("Cargo.lock");
        let write = || stamp.write(&component, std::slice::from_ref(&lock), later());
        assert_eq!(stamp.component(), None);
        write();
        assert_eq!(stamp.component(), Some(component.clone()));
        assert_eq!(Stamp::new(folder.path(), "one", "another").component(), None);
        let changes = ["a package/src/lib.rs", "a package/Cargo.toml", "Cargo.lock", "out.wasm"];
        for change in changes.into_iter().chain(["a package/build.rs"]) {
            write();
            fs::write(folder.path().join(change), "something longer than before").unwrap();
            assert_eq!(stamp.component(), None, "{change}");
            fs::write(folder.path().join(change), "x").unwrap();
        }
        write();
        fs::remove_file(&lock).unwrap();
        assert_eq!(stamp.component(), None);
    }

    #[test]
    fn no_stamp_is_written_if_an_input_changed_during_the_build() {
        let (folder, component) = built();
        let stamp = Stamp::new(folder.path(), "one", "recipe");
        stamp.write(&component, &[], later());
        stamp.write(&component, &[], UNIX_EPOCH);
        assert_eq!(stamp.component(), None);
        fs::remove_file(component.with_extension("d")).unwrap();
        stamp.write(&component, &[], later());
        assert_eq!(stamp.component(), None, "without dep-info nothing is known");
    }
}
