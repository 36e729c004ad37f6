//! Wakes the reconciler when the plugin folder or the configuration file may have changed. Folders
//! are watched, never the files in them: a file that is replaced by rename has another inode. A
//! link on the path to the folder is watched in the folder that holds it, because that is where it
//! is swapped. Events may be lost or late: inotify has limits, and network file systems send none.
//! So the reconciler also runs at each `host.rescan`, and an event only wakes it. A folder that is
//! moved away takes its watch with it, and the watcher forgets it by its path, even if that path
//! leads to a folder again by then, or to the same one. So any event about a watched folder itself
//! makes all watches doubtful, and all of them are set again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::signal::Signal;

/// The entries of a folder whose events matter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Interest {
    /// Every entry.
    All,
    /// These entries, and those that begin with `..`, which `ConfigMap`s swap.
    Names(BTreeSet<OsString>),
}

type Interests = BTreeMap<PathBuf, Interest>;

/// The watcher, and the folders that it watches.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    interests: Arc<Mutex<Interests>>,
    signal: Signal,
    /// Whether a watched folder was moved or removed, perhaps with its watch.
    doubtful: Arc<AtomicBool>,
    /// The watched folders, with their inodes: another folder with the same name has another inode.
    watched: BTreeMap<PathBuf, Option<(u64, u64)>>,
}

impl Watch {
    /// A watcher without any watched folder.
    pub(crate) fn new(signal: Signal) -> notify::Result<Self> {
        let interests = Arc::new(Mutex::new(Interests::new()));
        let shared = Arc::clone(&interests);
        let own = signal.clone();
        let doubtful = Arc::new(AtomicBool::new(false));
        let doubt = Arc::clone(&doubtful);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let interests = shared.lock().unwrap_or_else(PoisonError::into_inner);
            // An error means that events were lost: then anything may have changed.
            if event.as_ref().map_or(true, |event| moves_watched(event, &interests)) {
                doubt.store(true, Ordering::SeqCst);
            }
            if event.map_or(true, |event| matters(&event, &interests)) {
                signal.wake();
            }
        })?;
        Ok(Self { watcher, interests, signal: own, doubtful, watched: BTreeMap::new() })
    }

    /// Watches the folders on the paths to `folder` and `file`. Called before each reconciliation,
    /// so that a change during it is seen after it.
    ///
    /// # Errors
    ///
    /// The first folder that cannot be watched; the others are.
    pub(crate) fn follow(&mut self, folder: &Path, file: Option<&Path>) -> notify::Result<()> {
        // Events name absolute paths.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let interests = interests(&absolute(folder), file.map(absolute).as_deref());
        let current: BTreeMap<PathBuf, Option<(u64, u64)>> =
            interests.keys().map(|path| (path.clone(), inode(path))).collect();
        *self.interests.lock().unwrap_or_else(PoisonError::into_inner) = interests;
        let doubtful = self.doubtful.swap(false, Ordering::SeqCst);
        if !doubtful && current == self.watched {
            return Ok(());
        }
        for path in self.watched.keys() {
            // The watch is gone already if its folder is.
            let _ = self.watcher.unwatch(path);
        }
        self.watched.clear();
        let mut failed = None;
        for (path, inode) in current {
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path, inode)),
                // The folder was removed meanwhile.
                Err(_) if !path.exists() => {}
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        // A change between reading the folder and watching it gave no event.
        self.signal.wake();
        Ok(())
    }
}

/// Whether an event says that a watched folder itself was moved or removed.
fn moves_watched(event: &Event, interests: &Interests) -> bool {
    let kind = matches!(event.kind, EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)));
    kind && event.paths.iter().any(|path| interests.contains_key(path))
}

/// Whether an event says that something may have changed.
fn matters(event: &Event, interests: &Interests) -> bool {
    let changes = match event.kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        _ => true,
    };
    changes && (event.paths.is_empty() || event.paths.iter().any(|path| is_of(path, interests)))
}

fn is_of(path: &Path, interests: &Interests) -> bool {
    // The watched folder itself: moved, deleted, unmounted.
    if interests.contains_key(path) {
        return true;
    }
    let (Some(folder), Some(name)) = (path.parent(), path.file_name()) else { return false };
    match interests.get(folder) {
        Some(Interest::All) => true,
        Some(Interest::Names(names)) => {
            names.contains(name) || name.as_encoded_bytes().starts_with(b"..")
        }
        None => false,
    }
}

/// The folders to watch, and the entries of each that matter.
fn interests(folder: &Path, file: Option<&Path>) -> Interests {
    let mut interests = Interests::new();
    add_path_to(folder, &mut interests);
    if let Some(file) = file {
        add_path_to(file, &mut interests);
    }
    if folder.is_dir() {
        interests.insert(folder.to_owned(), Interest::All);
    }
    interests
}

/// Adds the folder that holds `path`, the nearest one that exists, and the folders of all links on
/// the path.
fn add_path_to(path: &Path, interests: &mut Interests) {
    let mut ancestors: Vec<&Path> = path.ancestors().collect();
    ancestors.reverse();
    let mut missing = false;
    for ancestor in ancestors {
        let Some(name) = ancestor.file_name() else { continue };
        let metadata = fs::symlink_metadata(ancestor).ok();
        let is_link = metadata.as_ref().is_some_and(fs::Metadata::is_symlink);
        let first_missing = metadata.is_none() && !missing;
        missing |= metadata.is_none();
        if is_link || first_missing || (ancestor == path && !missing) {
            add(ancestor, name, interests);
        }
        if is_link && let Ok(target) = fs::read_link(ancestor) {
            // A link to a link: the second one is swapped in another folder.
            let holder = ancestor.parent().unwrap_or(Path::new("."));
            let target = holder.join(target);
            if fs::symlink_metadata(&target).is_ok_and(|it| it.is_symlink())
                && let Some(name) = target.file_name()
            {
                add(&target, name, interests);
            }
        }
    }
}

fn add(path: &Path, name: &std::ffi::OsStr, interests: &mut Interests) {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    if !folder.is_dir() {
        return;
    }
    let interest =
        interests.entry(folder.to_owned()).or_insert_with(|| Interest::Names(BTreeSet::new()));
    if let Interest::Names(names) = interest {
        names.insert(name.to_owned());
    }
}

#[cfg(unix)]
fn inode(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn inode(path: &Path) -> Option<(u64, u64)> {
    fs::metadata(path).ok().map(|_| (0, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrelated_files_and_reads_do_not_matter() {
        let root = tempfile::tempdir().unwrap();
        let (folder, config) = (root.path().join("plugins"), root.path().join("config.toml"));
        fs::create_dir(&folder).unwrap();
        fs::write(&config, "").unwrap();
        let interests = interests(&folder, Some(&config));
        let event = |kind, path: PathBuf| matters(&Event::new(kind).add_path(path), &interests);
        let create = EventKind::Create(notify::event::CreateKind::File);
        let open = EventKind::Access(AccessKind::Open(AccessMode::Read));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert!(event(create, folder.join("a.wasm")));
        assert!(event(closed, config.clone()));
        assert!(event(create, root.path().join("..data")));
        assert!(event(create, folder.clone()));
        assert!(!event(open, folder.join("a.wasm")));
        assert!(!event(create, root.path().join("something-else")));
    }

    #[test]
    fn a_missing_folder_is_awaited_where_it_would_appear() {
        let root = tempfile::tempdir().unwrap();
        let interests = interests(&root.path().join("a/b/c"), None);
        assert_eq!(interests[root.path()], Interest::Names([OsString::from("a")].into()));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_watched_in_the_folder_that_holds_them() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("v1/plugins");
        fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink("v1", root.path().join("current")).unwrap();
        let interests = interests(&root.path().join("current/plugins"), None);
        assert_eq!(interests[root.path()], Interest::Names([OsString::from("current")].into()));
        assert_eq!(interests[&root.path().join("current/plugins")], Interest::All);
    }
}
