//! Wakes the reconciler when the plugin folder or the configuration file may have changed. Folders
//! are watched, never the files in them: a file that is replaced by rename has another inode.
//! [`places`](super::places) says which folders. Events may be lost or late: inotify has limits, and
//! network file systems send none. So the reconciler also runs at each `host.rescan`, and an event only
//! wakes it. A folder that is moved away takes its watch with it, and the watcher forgets it by its path,
//! even if that path leads to a folder again by then, or to the same one. So any event about a watched
//! folder itself makes all watches doubtful, and all of them are set again.

use std::collections::BTreeMap;
#[cfg(unix)]
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use super::places::{Interest, MAX_FOLDERS, Places};
use super::signal::Signal;

type Interests = BTreeMap<PathBuf, Interest>;
/// Device and inode of a folder, where the system has them.
type Inode = Option<(u64, u64)>;

/// The watcher, and the folders that it watches.
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    interests: Arc<Mutex<Interests>>,
    signal: Signal,
    /// Whether a watched folder was moved or removed, perhaps with its watch.
    doubtful: Arc<AtomicBool>,
    /// The watched folders, with their inodes: another folder with the same name has another inode.
    watched: BTreeMap<PathBuf, Inode>,
}

impl Watch {
    /// A watcher without any watched folder.
    pub(crate) fn new(signal: Signal) -> Result<Self, WatchError> {
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

    /// Watches the folders on the paths to `folder`, `file` and the files behind links in the folder.
    /// Called before each reconciliation, so that a change during it is seen after it.
    ///
    /// # Errors
    ///
    /// The first folder that cannot be watched; the others are.
    pub(crate) fn follow(&mut self, folder: &Path, file: Option<&Path>) -> Result<(), WatchError> {
        // Events name absolute paths.
        let absolute = |path: &Path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        let places = Places::of(&absolute(folder), file.map(absolute).as_deref());
        let exceeded = places.exceeded;
        let (folders, inodes) = merge(places.folders);
        *self.interests.lock().unwrap_or_else(PoisonError::into_inner) = folders;
        let doubtful = self.doubtful.swap(false, Ordering::SeqCst);
        let watcher = &mut self.watcher;
        self.watched.retain(|path, inode| {
            let stays = !doubtful && inodes.get(path) == Some(inode);
            if !stays {
                // The watch is gone already if its folder is.
                let _ = watcher.unwatch(path);
            }
            stays
        });
        let mut failed = exceeded.then_some(WatchError::TooManyFolders);
        let mut added = false;
        for (path, inode) in inodes {
            if self.watched.contains_key(&path) {
                continue;
            }
            match self.watcher.watch(&path, RecursiveMode::NonRecursive) {
                Ok(()) => {
                    self.watched.insert(path, inode);
                    added = true;
                }
                // The folder was removed meanwhile.
                Err(_) if !path.exists() => {}
                Err(error) => drop(failed.get_or_insert(error.into())),
            }
        }
        if added {
            // A change between reading the folder and watching it gave no event.
            self.signal.wake();
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Why changes of files are not seen, or not all of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum WatchError {
    #[error(transparent)]
    System(notify::Error),
    #[error("{0}; raise the limit fs.inotify.max_user_instances")]
    Instances(notify::Error),
    #[error("{0}; raise the limit fs.inotify.max_user_watches")]
    Watches(notify::Error),
    #[error(
        "links lead to more than {MAX_FOLDERS} folders, and changes in the others are seen when polling; \
         let the links lead to fewer folders"
    )]
    TooManyFolders,
}

impl From<notify::Error> for WatchError {
    fn from(error: notify::Error) -> Self {
        match &error.kind {
            ErrorKind::MaxFilesWatch => Self::Watches(error),
            ErrorKind::Io(io) if io.kind() == io::ErrorKind::StorageFull => Self::Watches(error),
            // The system gives no more inotify instances, or no more descriptors.
            ErrorKind::Io(io) if io.raw_os_error() == Some(EMFILE) => Self::Instances(error),
            _ => Self::System(error),
        }
    }
}

/// The number of the error "too many open files" on Linux, macOS and the BSDs.
const EMFILE: i32 = 24;

/// Leaves one path for each folder, with what matters under all its paths, and adds the inodes: the
/// system has one watch for a folder, even if it is mounted at several paths.
fn merge(places: Interests) -> (Interests, BTreeMap<PathBuf, Inode>) {
    let (mut folders, mut inodes) = (Interests::new(), BTreeMap::new());
    let mut paths: BTreeMap<Inode, PathBuf> = BTreeMap::new();
    for (path, interest) in places {
        let inode = inode(&path);
        let known = inode.is_some().then(|| paths.get(&inode)).flatten();
        if let Some(folder) = known.and_then(|path| folders.get_mut(path)) {
            merge_interests(folder, interest);
            continue;
        }
        paths.insert(inode, path.clone());
        inodes.insert(path.clone(), inode);
        folders.insert(path, interest);
    }
    (folders, inodes)
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
    interests.get(folder).is_some_and(|interest| interest.contains(name))
}

fn merge_interests(into: &mut Interest, other: Interest) {
    match (&mut *into, other) {
        (Interest::Names(names), Interest::Names(more)) => names.extend(more),
        _ => *into = Interest::All,
    }
}

#[cfg(unix)]
fn inode(path: &Path) -> Inode {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
fn inode(_path: &Path) -> Inode {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unrelated_files_and_reads_do_not_matter() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().canonicalize().unwrap();
        let (folder, config) = (path.join("plugins"), path.join("config.toml"));
        fs::create_dir(&folder).unwrap();
        fs::write(&config, "").unwrap();
        let interests = Places::of(&folder, Some(&config)).folders;
        let event = |kind, path: PathBuf| matters(&Event::new(kind).add_path(path), &interests);
        let create = EventKind::Create(notify::event::CreateKind::File);
        let open = EventKind::Access(AccessKind::Open(AccessMode::Read));
        let closed = EventKind::Access(AccessKind::Close(AccessMode::Write));
        assert!(event(create, folder.join("a.wasm")));
        assert!(event(closed, config.clone()));
        assert!(event(create, path.join("..data")));
        assert!(event(create, folder.clone()));
        assert!(!event(open, folder.join("a.wasm")));
        assert!(!event(create, path.join("something-else")));
    }
}
