//! Backups, and the way back.

use std::fs;

use plugbay_discovery::{back_up, restore};

use super::*;

/// A directory's file with these endpoints, and a place for its backup.
fn file_with(numbers: std::ops::Range<u16>) -> (tempfile::TempDir, [std::path::PathBuf; 2]) {
    let folder = tempfile::tempdir().unwrap();
    let [file, target] = ["directory.db", "backup.db"].map(|name| folder.path().join(name));
    let mut store = SqliteStore::open(&file).unwrap();
    store.append(&numbers.map(put).chain([ceiling(1000)]).collect::<Vec<_>>()).unwrap();
    (folder, [file, target])
}

#[test]
fn a_backup_is_made_while_the_file_is_in_use() {
    let (folder, [file, target]) = file_with(0..300);
    let mut store = SqliteStore::open(&file).unwrap();
    // In the log only, not in the file yet.
    store.append(&[put(300)]).unwrap();
    assert_eq!(back_up(&file, &target).unwrap().endpoints, 301);
    store.append(&[put(301)]).unwrap();
    assert_eq!(back_up(&file, &target).unwrap().endpoints, 302);
    drop(store);
    // A backup is one file, which can be copied as it is.
    let elsewhere = folder.path().join("elsewhere.db");
    fs::copy(&target, &elsewhere).unwrap();
    assert_eq!(read(&elsewhere), read(&file));
    let names = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_str().unwrap().contains("partial")));
}

#[test]
fn a_backup_of_a_damaged_file_does_not_replace_the_last_one() {
    let (_folder, [file, target]) = file_with(0..300);
    back_up(&file, &target).unwrap();
    let good = fs::read(&target).unwrap();
    let mut damaged = fs::read(&file).unwrap();
    let end = damaged.len();
    damaged[end - 4096..].fill(0xa5);
    fs::write(&file, damaged).unwrap();
    assert_eq!(back_up(&file, &target).unwrap_err().reason(), "file-corrupt");
    assert_eq!(fs::read(&target).unwrap(), good);
    assert_eq!(back_up(&file, &file).unwrap_err().reason(), "file-itself");
    let missing = back_up(&file.with_extension("none"), &target).unwrap_err();
    assert_eq!(missing.reason(), "file-missing");
    assert_eq!(fs::read(&target).unwrap(), good);
}

#[test]
fn a_backup_replaces_nothing_but_a_backup() {
    let (folder, [file, target]) = file_with(0..3);
    let refused = |target: &std::path::Path, reason: &str| {
        let before = fs::read(target).unwrap();
        assert_eq!(back_up(&file, target).unwrap_err().reason(), reason);
        assert_eq!(fs::read(target).unwrap(), before);
    };
    fs::write(&target, "somebody's text").unwrap();
    refused(&target, "file-foreign");
    // Another directory's file: its server would go on with a log that is not of this file.
    let other = folder.path().join("other.db");
    let mut store = SqliteStore::open(&other).unwrap();
    store.append(&[put(7)]).unwrap();
    refused(&other, "file-in-use");
    let log = fs::read(folder.path().join("other.db-wal")).unwrap();
    drop(store);
    fs::write(folder.path().join("other.db-wal"), log).unwrap();
    refused(&other, "file-unfinished");
    // Made by `mktemp`, or a backup whose disk failed.
    fs::write(&target, "").unwrap();
    assert_eq!(back_up(&file, &target).unwrap().endpoints, 3);
    let good = fs::read(&target).unwrap();
    fs::write(&target, &good[..good.len() / 2]).unwrap();
    assert_eq!(back_up(&file, &target).unwrap().endpoints, 3);
}

#[test]
fn the_file_of_a_running_directory_is_no_backup() {
    let (folder, [file, _]) = file_with(0..3);
    let _store = SqliteStore::open(&file).unwrap();
    let new = folder.path().join("new.db");
    assert_eq!(restore(&file, &new).unwrap_err().reason(), "file-in-use");
    assert!(!new.exists());
}

#[test]
fn a_restored_file_goes_on_after_every_number_that_was_given_out() {
    let (_folder, [file, target]) = file_with(0..10);
    back_up(&file, &target).unwrap();
    let mut store = SqliteStore::open(&file).unwrap();
    store.append(&[remove(1), put(20), ceiling(2000)]).unwrap();
    assert_eq!(restore(&target, &file).unwrap_err().reason(), "file-in-use");
    // Some of it is still in the log when the process ends.
    drop(store);
    let restored = restore(&target, &file).unwrap();
    assert_eq!(restored.endpoints, 10);
    let loaded = read(&file);
    assert_eq!(ids(&loaded), (0..10).map(id).collect::<Vec<_>>());
    assert!(loaded.ceiling.unwrap() > Sequence(2000), "{:?}", loaded.ceiling);
    // What was there is kept, and can be restored in its turn.
    let kept = restored.kept.unwrap();
    assert_eq!(kept.file_name().unwrap(), "directory.db.replaced-1");
    let again = restore(&kept, &file).unwrap();
    assert_eq!(again.kept.unwrap().file_name().unwrap(), "directory.db.replaced-2");
    assert!(ids(&read(&file)).contains(&id(20)));
}

#[test]
fn a_broken_backup_is_refused_and_the_file_stays() {
    let (folder, [file, target]) = file_with(0..300);
    let before = read(&file);
    let refused = |bytes: &[u8], reason: &str| {
        fs::write(&target, bytes).unwrap();
        assert_eq!(restore(&target, &file).unwrap_err().reason(), reason);
        assert_eq!(read(&file), before);
        assert!(!folder.path().join("directory.db.replaced-1").exists());
    };
    let good = fs::read(&file).unwrap();
    let mut damaged = good.clone();
    let end = damaged.len();
    damaged[end - 4096..].fill(0xa5);
    refused(&damaged, "file-corrupt");
    refused(&good[..end / 2], "file-corrupt");
    refused(b"", "file-foreign");
    refused(b"text that is not a file of SQLite, and longer than its header of 100 bytes: no, not yet, but now it is", "file-foreign");
    fs::write(&target, &good).unwrap();
    rusqlite::Connection::open(&target).unwrap().pragma_update(None, "user_version", 2).unwrap();
    refused(&fs::read(&target).unwrap(), "file-newer");
    // A file whose last changes are beside it.
    fs::write(folder.path().join("backup.db-wal"), "changes").unwrap();
    refused(&good, "file-unfinished");
}

#[test]
fn a_backup_is_restored_in_the_place_of_a_damaged_file_or_of_none() {
    let (folder, [file, target]) = file_with(0..10);
    back_up(&file, &target).unwrap();
    let broken = "not a file of SQLite".repeat(100);
    fs::write(&file, &broken).unwrap();
    let log = folder.path().join("directory.db-wal");
    fs::write(&log, "not a log").unwrap();
    let kept = restore(&target, &file).unwrap().kept.unwrap();
    assert_eq!(fs::read_to_string(&kept).unwrap(), broken);
    // A log that is left beside the new file would be taken for its own.
    assert!(!log.exists());
    assert_eq!(
        fs::read_to_string(folder.path().join("directory.db.replaced-1-wal")).unwrap(),
        "not a log"
    );
    assert_eq!(read(&file).endpoints.len(), 10);
    fs::remove_file(&file).unwrap();
    assert_eq!(restore(&target, &file).unwrap().kept, None);
    assert_eq!(read(&file).endpoints.len(), 10);
}
