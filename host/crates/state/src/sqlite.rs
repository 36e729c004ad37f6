//! A store in a file of SQLite.
//!
//! The file is in WAL mode with `synchronous = FULL`: when a transaction is committed, its pages are in the log beside
//! the file, and the disk has said so. If the disk refuses, the transaction is rolled back, and the next one is tried
//! on the same connection.
//!
//! Several processes may have the file open, as two hosts do while one takes over from the other: each transaction
//! begins with the right to write, so no change of the other is lost.
//!
//! Names are kept as bytes, and compared as bytes: none of them has a meaning to SQLite.

use std::fs::{DirBuilder, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags, OptionalExtension as _, Row, params};

use crate::apply::{Place, Tables, Usage, apply};
use crate::{Answer, Request, StateError, Store, StoreError};

/// Marks a file of SQLite as one of plugins' states (`PRAGMA application_id`): "plbs" in ASCII.
const APPLICATION_ID: i32 = 0x706c_6273;
/// What each version of the schema added; `PRAGMA user_version` counts those that were applied.
const MIGRATIONS: [&str; 1] = [
    // Values may be large: rows stay beside the index, and a list of keys reads the index alone.
    "CREATE TABLE entry (plugin TEXT NOT NULL, bucket BLOB NOT NULL, key BLOB NOT NULL, value BLOB NOT NULL,
                         UNIQUE (plugin, bucket, key)) STRICT;
     CREATE TABLE usage (plugin TEXT PRIMARY KEY, keys INTEGER NOT NULL, bytes INTEGER NOT NULL) STRICT, WITHOUT ROWID;",
];
/// For how long SQLite waits for another process that writes the file.
const BUSY: Duration = Duration::from_secs(5);
/// The size in bytes to which the log of SQLite shrinks after a burst.
const LOG_SIZE: i64 = 16 << 20;

/// Keeps states in a file.
#[derive(Debug)]
pub struct SqliteStore {
    file: PathBuf,
    connection: Connection,
}

impl SqliteStore {
    /// Opens a file, and makes it and its folder if they are missing. Only its owner may read it. Beside it are
    /// `FILE-wal` and `FILE-shm` while it is open.
    ///
    /// # Errors
    ///
    /// If the file is of another kind, is damaged, is of a newer version of Plugbay, or cannot be opened.
    pub fn open(file: &Path) -> Result<Self, StoreError> {
        let io = |error: io::Error| failed_io(file, &error);
        // SQLite would read a relative path that begins with `file:` as an address.
        let file = std::path::absolute(file).map_err(io)?;
        create(&file).map_err(io)?;
        let connection = connect(&file).map_err(|error| failed(&file, &error))?;
        let version = version(&file, &connection)?;
        set_up(&connection, version).map_err(|error| failed(&file, &error))?;
        Ok(Self { file, connection })
    }

    fn failed(&self, error: &rusqlite::Error) -> StoreError {
        failed(&self.file, error)
    }

    fn execute(&self, sql: &str) -> Result<(), StoreError> {
        self.connection.execute_batch(sql).map_err(|error| self.failed(&error))
    }

    /// The first row of a query.
    fn row<T>(
        &self,
        sql: &str,
        place: Place<'_>,
        key: &str,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, StoreError> {
        let found = self.connection.prepare_cached(sql).and_then(|mut query| {
            let names = params![place.plugin, place.bucket.as_bytes(), key.as_bytes()];
            query.query_row(names, read).optional()
        });
        found.map_err(|error| self.failed(&error))
    }
}

/// Makes the file for its owner alone, and its folder.
fn create(file: &Path) -> io::Result<()> {
    let mut folder = DirBuilder::new();
    let mut options = OpenOptions::new();
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut folder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    if let Some(parent) = file.parent() {
        folder.recursive(true).create(parent)?;
    }
    options.create(true).truncate(false).write(true).open(file)?;
    Ok(())
}

fn connect(file: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(file, flags)?;
    connection.busy_timeout(BUSY)?;
    // A file that somebody else wrote may hold views and triggers: they are never run.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_TRIGGER, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_VIEW, false)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.pragma_update(None, "cell_size_check", true)?;
    Ok(connection)
}

/// The version of the file's schema; 0 if the file is new.
fn version(file: &Path, connection: &Connection) -> Result<usize, StoreError> {
    let number = |sql: &str| connection.query_row(sql, [], |row| row.get::<_, i64>(0));
    let read = || -> rusqlite::Result<(i64, i64, i64)> {
        Ok((
            number("PRAGMA application_id")?,
            number("PRAGMA user_version")?,
            number("SELECT count(*) FROM sqlite_schema")?,
        ))
    };
    let (application, version, tables) = read().map_err(|error| failed(file, &error))?;
    match (application, usize::try_from(version)) {
        (0, Ok(0)) if tables == 0 => Ok(0),
        (id, Ok(version @ 1..))
            if id == i64::from(APPLICATION_ID) && version <= MIGRATIONS.len() =>
        {
            Ok(version)
        }
        (id, Ok(found)) if id == i64::from(APPLICATION_ID) && found > 0 => Err(StoreError {
            reason: "file-newer",
            message: format!(
                "expected a file of plugins' states with schema 1 to {}, found schema {found}, of a newer version of \
                 Plugbay: {}",
                MIGRATIONS.len(),
                file.display()
            ),
        }),
        _ => Err(foreign(file)),
    }
}

fn foreign(file: &Path) -> StoreError {
    let file = file.display();
    let message =
        format!("expected a file of plugins' states or none, found another kind of file: {file}");
    StoreError { reason: "file-foreign", message }
}

/// Sets the journal, and applies the migrations that the file lacks, all or none.
fn set_up(connection: &Connection, version: usize) -> rusqlite::Result<()> {
    connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))?;
    connection.pragma_update(None, "synchronous", "full")?;
    // On macOS a plain fsync does not wait for the disk.
    connection.pragma_update(None, "fullfsync", true)?;
    connection.pragma_update(None, "journal_size_limit", LOG_SIZE)?;
    if version == MIGRATIONS.len() {
        return Ok(());
    }
    connection.execute_batch("BEGIN IMMEDIATE")?;
    // Another process may have made the tables meanwhile.
    let version =
        connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))?;
    for migration in MIGRATIONS.iter().skip(usize::try_from(version).unwrap_or(0)) {
        connection.execute_batch(migration)?;
    }
    connection.pragma_update(None, "application_id", APPLICATION_ID)?;
    connection.pragma_update(
        None,
        "user_version",
        i32::try_from(MIGRATIONS.len()).unwrap_or(i32::MAX),
    )?;
    connection.execute_batch("COMMIT")
}

fn failed_io(file: &Path, error: &io::Error) -> StoreError {
    let reason = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "disk-full",
        io::ErrorKind::ReadOnlyFilesystem => "disk-read-only",
        io::ErrorKind::PermissionDenied => "file-permission",
        _ => "disk-error",
    };
    StoreError::of(reason, &format!("cannot open the plugins' states in {}", file.display()), error)
}

fn failed(file: &Path, error: &rusqlite::Error) -> StoreError {
    let reason = match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "disk-full",
        Some(ErrorCode::ReadOnly) => "disk-read-only",
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => "file-in-use",
        Some(ErrorCode::NotADatabase) => return foreign(file),
        Some(ErrorCode::DatabaseCorrupt) => "file-corrupt",
        _ => "disk-error",
    };
    StoreError::of(reason, &format!("cannot use the plugins' states in {}", file.display()), error)
}

impl Tables for SqliteStore {
    fn get(&mut self, place: Place<'_>, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let sql = "SELECT value FROM entry WHERE plugin = ?1 AND bucket = ?2 AND key = ?3";
        self.row(sql, place, key, |row| row.get(0))
    }

    fn length(&mut self, place: Place<'_>, key: &str) -> Result<Option<u64>, StoreError> {
        let sql = "SELECT length(value) FROM entry WHERE plugin = ?1 AND bucket = ?2 AND key = ?3";
        let length = self.row(sql, place, key, |row| row.get::<_, i64>(0))?;
        Ok(length.map(i64::cast_unsigned))
    }

    fn set(&mut self, place: Place<'_>, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let sql = "INSERT INTO entry (plugin, bucket, key, value) VALUES (?1, ?2, ?3, ?4)
                   ON CONFLICT (plugin, bucket, key) DO UPDATE SET value = excluded.value";
        let set = self.connection.prepare_cached(sql).and_then(|mut insert| {
            insert.execute(params![place.plugin, place.bucket.as_bytes(), key.as_bytes(), value])
        });
        set.map(|_| ()).map_err(|error| self.failed(&error))
    }

    fn delete(&mut self, place: Place<'_>, key: &str) -> Result<(), StoreError> {
        let sql = "DELETE FROM entry WHERE plugin = ?1 AND bucket = ?2 AND key = ?3";
        let deleted = self.connection.prepare_cached(sql).and_then(|mut delete| {
            delete.execute(params![place.plugin, place.bucket.as_bytes(), key.as_bytes()])
        });
        deleted.map(|_| ()).map_err(|error| self.failed(&error))
    }

    fn list(
        &mut self,
        place: Place<'_>,
        after: Option<&str>,
        most: usize,
    ) -> Result<Vec<String>, StoreError> {
        let sql = "SELECT key FROM entry WHERE plugin = ?1 AND bucket = ?2 AND key > ?3 ORDER BY key LIMIT ?4";
        // No key is empty.
        let after = after.unwrap_or_default().as_bytes();
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        let listed = self.connection.prepare_cached(sql).and_then(|mut query| {
            let names = params![place.plugin, place.bucket.as_bytes(), after, most];
            let keys = query.query_map(names, |row| row.get::<_, Vec<u8>>(0))?;
            keys.collect::<rusqlite::Result<Vec<_>>>()
        });
        let keys = listed.map_err(|error| self.failed(&error))?;
        // All keys were texts when they came; a file that somebody else wrote may have others.
        let texts = keys.into_iter().map(|key| String::from_utf8(key).ok()).collect::<Option<_>>();
        texts.ok_or_else(|| foreign(&self.file))
    }

    fn usage(&mut self, plugin: &str) -> Result<Usage, StoreError> {
        let sql = "SELECT keys, bytes FROM usage WHERE plugin = ?1";
        let found = self.connection.prepare_cached(sql).and_then(|mut query| {
            let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
            query.query_row([plugin], read).optional()
        });
        let (keys, bytes) = found.map_err(|error| self.failed(&error))?.unwrap_or_default();
        Ok(Usage { keys: keys.cast_unsigned(), bytes: bytes.cast_unsigned() })
    }

    fn set_usage(&mut self, plugin: &str, usage: Usage) -> Result<(), StoreError> {
        let sql = "INSERT INTO usage (plugin, keys, bytes) VALUES (?1, ?2, ?3)
                   ON CONFLICT (plugin) DO UPDATE SET keys = excluded.keys, bytes = excluded.bytes";
        let set = self.connection.prepare_cached(sql).and_then(|mut insert| {
            insert.execute(params![plugin, usage.keys.cast_signed(), usage.bytes.cast_signed()])
        });
        set.map(|_| ()).map_err(|error| self.failed(&error))
    }
}

impl Store for SqliteStore {
    fn begin(&mut self) -> Result<(), StoreError> {
        self.execute("BEGIN IMMEDIATE")
    }

    fn run(&mut self, request: &Request) -> Result<Answer, StateError> {
        apply(self, request)
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.execute("COMMIT").inspect_err(|_| self.roll_back())
    }

    fn roll_back(&mut self) {
        // After some errors, such as a full disk, SQLite has done so already.
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Operation, Quota, States};

    fn set(key: &str, size: usize) -> Request {
        let most = u64::MAX >> 1;
        Request {
            plugin: "counter".into(),
            bucket: "".into(),
            quota: Quota { keys: most, value: most, total: most, answer: most },
            operation: Operation::Set(vec![(key.into(), vec![7; size])]),
        }
    }

    #[tokio::test]
    async fn a_full_disk_is_said_and_what_was_kept_stays() {
        let folder = tempfile::tempdir().unwrap();
        let store = SqliteStore::open(&folder.path().join("state.db")).unwrap();
        // To SQLite a limit of pages is what a full disk is: SQLITE_FULL.
        store.connection.pragma_update(None, "max_page_count", 32).unwrap();
        let states = States::of(store);
        states.run(set("small", 100)).await.unwrap();
        // In one transaction with a small one, which has room.
        let (large, small) =
            tokio::join!(states.run(set("large", 1 << 20)), states.run(set("other", 100)));
        let error = large.unwrap_err();
        assert_eq!(error.reason(), "disk-full", "{error}");
        assert_eq!(small, Ok(Answer::Done));
        let get = Request {
            operation: Operation::Get(vec!["small".into(), "large".into()]),
            ..set("", 0)
        };
        let answer = states.run(get).await.unwrap();
        assert_eq!(answer, Answer::Values(vec![Some(vec![7; 100]), None]));
    }
}
