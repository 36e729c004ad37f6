//! Appends lines to the audit log.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::line::{Act, Line, Phase, hash};
use super::tail::Tail;

/// Why an audit log cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// It cannot be opened or written.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// The operating system's error.
        source: io::Error,
    },
    /// Its last line is something else.
    #[error("expected an audit log, found another last line in {}", path.display())]
    Other {
        /// The file.
        path: PathBuf,
    },
    /// Another process keeps it locked.
    #[error("expected to lock {} within {WAIT:?}, found that another process keeps it locked", path.display())]
    Locked {
        /// The file.
        path: PathBuf,
    },
}

impl AuditError {
    /// What to do about it.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Write { .. } => "let the host's user write to it, and make room".into(),
            Self::Other { .. } => {
                "move it away; `plugbay audit verify` says where it breaks".into()
            }
            Self::Locked { .. } => {
                "end the process that keeps it locked; `fuser FILE` names it".into()
            }
        }
    }
}

/// The audit log of a host.
pub(crate) struct AuditLog {
    path: PathBuf,
    open: Mutex<Open>,
    /// Lines that could not be written.
    failed: AtomicU64,
}

/// How long another process may keep the file locked.
const WAIT: Duration = Duration::from_secs(5);
/// The pause between two attempts to lock it.
const PAUSE: Duration = Duration::from_millis(5);

/// The file, and the end of its chain.
///
/// Two processes write to it while one replaces the other. Each locks the file while it writes a line. If the file has
/// another length than after its own last line, the other one has written, and it reads the end of the chain again.
struct Open {
    file: File,
    tail: Tail,
    /// The length of the file at `tail`.
    length: u64,
}

impl AuditLog {
    /// Opens the file, or makes one that only its owner may read, and continues its chain.
    pub(crate) fn open(path: PathBuf) -> Result<Self, AuditError> {
        let open = Open::new(&path)?;
        Ok(Self { path, open: Mutex::new(open), failed: AtomicU64::new(0) })
    }

    /// Appends a line. When this returns, it is on the disk. May block.
    pub(crate) fn append(&self, phase: Phase, act: &Act) -> Result<(), AuditError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let appended = open.follow(&self.path).and_then(|before| {
            open.locked(&self.path, |open| {
                let appended = open.next(before, phase, act);
                appended.map_err(|error| failed(&self.path, error))
            })
        });
        if let Err(error) = &appended {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let hint = error.hint();
            tracing::error!(reason = "audit", %error, hint, "the audit log is not complete");
        }
        appended
    }

    /// How many lines could not be written.
    pub(crate) fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}

/// An error of the operating system at this file.
fn failed(path: &Path, source: io::Error) -> AuditError {
    AuditError::Write { path: path.to_owned(), source }
}

impl Open {
    fn new(path: &Path) -> Result<Self, AuditError> {
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(|error| failed(path, error))?;
        let mut open = Self { file, tail: Tail::none(), length: 0 };
        open.locked(path, |open| open.mend().map_err(|error| failed(path, error)))?;
        Ok(open)
    }

    /// Does something while no other process writes to the file, from the end of the chain that is in it.
    fn locked<T>(
        &mut self,
        path: &Path,
        act: impl FnOnce(&mut Self) -> Result<T, AuditError>,
    ) -> Result<T, AuditError> {
        let held = self.file.try_clone().map_err(|error| failed(path, error))?;
        let metadata = held.metadata().map_err(|error| failed(path, error))?;
        // A device has no chain, and nothing to lock.
        if !metadata.is_file() {
            return act(self);
        }
        lock(&held, path)?;
        let done = self.read(path).and_then(|()| act(self));
        // Also given back when the file is closed.
        let _ = held.unlock();
        done
    }

    /// Reads the end of the chain, if another process has written.
    fn read(&mut self, path: &Path) -> Result<(), AuditError> {
        let length = self.file.metadata().map_err(|error| failed(path, error))?.len();
        if length != self.length {
            let tail = Tail::read(&mut self.file).map_err(|error| failed(path, error))?;
            self.tail = tail.ok_or_else(|| AuditError::Other { path: path.to_owned() })?;
            self.length = length;
        }
        Ok(())
    }

    /// Ends a torn line, which stays as it is. The next line has its hash.
    fn mend(&mut self) -> io::Result<()> {
        if !self.tail.is_torn {
            return Ok(());
        }
        self.file.write_all(b"\n")?;
        self.length += 1;
        self.tail.is_torn = false;
        self.append(Phase::Torn, None)?;
        let line = self.tail.seq;
        tracing::warn!(line, "the last line of the audit log was torn; the chain goes on");
        Ok(())
    }

    /// Appends the line of an act, after those that its place needs: `before` is the end of a file that was moved away.
    fn next(&mut self, before: Option<Tail>, phase: Phase, act: &Act) -> io::Result<()> {
        self.mend()?;
        if let Some(before) = before.filter(|_| self.tail == Tail::none()) {
            self.tail = before;
            self.append(Phase::Continued, None)?;
        }
        self.append(phase, Some(act.clone()))
    }

    /// If the file was moved away, goes on with the one that is at the path now. Returns the end of the chain in the
    /// one that was moved.
    fn follow(&mut self, path: &Path) -> Result<Option<Tail>, AuditError> {
        if is_at(&self.file, path) {
            return Ok(None);
        }
        let before = self.locked(path, |open| Ok(open.tail.clone()))?;
        *self = Self::new(path)?;
        Ok(Some(before))
    }

    /// Adds a line to the end of the chain. If that fails, a part of the line may be in the file.
    fn append(&mut self, phase: Phase, act: Option<Act>) -> io::Result<()> {
        let seq = self.tail.seq + 1;
        let prev = self.tail.hash.clone();
        let line = Line { seq, at: SystemTime::now(), phase, act, prev };
        let mut bytes = serde_json::to_vec(&line)?;
        let hash = hash(&bytes);
        bytes.push(b'\n');
        let length = std::mem::take(&mut self.length) + bytes.len() as u64;
        self.file.write_all(&bytes)?;
        self.file.sync_data()?;
        self.tail = Tail { seq, hash, is_torn: false };
        self.length = length;
        Ok(())
    }
}

/// Locks the file, and waits for the other process that has it locked.
#[expect(clippy::disallowed_methods, reason = "no wait for the lock of a file has a deadline")]
fn lock(file: &File, path: &Path) -> Result<(), AuditError> {
    let end = Instant::now() + WAIT;
    // Another error is that of a file system without locks, where no other process waits for one.
    while matches!(file.try_lock(), Err(TryLockError::WouldBlock)) {
        if Instant::now() > end {
            return Err(AuditError::Locked { path: path.to_owned() });
        }
        std::thread::sleep(PAUSE);
    }
    Ok(())
}

/// Whether the file is still the one at this path.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    let id = |it: std::fs::Metadata| (it.dev(), it.ino());
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => id(open) == id(named),
        _ => false,
    }
}

#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::verify::{Broken, verify};
    use super::*;

    fn act() -> Act {
        Act {
            name: "ada".into(),
            role: "operator".into(),
            client: "127.0.0.1".into(),
            method: "POST".into(),
            path: "/v1/reload".into(),
            request_id: "r".into(),
        }
    }

    fn write(path: &Path, lines: usize) -> AuditLog {
        let log = AuditLog::open(path.to_owned()).unwrap();
        for _ in 0..lines {
            log.append(Phase::Asked, &act()).unwrap();
        }
        log
    }

    fn broken(path: &Path) -> Option<Broken> {
        verify(path).unwrap().broken
    }

    #[test]
    fn a_restart_continues_the_chain() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        drop(write(&path, 2));
        drop(write(&path, 1));
        let verified = verify(&path).unwrap();
        assert_eq!((verified.lines, verified.broken), (3, None));
        let last = fs::read_to_string(&path).unwrap();
        assert_eq!(verified.last, hash(last.lines().last().unwrap().as_bytes()));
    }

    #[test]
    fn any_change_is_noticed_at_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        drop(write(&path, 5));
        let text = fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let with = |changed: &[&str]| {
            fs::write(&path, changed.join("\n") + "\n").unwrap();
            broken(&path).map(|it| it.line)
        };
        assert_eq!(with(&lines), None);
        let eve = lines[1].replace("ada", "eve");
        assert_eq!(with(&[lines[0], &eve, lines[2], lines[3], lines[4]]), Some(3), "its successor");
        assert_eq!(with(&[lines[0], lines[2], lines[3], lines[4]]), Some(2), "removed");
        assert_eq!(with(&[lines[0], lines[1], lines[1], lines[2]]), Some(3), "twice");
        assert_eq!(with(&[lines[1], lines[0]]), Some(1), "swapped");
        assert_eq!(with(&[lines[1], lines[2]]), Some(1), "without its beginning");
        assert_eq!(with(&[lines[0], "nonsense", lines[1]]), Some(2));
        assert_eq!(with(&[lines[0], "nonsense"]), Some(2));
    }

    #[test]
    fn a_torn_last_line_is_kept_and_the_chain_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        drop(write(&path, 2));
        let whole = fs::read(&path).unwrap();
        for cut in [1, 50, whole.len() / 2 - 2] {
            fs::write(&path, &whole[..whole.len() - cut]).unwrap();
            if cut == 1 {
                // Only the end of the line is missing: the line itself is as it was.
                assert_eq!(broken(&path), None);
            } else {
                assert_eq!(broken(&path).unwrap().line, 2);
            }
            drop(write(&path, 1));
            let verified = verify(&path).unwrap();
            assert_eq!(verified.broken, None, "{}", fs::read_to_string(&path).unwrap());
            assert_eq!(verified.torn, 1);
        }
        // A torn line that nobody told of is a change.
        let text = fs::read_to_string(&path).unwrap();
        let cut: Vec<&str> = text.lines().filter(|line| !line.contains("\"torn\"")).collect();
        fs::write(&path, cut.join("\n") + "\n").unwrap();
        assert!(broken(&path).is_some());
    }

    #[test]
    fn a_file_that_is_moved_away_has_a_successor() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit"), folder.path().join("audit.1"));
        let log = write(&path, 2);
        fs::rename(&path, &moved).unwrap();
        log.append(Phase::Asked, &act()).unwrap();
        let (old, new) = (verify(&moved).unwrap(), verify(&path).unwrap());
        assert_eq!((old.broken, new.broken.clone(), new.lines), (None, None, 2));
        assert_eq!(new.continues, Some(old.last));
    }

    /// As while one process replaces another.
    #[test]
    fn two_processes_continue_one_chain() {
        let folder = tempfile::tempdir().unwrap();
        let (path, moved) = (folder.path().join("audit"), folder.path().join("audit.1"));
        let (old, new) = (write(&path, 2), write(&path, 1));
        std::thread::scope(|scope| {
            for log in [&old, &new, &old, &new] {
                scope.spawn(|| (0..20).for_each(|_| log.append(Phase::Asked, &act()).unwrap()));
            }
        });
        let verified = verify(&path).unwrap();
        assert_eq!((verified.lines, verified.broken), (83, None));
        fs::rename(&path, &moved).unwrap();
        new.append(Phase::Asked, &act()).unwrap();
        old.append(Phase::Asked, &act()).unwrap();
        let (old, new) = (verify(&moved).unwrap(), verify(&path).unwrap());
        assert_eq!((new.broken.clone(), new.lines), (None, 3));
        assert_eq!(new.continues, Some(old.last));
    }

    #[test]
    fn another_file_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit");
        fs::write(&path, "something else\n").unwrap();
        let error = AuditLog::open(path.clone()).map(drop).unwrap_err();
        assert!(matches!(error, AuditError::Other { .. }), "{error}");
        let missing = AuditLog::open(folder.path().join("no/folder")).map(drop);
        assert!(matches!(missing, Err(AuditError::Write { .. })));
    }

    /// The device on which nothing can be written.
    #[cfg(target_os = "linux")]
    #[test]
    fn what_cannot_be_written_is_an_error() {
        let log = AuditLog::open("/dev/full".into()).unwrap();
        assert!(matches!(log.append(Phase::Asked, &act()), Err(AuditError::Write { .. })));
        assert_eq!(log.failed(), 1);
    }
}
