//! Files that may change at any time: what a name leads to, before it is opened, and whether a file
//! is still as it was.

use std::fs::{self, Metadata};
use std::io;
use std::path::Path;
use std::time::{Duration, Instant, SystemTime};

/// How long a file that looks unfinished must be unchanged before it counts as it is.
pub(crate) const SETTLE: Duration = Duration::from_secs(2);

/// The metadata of a regular file, or what was found instead. Called before opening: opening a pipe
/// waits until a program writes to it.
pub(crate) fn regular(path: &Path) -> io::Result<Result<Metadata, &'static str>> {
    let metadata = match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && path.is_symlink() => {
            return Ok(Err("a dangling link"));
        }
        metadata => metadata?,
    };
    Ok(match metadata.file_type() {
        kind if kind.is_file() => Ok(metadata),
        kind if kind.is_dir() => Err("a folder"),
        _ => Err("a pipe, a socket or a device"),
    })
}

/// The metadata that changes when a file changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    size: u64,
    modified: Option<SystemTime>,
    /// Device and inode, where the system has them.
    inode: (u64, u64),
    /// Seconds and nanoseconds of the last change of the metadata, where the system has them.
    changed: (i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let (inode, changed) = {
            use std::os::unix::fs::MetadataExt;
            ((metadata.dev(), metadata.ino()), (metadata.ctime(), metadata.ctime_nsec()))
        };
        #[cfg(not(unix))]
        let (inode, changed) = ((0, 0), (0, 0));
        Self { size: metadata.len(), modified: metadata.modified().ok(), inode, changed }
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// Whether both are of the same file, which was then written in place. Always true where the
    /// system has no inodes.
    pub(crate) fn is_same_file(&self, other: &Self) -> bool {
        self.inode == other.inode
    }

    /// The time since the file's last modification, by its time stamp; zero if that is in the future.
    fn age(&self) -> Duration {
        self.modified.and_then(|modified| modified.elapsed().ok()).unwrap_or_default()
    }
}

/// A file as it was seen last, and since when it is seen so.
#[derive(Debug)]
pub(crate) struct Seen {
    /// `None` while there is no file.
    stamp: Option<Stamp>,
    since: Instant,
}

impl Seen {
    pub(crate) fn now(stamp: Option<Stamp>) -> Self {
        Self { stamp, since: Instant::now() }
    }

    /// For how long the file has not changed: the time since its last modification, by its time stamp,
    /// or since it was first seen as it is now, whichever is longer. (A time stamp may be in the
    /// future.) Notes that it is seen so now.
    pub(crate) fn age(&mut self, stamp: Option<&Stamp>) -> Duration {
        if self.stamp.as_ref() != stamp {
            *self = Self::now(stamp.cloned());
        }
        stamp.map(Stamp::age).unwrap_or_default().max(self.since.elapsed())
    }
}
