//! Which folders must be watched, and which of their entries matter, to see every change of what a
//! path leads to.
//!
//! A path is resolved component by component, as the system does it. Each link on the way is watched in
//! the folder that holds it, because that is where it is swapped, and the file at the end in the folder
//! where it really is. The keys are such folders only, without links: the system has one watch for each
//! of them, whatever names lead to it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Component, Path, PathBuf};

use crate::change::folder::is_artifact_name;

/// The most links on one path: as many as the system follows.
const MAX_LINKS: usize = 40;
/// The most folders that are watched.
pub(crate) const MAX_FOLDERS: usize = 1024;

/// The entries of a folder whose events matter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Interest {
    /// Every entry.
    All,
    /// These entries, and those that begin with `..`, which `ConfigMap`s swap.
    Names(BTreeSet<OsString>),
}

impl Interest {
    pub(crate) fn contains(&self, name: &OsStr) -> bool {
        match self {
            Self::All => true,
            Self::Names(names) => {
                names.contains(name) || name.as_encoded_bytes().starts_with(b"..")
            }
        }
    }
}

/// Folders, and the entries of each that matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Places {
    pub(crate) folders: BTreeMap<PathBuf, Interest>,
    /// Whether there are more folders than [`MAX_FOLDERS`].
    pub(crate) exceeded: bool,
}

impl Places {
    /// Where changes of the configuration file, the plugin folder, and the files behind its links are
    /// seen.
    pub(crate) fn of(folder: &Path, file: Option<&Path>) -> Self {
        let mut places = Self::default();
        if let Some(file) = file {
            places.add(file);
        }
        if let Some(folder) = places.add(folder).filter(|folder| folder.is_dir()) {
            places.insert(&folder, None);
            for link in links(&folder) {
                places.add(&link);
            }
        }
        places
    }

    /// Adds the folders on the way to `path`, which is absolute, and returns what it leads to. If
    /// nothing is there, the first folder or file that is missing is awaited where it would appear.
    fn add(&mut self, path: &Path) -> Option<PathBuf> {
        let mut reached = PathBuf::new();
        // The components that are left, the next one last.
        let mut rest = components(path);
        let mut links = 0;
        while let Some(component) = rest.pop() {
            let name = match as_name(&component) {
                Step::Into(name) => name,
                Step::Up => {
                    reached.pop();
                    continue;
                }
                Step::Stay => continue,
                Step::Root => {
                    reached.push(&component);
                    continue;
                }
            };
            let next = reached.join(name);
            let Ok(metadata) = fs::symlink_metadata(&next) else {
                self.insert(&reached, Some(name));
                return None;
            };
            if metadata.is_symlink() {
                self.insert(&reached, Some(name));
                links += 1;
                if links > MAX_LINKS {
                    return None;
                }
                rest.extend(components(&fs::read_link(&next).ok()?));
                continue;
            }
            if rest.is_empty() || !metadata.is_dir() {
                self.insert(&reached, Some(name));
                return rest.is_empty().then_some(next);
            }
            reached = next;
        }
        Some(reached)
    }

    /// Adds an entry of a folder, or all of them.
    fn insert(&mut self, folder: &Path, name: Option<&OsStr>) {
        if !self.folders.contains_key(folder) && self.folders.len() >= MAX_FOLDERS {
            self.exceeded = true;
            return;
        }
        let none = || Interest::Names(BTreeSet::new());
        let interest = self.folders.entry(folder.to_owned()).or_insert_with(none);
        match (name, &mut *interest) {
            (None, _) => *interest = Interest::All,
            (Some(name), Interest::Names(names)) => drop(names.insert(name.to_owned())),
            (Some(_), Interest::All) => {}
        }
    }
}

/// The links in a folder that may lead to artifacts.
fn links(folder: &Path) -> Vec<PathBuf> {
    // What cannot be listed is refused by the reconciliation.
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let links = entries.filter(|entry| entry.file_type().is_ok_and(|it| it.is_symlink()));
    let mut links: Vec<PathBuf> = links.map(|entry| entry.path()).collect();
    links.retain(|link| is_artifact_name(link));
    links.sort();
    links
}

/// The components of a path, the last one first.
fn components(path: &Path) -> Vec<OsString> {
    path.components().rev().map(|it| it.as_os_str().to_owned()).collect()
}

/// What a component of a path means.
enum Step<'a> {
    Root,
    Stay,
    Up,
    Into(&'a OsStr),
}

fn as_name(component: &OsStr) -> Step<'_> {
    match Path::new(component).components().next() {
        Some(Component::Normal(name)) => Step::Into(name),
        Some(Component::ParentDir) => Step::Up,
        Some(Component::CurDir) | None => Step::Stay,
        Some(Component::RootDir | Component::Prefix(_)) => Step::Root,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Interest {
        Interest::Names(names.iter().map(OsString::from).collect())
    }

    /// A new folder, by its path without links.
    fn root() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        (folder, path)
    }

    #[test]
    fn a_missing_folder_is_awaited_where_it_would_appear() {
        let (_root, root) = root();
        let places = Places::of(&root.join("a/b/c"), None);
        assert_eq!(places.folders, [(root, names(&["a"]))].into());
    }

    #[cfg(unix)]
    mod links {
        use std::os::unix::fs::symlink;

        use super::*;

        #[test]
        fn a_chain_of_links_is_watched_where_each_of_them_is() {
            let (_root, root) = root();
            for folder in ["etc", "repo", "releases/v1", "plugins"] {
                fs::create_dir_all(root.join(folder)).unwrap();
            }
            fs::write(root.join("releases/v1/config.toml"), "").unwrap();
            symlink("../repo/config.toml", root.join("etc/config.toml")).unwrap();
            symlink("../releases/current/config.toml", root.join("repo/config.toml")).unwrap();
            symlink(root.join("releases/v1"), root.join("releases/current")).unwrap();
            let places = Places::of(&root.join("plugins"), Some(&root.join("etc/config.toml")));
            let expected = [
                (root.clone(), names(&["plugins"])),
                (root.join("etc"), names(&["config.toml"])),
                (root.join("plugins"), Interest::All),
                (root.join("releases"), names(&["current"])),
                (root.join("releases/v1"), names(&["config.toml"])),
                (root.join("repo"), names(&["config.toml"])),
            ];
            assert_eq!(places.folders, expected.into());
        }

        #[test]
        fn artifacts_behind_links_are_watched_where_they_are() {
            let (_root, root) = root();
            for folder in ["plugins", "build", "elsewhere"] {
                fs::create_dir(root.join(folder)).unwrap();
            }
            fs::write(root.join("build/x.wasm"), "").unwrap();
            symlink("../build/x.wasm", root.join("plugins/a.wasm")).unwrap();
            symlink("../gone/y.wasm", root.join("plugins/dangling.wasm")).unwrap();
            symlink("round.wasm", root.join("plugins/round.wasm")).unwrap();
            symlink("../elsewhere/notes", root.join("plugins/notes.txt")).unwrap();
            // Two names of one folder are one place.
            symlink("plugins", root.join("link")).unwrap();
            let places = Places::of(&root.join("link"), Some(&root.join("plugins/config.toml")));
            let expected = [
                (root.clone(), names(&["gone", "link", "plugins"])),
                (root.join("build"), names(&["x.wasm"])),
                (root.join("plugins"), Interest::All),
            ];
            assert_eq!(places.folders, expected.into());
            assert!(!places.exceeded);
        }

        #[test]
        fn config_maps_are_watched_where_they_are_swapped() {
            let (_root, root) = root();
            fs::create_dir(root.join("..2026")).unwrap();
            fs::create_dir(root.join("plugins")).unwrap();
            fs::write(root.join("..2026/config.toml"), "").unwrap();
            symlink("..2026", root.join("..data")).unwrap();
            symlink("..data/config.toml", root.join("config.toml")).unwrap();
            let places = Places::of(&root.join("plugins"), Some(&root.join("config.toml")));
            assert_eq!(places.folders[&root.join("..2026")], names(&["config.toml"]));
            let swapped = &places.folders[&root];
            assert!(swapped.contains(OsStr::new("..data")), "{swapped:?}");
        }

        #[test]
        fn the_number_of_folders_is_bounded() {
            let (_root, root) = root();
            fs::create_dir(root.join("plugins")).unwrap();
            for number in 0..MAX_FOLDERS {
                fs::create_dir(root.join(number.to_string())).unwrap();
                let link = root.join(format!("plugins/{number}.wasm"));
                symlink(format!("../{number}/x.wasm"), link).unwrap();
            }
            let places = Places::of(&root.join("plugins"), Some(&root.join("config.toml")));
            assert_eq!((places.folders.len(), places.exceeded), (MAX_FOLDERS, true));
            assert_eq!(places.folders[&root.join("plugins")], Interest::All);
        }
    }
}
