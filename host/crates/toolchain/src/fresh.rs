//! Whether a component is still what its inputs would give, told without starting cargo.
//!
//! After a build a *stamp* is left in the target folder: the recipe (compiler, flags, features), and
//! for each input its path, size and time of modification. The inputs are the source files that
//! cargo's own dep-info lists, their manifests and build scripts, the lock file, cargo's configuration,
//! the compiler, and the component itself. While all of them are as the stamp says, cargo would find
//! nothing to do either, for it compares the same times; but it takes a second a plugin to find that.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Raised when the form of a stamp changes, so that no old one is taken for a new one.
const FORM: &str = "plugbay stamp 1";

/// The stamp of one component.
pub(crate) struct Stamp {
    file: PathBuf,
    /// Whatever decides the bytes beside the inputs, as one line.
    recipe: String,
}

impl Stamp {
    /// The stamp called `name` in the folder that cargo works in, for this recipe.
    pub(crate) fn new(target_dir: &Path, name: &str, recipe: &str) -> Self {
        let file = target_dir.join("stamps").join(name);
        Self { file, recipe: recipe.replace('\n', " ") }
    }

    /// The component, if it was built by this recipe and nothing has changed since.
    pub(crate) fn component(&self) -> Option<PathBuf> {
        let text = fs::read_to_string(&self.file).ok()?;
        let mut lines = text.lines();
        if lines.next() != Some(FORM) || lines.next() != Some(&*self.recipe) {
            return None;
        }
        let component = PathBuf::from(lines.next()?);
        let unchanged = |line: &str| {
            line.split_once('\t').is_some_and(|(was, path)| was == state(Path::new(path)))
        };
        lines.all(unchanged).then_some(component)
    }

    /// Leaves the stamp of a component that a build made which began at `began`. `others` are inputs
    /// beside those that cargo's dep-info names.
    ///
    /// None is left if an input changed since then, for the build may have read it before or after.
    /// Neither is a stamp that cannot be written an error: the next build then starts cargo.
    pub(crate) fn leave(&self, component: &Path, others: &[PathBuf], began: SystemTime) {
        let Ok(sources) = sources(&component.with_extension("d")) else { return };
        let manifests = manifests(&sources);
        let inputs: BTreeSet<&PathBuf> = sources.iter().chain(&manifests).chain(others).collect();
        if inputs.iter().any(|path| modified(path).is_some_and(|at| at >= began)) {
            let _ = fs::remove_file(&self.file);
            return;
        }
        let mut lines = vec![FORM.to_owned(), self.recipe.clone(), text(component)];
        let states = inputs.into_iter().map(PathBuf::as_path).chain([component]);
        lines.extend(states.map(|path| format!("{}\t{}", state(path), text(path))));
        let folder = self.file.parent().unwrap_or(Path::new("."));
        let _ = fs::create_dir_all(folder).and_then(|()| fs::write(&self.file, lines.join("\n")));
    }
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

/// Size and time of modification, in a word.
fn state(path: &Path) -> String {
    let Ok(metadata) = fs::metadata(path) else { return "absent".to_owned() };
    let since = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    format!("{} {}", metadata.len(), since.unwrap_or_default().as_nanos())
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}

/// The files that cargo's dep-info names: `component: source source …`, blanks escaped.
fn sources(dep_info: &Path) -> io::Result<Vec<PathBuf>> {
    let text = fs::read_to_string(dep_info)?;
    let listed = text.lines().next().and_then(|line| line.split_once(": "));
    let (_, listed) = listed.ok_or(io::ErrorKind::InvalidData)?;
    let joined = listed.replace("\\ ", "\0");
    Ok(joined.split_whitespace().map(|path| PathBuf::from(path.replace('\0', " "))).collect())
}

/// Of each package that has one of the files: its manifest, and its build script if it had one.
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

/// Cargo's configuration for a package in `folder`, whether it is there or not.
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
        let leave = || stamp.leave(&component, std::slice::from_ref(&lock), later());
        assert_eq!(stamp.component(), None);
        leave();
        assert_eq!(stamp.component(), Some(component.clone()));
        assert_eq!(Stamp::new(folder.path(), "one", "another").component(), None);
        let changes = ["a package/src/lib.rs", "a package/Cargo.toml", "Cargo.lock", "out.wasm"];
        for change in changes.into_iter().chain(["a package/build.rs"]) {
            leave();
            fs::write(folder.path().join(change), "something longer than before").unwrap();
            assert_eq!(stamp.component(), None, "{change}");
            fs::write(folder.path().join(change), "x").unwrap();
        }
        leave();
        fs::remove_file(&lock).unwrap();
        assert_eq!(stamp.component(), None);
    }

    #[test]
    fn what_changes_during_a_build_leaves_no_stamp() {
        let (folder, component) = built();
        let stamp = Stamp::new(folder.path(), "one", "recipe");
        stamp.leave(&component, &[], later());
        stamp.leave(&component, &[], UNIX_EPOCH);
        assert_eq!(stamp.component(), None);
        fs::remove_file(component.with_extension("d")).unwrap();
        stamp.leave(&component, &[], later());
        assert_eq!(stamp.component(), None, "without dep-info nothing is known");
    }
}
