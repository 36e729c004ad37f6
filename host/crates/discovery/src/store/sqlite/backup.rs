//! Copies of a directory's file: backups, and the way back.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags};

use super::error::{Failure, FileError};
use super::file::{self, Lock};
use super::rows;

/// By how much a restored directory's sequence goes on beyond the backup's: more than the changes that
/// were made since the backup, so that no number is given twice.
const JUMP: u64 = 1 << 32;
/// What SQLite may leave beside a file.
const COMPANIONS: [&str; 3] = ["-wal", "-shm", "-journal"];

/// A backup that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BackedUp {
    /// The endpoints in it.
    pub endpoints: usize,
}

/// A backup that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restored {
    /// The endpoints in it.
    pub endpoints: usize,
    /// Where the file is now that was there before.
    pub kept: Option<PathBuf>,
}

/// Writes what a directory's file holds to another file, while a server may use the first. The backup
/// is one moment of the directory, with everything that was acknowledged before the call.
///
/// The backup is written beside `target`, checked, and only then given its name, so the last backup is
/// there until the next one is good. Nothing else is replaced than a backup, whole or damaged, or an
/// empty file.
///
/// # Errors
///
/// If `file` is not a directory's or is damaged; if `target` is another kind of file, or a directory's
/// that a server uses or did not finish; or if the backup cannot be written.
pub fn back_up(file: &Path, target: &Path) -> Result<BackedUp, FileError> {
    let (file, target) = (file::absolute(file)?, file::absolute(target)?);
    differ(&file, &target)?;
    let _lock = replaceable(&target)?;
    let source = file::open_shared(&file)?;
    of_a_directory(&file, &source)?;
    let copy = Copy::of(&source, &target)?;
    let endpoints = copy.check()?;
    copy.publish(&target)?;
    Ok(BackedUp { endpoints })
}

/// Puts a backup in the place of a directory's file. No server may use the file.
///
/// The file that was there is kept beside the new one, as `FILE.replaced-1` and so on. If the call
/// fails, it is still in its place.
///
/// # Errors
///
/// If a server uses `file` or `backup`; if the backup is not a directory's, is damaged, or is of a newer
/// version; or if it cannot be written.
pub fn restore(backup: &Path, file: &Path) -> Result<Restored, FileError> {
    let (backup, file) = (file::absolute(backup)?, file::absolute(file)?);
    differ(&backup, &file)?;
    let _lock = Lock::take(&file)?;
    let _other = Lock::of_another(&backup)?;
    let source = file::open_idle(&backup)?;
    of_a_directory(&backup, &source)?;
    file::check_pages(&backup, &source, "integrity_check")?;
    rows::load(&backup, &source)?;
    let copy = Copy::of(&source, &file)?;
    copy.continue_beyond(newest(&file))?;
    let endpoints = copy.check()?;
    let kept = keep(&file)?;
    copy.publish(&file)?;
    Ok(Restored { endpoints, kept })
}

/// A copy that does not have its name yet.
struct Copy {
    partial: PathBuf,
    /// Tells another copy to the same target that this one is being written.
    _lock: File,
}

impl Copy {
    fn of(source: &Connection, target: &Path) -> Result<Self, FileError> {
        let partial = file::beside(target, ".partial");
        let io = |source| FileError::io(&partial, source);
        let lock = file::private().create(true).truncate(false).write(true).open(&partial);
        let lock = lock.map_err(io)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(FileError::new(&partial, Failure::InUse)),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        // What a copy left that was interrupted.
        lock.set_len(0).map_err(io)?;
        for end in COMPANIONS {
            remove(&file::beside(&partial, end))?;
        }
        let copy = Self { partial, _lock: lock };
        let mut connection = file::connect(&copy.partial, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let written = fill(source, &mut connection);
        drop(connection);
        match written {
            Ok(()) => Ok(copy),
            Err(source) => {
                let error = FileError::sqlite(&copy.partial, source);
                copy.abandon();
                Err(error)
            }
        }
    }

    /// Lets the copy's sequence begin beyond its own, and beyond that of the file which it replaces.
    fn continue_beyond(&self, replaced: u64) -> Result<(), FileError> {
        let connection = file::connect(&self.partial, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
        let own = rows::load(&self.partial, &connection)?.ceiling.unwrap_or_default().0;
        let ceiling = own.max(replaced).saturating_add(JUMP);
        let set = rows::set_ceiling(&connection, ceiling);
        set.map_err(|source| FileError::sqlite(&self.partial, source))
    }

    /// The number of endpoints, if the copy is whole.
    fn check(&self) -> Result<usize, FileError> {
        let connection = file::open_idle(&self.partial)?;
        of_a_directory(&self.partial, &connection)?;
        file::check_pages(&self.partial, &connection, "integrity_check")?;
        Ok(rows::load(&self.partial, &connection)?.endpoints.len())
    }

    /// Gives the copy its name, and waits for the disk.
    fn publish(self, target: &Path) -> Result<(), FileError> {
        let io = |source| FileError::io(&self.partial, source);
        File::open(&self.partial).and_then(|copy| copy.sync_all()).map_err(io)?;
        fs::rename(&self.partial, target).map_err(|source| FileError::io(target, source))?;
        file::sync_folder(target)
    }

    /// Gives back the space of a copy that failed, for the disk may be full.
    fn abandon(self) {
        for end in COMPANIONS {
            let _ = fs::remove_file(file::beside(&self.partial, end));
        }
        let _ = fs::remove_file(&self.partial);
    }
}

/// Copies all pages in one step, which is one moment of the source. In WAL mode its writer goes on. If
/// another process has locked the source, the step waits as long as [`file::connect`] says.
fn fill(source: &Connection, target: &mut Connection) -> rusqlite::Result<()> {
    if Backup::new(source, target)?.step(-1)? == StepResult::Done {
        // The copy has no log, so it is one file.
        return target.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(()));
    }
    let busy = rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY);
    Err(rusqlite::Error::SqliteFailure(busy, None))
}

/// Refuses to replace what is not a backup by one. The caller keeps the lock until it is replaced.
fn replaceable(target: &Path) -> Result<Option<Lock>, FileError> {
    let lock = Lock::of_another(target)?;
    if target.metadata().map_or(0, |it| it.len()) == 0 {
        return Ok(lock);
    }
    match file::open_idle(target).and_then(|it| of_a_directory(target, &it)) {
        // A damaged backup is of no use, and its successor is at hand.
        Err(error) if error.reason() != "file-corrupt" => Err(error),
        _ => Ok(lock),
    }
}

/// Moves a file aside. Its place is empty at no time: the file has two names until the new one takes
/// the first.
fn keep(file: &Path) -> Result<Option<PathBuf>, FileError> {
    if !file.exists() {
        return Ok(None);
    }
    // If it can be opened, its log becomes a part of it, and there is nothing else to keep.
    if let Ok(connection) = file::open(file) {
        let _ = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()));
    }
    for number in 1_u32.. {
        let kept = file::beside(file, &format!(".replaced-{number}"));
        match fs::hard_link(file, &kept) {
            Ok(()) => {
                // A log would be taken for the new file's.
                for end in COMPANIONS {
                    let (from, to) = (file::beside(file, end), file::beside(&kept, end));
                    match fs::rename(&from, &to) {
                        Err(source) if source.kind() != io::ErrorKind::NotFound => {
                            return Err(FileError::io(&from, source));
                        }
                        _ => {}
                    }
                }
                file::sync_folder(file)?;
                return Ok(Some(kept));
            }
            Err(source) if source.kind() == io::ErrorKind::AlreadyExists => {}
            Err(source) => return Err(FileError::io(&kept, source)),
        }
    }
    Ok(None)
}

/// The number below which a file's directory may have given out all; 0 if the file cannot say.
fn newest(file: &Path) -> u64 {
    let Ok(connection) = file::open_shared(file) else { return 0 };
    let ceiling = rows::ceiling(&connection).ok().flatten().unwrap_or(0);
    u64::try_from(ceiling).unwrap_or(0)
}

/// Refuses files that are not a directory's, and empty ones.
fn of_a_directory(file: &Path, connection: &Connection) -> Result<(), FileError> {
    match file::version(file, connection)? {
        0 => Err(FileError::new(file, Failure::Foreign)),
        _ => Ok(()),
    }
}

fn differ(one: &Path, other: &Path) -> Result<(), FileError> {
    let same = match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    };
    if same { Err(FileError::new(one, Failure::Itself)) } else { Ok(()) }
}

fn remove(file: &Path) -> Result<(), FileError> {
    match fs::remove_file(file) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => Err(FileError::io(file, source)),
        _ => Ok(()),
    }
}
