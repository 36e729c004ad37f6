//! Says "look again" when the plugin folder or the configuration file may have changed.
//!
//! It is the folders that are watched, never the files in them: a file that is renamed over
//! has another inode. A link on the way to the folder is watched in the folder that holds
//! it, because that is where it flips. Everything here may be lost or late — inotify has
//! limits, network file systems say nothing — which is why the reconciler also looks at a
//! slow timer, and why an event says no more than "look".
//!
//! A folder that is moved away takes its watch with it, and the watcher forgets it by its
//! path, even if that path leads to a folder again by then, or to the same one. So whatever
//! is heard of a watched folder itself makes all watches doubtful, and all of them are set again.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::signal::Signal;

/// What in a folder matters.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Interest {
    /// Every entry.
    All,
    /// These entries, and those that begin with `..`, which is where `ConfigMap`s flip.
    Names(BTreeSet<OsString>),
}

type Interests = BTreeMap<PathBuf, Interest>;

/// The watched folders, as they are now.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    interests: Arc<Mutex<Interests>>,
    again: Signal,
    /// Whether a watched folder moved or went, and perhaps its watch with it.
    doubtful: Arc<AtomicBool>,
    /// What is watched, and which inode it was: another folder by the same name is another
    /// folder.
    watched: BTreeMap<PathBuf, Option<(u64, u64)>>,
}

impl Watch {
    /// A watcher that watches nothing yet.
    pub(crate) fn new(signal: Signal) -> notify::Result<Self> {
        let interests = Arc::new(Mutex::new(Interests::new()));
        let shared = Arc::clone(&interests);
        let again = signal.clone();
        let doubtful = Arc::new(AtomicBool::new(false));
        let doubt = Arc::clone(&doubtful);
        let watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            let interests = shared.lock().unwrap_or_else(PoisonError::into_inner);
            // An error means that events were lost: then anything may have changed.
            if event.as_ref().map_or(true, |event| moves(event, &interests)) {
                doubt.store(true, Ordering::SeqCst);
            }
            if event.map_or(true, |event| matters(&event, &interests)) {
                signal.look();
            }
        })?;
        Ok(Self { watcher, interests, again, doubtful, watched: BTreeMap::new() })
    }

    /// Watches what leads to `folder` and to `file`. Called before each look, so that what
    /// changes during the look is seen after it.
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
            // Gone already, if its folder is.
            let _ = self.watcher.unwatch(path);
        }
        self.watched.clear();
        let mut failed = None;
        for (path, inode) in current {
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => drop(self.watched.insert(path, inode)),
                // It went meanwhile.
                Err(_) if !path.exists() => {}
                Err(error) => drop(failed.get_or_insert(error)),
            }
        }
        if let Some(error) = failed {
            return Err(error);
        }
        // A change between looking at the folder and watching it gave no event.
        self.again.look();
        Ok(())
    }
}

/// Whether an event says that a watched folder itself moved or went.
fn moves(event: &Event, interests: &Interests) -> bool {
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

/// The folders to watch, and what in them matters.
fn interests(folder: &Path, file: Option<&Path>) -> Interests {
    let mut interests = Interests::new();
    way_to(folder, &mut interests);
    if let Some(file) = file {
        way_to(file, &mut interests);
    }
    if folder.is_dir() {
        interests.insert(folder.to_owned(), Interest::All);
    }
    interests
}

/// Adds the folder that holds `path`, the nearest one that exists, and the folders of all
/// links on the way.
fn way_to(path: &Path, interests: &mut Interests) {
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
            // A link to a link: the next one flips in a folder of its own.
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
    fn neighbours_and_reads_do_not_matter() {
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
    fn links_are_watched_where_they_flip() {
        let root = tempfile::tempdir().unwrap();
        let real = root.path().join("v1/plugins");
        fs::create_dir_all(&real).unwrap();
        std::os::unix::fs::symlink("v1", root.path().join("current")).unwrap();
        let interests = interests(&root.path().join("current/plugins"), None);
        assert_eq!(interests[root.path()], Interest::Names([OsString::from("current")].into()));
        assert_eq!(interests[&root.path().join("current/plugins")], Interest::All);
    }
}
