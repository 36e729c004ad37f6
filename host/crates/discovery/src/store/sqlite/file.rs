//! Opens the file of a directory: who may read it, who may write it, and which form it has.

use std::ffi::OsString;
use std::fs::{File, OpenOptions, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, percent_encode};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};

use super::error::{Failure, FileError};

/// Marks a file of SQLite as a directory's (`PRAGMA application_id`): "plbd" in ASCII.
const APPLICATION_ID: i32 = 0x706c_6264;
/// What each version of the schema added; the first is a new file's. `PRAGMA user_version` counts
/// those that were applied.
const MIGRATIONS: [&str; 1] = [
    // Endpoints as JSON, as the API shows them: a field that a later version adds needs no migration.
    // `sequence` has one row, or none in a new file.
    "CREATE TABLE endpoint (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT, WITHOUT ROWID;
     CREATE TABLE sequence (only INTEGER PRIMARY KEY CHECK (only = 1), ceiling INTEGER NOT NULL) STRICT;",
];
/// For how long SQLite waits for another process that uses the file, for example one that copies it.
const BUSY: Duration = Duration::from_secs(5);
/// What has a meaning in an address of SQLite, or is not text.
const PATH: &AsciiSet = &CONTROLS.add(b' ').add(b'#').add(b'%').add(b'?');
/// The size in bytes to which the log of SQLite shrinks after a burst.
const LOG_SIZE: i64 = 16 << 20;

/// The right to write a file: one process has it, until it ends.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

impl Lock {
    /// Takes the lock of a directory's file. It is on a file of its own beside it, because SQLite has
    /// locks of its own, which it loses when any other handle of its file is closed.
    pub(super) fn take(file: &Path) -> Result<Self, FileError> {
        let path = beside(file, ".lock");
        let opened = private().create(true).truncate(false).write(true).open(&path);
        Self::hold(file, &path, opened)
    }

    /// Takes the lock of a file that need not be a directory's. Nothing is made beside it: where there
    /// is no lock, no server ever used the file.
    pub(super) fn of_another(file: &Path) -> Result<Option<Self>, FileError> {
        let path = beside(file, ".lock");
        match OpenOptions::new().write(true).open(&path) {
            Err(source) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            opened => Self::hold(file, &path, opened).map(Some),
        }
    }

    fn hold(file: &Path, path: &Path, opened: io::Result<File>) -> Result<Self, FileError> {
        let lock = opened.map_err(|source| FileError::io(path, source))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _file: lock }),
            Err(TryLockError::WouldBlock) => Err(FileError::new(file, Failure::InUse)),
            Err(TryLockError::Error(source)) => Err(FileError::io(path, source)),
        }
    }
}

/// A path with an end added to its last name.
pub(super) fn beside(file: &Path, end: &str) -> PathBuf {
    let mut path = OsString::from(file);
    path.push(end);
    path.into()
}

/// The path from the root. SQLite would read one that begins with `file:` as an address.
pub(super) fn absolute(file: &Path) -> Result<PathBuf, FileError> {
    std::path::absolute(file).map_err(|source| FileError::io(file, source))
}

/// Options for files that only their owner may use.
pub(super) fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Writes the names in a folder to the disk.
pub(super) fn sync_folder(file: &Path) -> Result<(), FileError> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    // Windows has no handles of folders that can be written.
    if cfg!(unix) {
        File::open(folder)
            .and_then(|it| it.sync_all())
            .map_err(|why| FileError::io(folder, why))?;
    }
    Ok(())
}

/// Opens the file for reading and writing, and makes it if it is missing. The caller has its lock.
pub(super) fn open(file: &Path) -> Result<Connection, FileError> {
    create(file)?;
    let connection = connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let version = version(file, &connection)?;
    check_pages(file, &connection, "quick_check")?;
    let sqlite = |source| FileError::sqlite(file, source);
    // WAL: readers such as a backup never block the writer. FULL: a transaction that is committed is on
    // the disk. All was checked before, so that a foreign or a damaged file stays as it is.
    let mode: String = connection
        .pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))
        .map_err(sqlite)?;
    if mode != "wal" {
        return Err(FileError::io(
            file,
            io::Error::other(format!(
                "expected a file system with shared memory for WAL, found journal mode {mode}"
            )),
        ));
    }
    connection.pragma_update(None, "synchronous", "full").map_err(sqlite)?;
    // On macOS a plain fsync does not wait for the disk.
    connection.pragma_update(None, "fullfsync", true).map_err(sqlite)?;
    connection.pragma_update(None, "journal_size_limit", LOG_SIZE).map_err(sqlite)?;
    migrate(&connection, version).map_err(sqlite)?;
    sync_folder(file)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, false).map_err(sqlite)?;
    Ok(connection)
}

/// Opens a file that nobody writes, and changes nothing beside it.
pub(super) fn open_idle(file: &Path) -> Result<Connection, FileError> {
    // The log of a file in WAL mode is not read this way, so a file with one is not whole.
    let log = beside(file, "-wal");
    if log.metadata().is_ok_and(|log| log.len() > 0) {
        return Err(FileError::new(file, Failure::Unfinished { log }));
    }
    let path = percent_encode(file.as_os_str().as_encoded_bytes(), PATH);
    let address = format!("file:{path}?immutable=1");
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    connect_to(file, Path::new(&address), flags)
}

/// Opens a file that another process may write, for reading.
pub(super) fn open_shared(file: &Path) -> Result<Connection, FileError> {
    // Reading the log of another process takes the right to write the memory that both share.
    connect(file, OpenFlags::SQLITE_OPEN_READ_WRITE)
}

pub(super) fn connect(file: &Path, flags: OpenFlags) -> Result<Connection, FileError> {
    connect_to(file, file, flags)
}

fn connect_to(file: &Path, address: &Path, flags: OpenFlags) -> Result<Connection, FileError> {
    if let Err(source) = file.metadata() {
        return Err(FileError::io(file, source));
    }
    let sqlite = |source| FileError::sqlite(file, source);
    let flags = flags | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(address, flags).map_err(sqlite)?;
    connection.busy_timeout(BUSY).map_err(sqlite)?;
    // A file that somebody else wrote may hold views and triggers: they are never run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true).map_err(sqlite)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false).map_err(sqlite)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false).map_err(sqlite)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false).map_err(sqlite)?;
    // Who only reads, or finds the file damaged, leaves the log to those who repair it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).map_err(sqlite)?;
    connection.pragma_update(None, "cell_size_check", true).map_err(sqlite)?;
    Ok(connection)
}

/// Makes the file if it is missing, and takes it away from other users if it is theirs to read.
fn create(file: &Path) -> Result<(), FileError> {
    let io = |source| FileError::io(file, source);
    let opened = private().create(true).truncate(false).write(true).open(file).map_err(io)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = opened.metadata().map_err(io)?.permissions().mode();
        if mode & 0o077 != 0 {
            opened.set_permissions(PermissionsExt::from_mode(0o600)).map_err(io)?;
        }
    }
    drop(opened);
    Ok(())
}

/// The version of a file's schema; 0 if the file is new.
pub(super) fn version(file: &Path, connection: &Connection) -> Result<usize, FileError> {
    let sqlite = |source| FileError::sqlite(file, source);
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application = number("application_id").map_err(sqlite)?;
    let version = number("user_version").map_err(sqlite)?;
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(sqlite)?;
    match (application, usize::try_from(version)) {
        (0, Ok(0)) if tables == 0 => Ok(0),
        (APPLICATION_ID, Ok(version @ 1..)) if version <= MIGRATIONS.len() => Ok(version),
        (APPLICATION_ID, Ok(found)) if found > MIGRATIONS.len() => {
            Err(FileError::new(file, Failure::Newer { found, known: MIGRATIONS.len() }))
        }
        _ => Err(FileError::new(file, Failure::Foreign)),
    }
}

/// Applies the migrations that a file lacks, all or none.
fn migrate(connection: &Connection, version: usize) -> rusqlite::Result<()> {
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    let transaction = connection.unchecked_transaction()?;
    for migration in MIGRATIONS.iter().skip(version) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    let version = i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX);
    transaction.pragma_update(None, "user_version", version)?;
    transaction.commit()
}

/// Checks the pages of a file by SQLite's `integrity_check`, or by `quick_check`, which leaves out the
/// comparison of tables with their indexes.
pub(super) fn check_pages(
    file: &Path,
    connection: &Connection,
    check: &str,
) -> Result<(), FileError> {
    let found: rusqlite::Result<String> =
        connection.query_row(&format!("PRAGMA {check}(1)"), [], |row| row.get(0));
    match found.map_err(|source| FileError::sqlite(file, source))?.as_str() {
        "ok" => Ok(()),
        found => Err(FileError::new(file, Failure::Corrupt { found: found.to_owned() })),
    }
}
