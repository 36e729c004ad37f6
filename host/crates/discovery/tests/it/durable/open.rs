//! Files that are opened, and files that are refused.

use std::fs;

use rusqlite::Connection;

use super::*;

fn reason(file: &Path) -> &'static str {
    SqliteStore::open(file).unwrap_err().reason()
}

#[test]
fn what_was_kept_is_there_for_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    let mut store = SqliteStore::open(&file).unwrap();
    assert_eq!(store.load().unwrap(), Loaded::default());
    store.append(&[put(1), put(2), ceiling(100)]).unwrap();
    let mut changed = endpoint(1);
    changed.tags.clear();
    store.append(&[Record::Put { endpoint: changed.clone() }, remove(2), remove(9)]).unwrap();
    drop(store);
    let loaded = read(&file);
    assert_eq!(loaded.endpoints, [changed]);
    assert_eq!(loaded.ceiling, Some(Sequence(100)));
}

#[test]
fn a_batch_is_kept_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    let mut store = SqliteStore::open(&file).unwrap();
    store.append(&[put(1)]).unwrap();
    // Another program that damages the table, so that the second record fails.
    let other = Connection::open(&file).unwrap();
    other.execute_batch("DROP TABLE sequence").unwrap();
    let error = store.append(&[put(2), ceiling(5)]).unwrap_err();
    assert_eq!(error.reason(), "disk-error");
    other
        .execute_batch("CREATE TABLE sequence (only INTEGER PRIMARY KEY, ceiling INTEGER)")
        .unwrap();
    assert_eq!(ids(&store.load().unwrap()), [id(1)]);
}

#[test]
fn a_file_has_one_user_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    let store = SqliteStore::open(&file).unwrap();
    assert_eq!(reason(&file), "file-in-use");
    drop(store);
    SqliteStore::open(&file).unwrap();
}

#[cfg(unix)]
#[test]
fn only_the_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;

    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    // A file that an operator made, with the usual mode.
    fs::write(&file, "").unwrap();
    fs::set_permissions(&file, PermissionsExt::from_mode(0o644)).unwrap();
    let mut store = SqliteStore::open(&file).unwrap();
    store.append(&[put(1)]).unwrap();
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{entry:?}");
        names.insert(entry.file_name().into_string().unwrap());
    }
    let expected = ["directory.db", "directory.db-shm", "directory.db-wal", "directory.db.lock"];
    assert_eq!(names, BTreeSet::from(expected.map(str::to_owned)));
}

#[test]
fn other_files_are_refused_and_stay_as_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, expected: &str| {
        let file = folder.path().join(name);
        let before = fs::read(&file).unwrap();
        assert_eq!(reason(&file), expected, "{name}");
        assert_eq!(fs::read(&file).unwrap(), before, "{name}");
    };
    fs::write(folder.path().join("text"), "host,port\n".repeat(1000)).unwrap();
    refused("text", "file-foreign");
    let foreign = Connection::open(folder.path().join("foreign")).unwrap();
    foreign.execute_batch("CREATE TABLE bookmarks (url TEXT)").unwrap();
    drop(foreign);
    refused("foreign", "file-foreign");
    let newer = folder.path().join("newer");
    drop(SqliteStore::open(&newer).unwrap());
    Connection::open(&newer).unwrap().pragma_update(None, "user_version", 2).unwrap();
    refused("newer", "file-newer");
    assert_eq!(reason(&folder.path().join("no/such/folder")), "file-missing");
}

#[test]
fn a_damaged_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    let mut store = SqliteStore::open(&file).unwrap();
    store.append(&(0..500).map(put).collect::<Vec<_>>()).unwrap();
    drop(store);
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let middle = damaged.len() / 2;
    damaged[middle..middle + 4096].fill(0xa5);
    fs::write(&file, damaged).unwrap();
    assert_eq!(reason(&file), "file-corrupt");
    fs::write(&file, &whole[..whole.len() / 2]).unwrap();
    assert_eq!(reason(&file), "file-corrupt");
    fs::write(&file, whole).unwrap();
    assert_eq!(read(&file).endpoints.len(), 500);
}
