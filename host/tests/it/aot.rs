//! The cache of compiled code: a valid entry is used, a damaged one is ignored and written again,
//! a folder that others can write to is not used, and refused files leave nothing in it.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use plugbay::Digest;
use plugbay::wasm::wasmtime;
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{Place, Site, lines, place};

fn host_with_one_plugin() -> Site {
    place().plugin("a.wasm", Guest::codec("a").stamp("a")).unwatched().host()
}

fn entries(place: &Place) -> Vec<PathBuf> {
    let entries = fs::read_dir(place.path("cache")).unwrap();
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn entry(site: &Site) -> PathBuf {
    let entries = entries(&site.place);
    assert_eq!(entries.len(), 1, "{entries:?}");
    entries[0].clone()
}

/// Asserts that a changed entry is replaced by a valid one, and that its plugin works.
fn assert_repaired(change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let site = host_with_one_plugin();
    let path = entry(&site);
    let good = fs::read(&path).unwrap();
    let bad = change(good.clone());
    assert!(bad != good);
    fs::write(&path, bad).unwrap();
    let site = site.restart();
    assert_eq!((site.encode("a"), entry(&site)), ("a".into(), path.clone()));
    assert!(fs::read(&path).unwrap() == good);
    assert!(site.status().rejected.is_empty());
}

#[test]
fn a_good_entry_is_used() {
    let site = host_with_one_plugin();
    let path = entry(&site);
    let before = fs::metadata(&path).unwrap();
    let site = site.restart();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.mtime_nsec()), (after.ino(), after.mtime_nsec()));
    assert_eq!(site.encode("a"), "a");
    assert_eq!(after.mode() & 0o077, 0, "others can read the entry");
    assert_eq!(fs::metadata(site.place.path("cache")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn unused_entries_are_removed_and_used_ones_are_kept() {
    let site = host_with_one_plugin();
    let used = entry(&site);
    let unused = used.with_file_name("of-an-older-engine.aot");
    fs::copy(&used, &unused).unwrap();
    let month = Duration::from_hours(31 * 24);
    let age = |path: &Path, by| {
        let file = fs::File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - by).unwrap();
    };
    age(&used, Duration::from_hours(29 * 24));
    age(&unused, month);
    let site = site.restart();
    assert_eq!(entries(&site.place), std::slice::from_ref(&used));
    let since = fs::metadata(&used).unwrap().modified().unwrap().elapsed().unwrap();
    assert!(since < Duration::from_hours(1), "the use of the entry was not recorded: {since:?}");
}

#[test]
fn a_truncated_entry_is_replaced() {
    for keep in [0, 1, 15, 16, 47, 48, 79, 80, 81, 1000] {
        assert_repaired(|good| good[..keep].to_vec());
    }
    assert_repaired(|good| good[..good.len() - 1].to_vec());
}

#[test]
fn an_entry_with_extra_bytes_is_replaced() {
    assert_repaired(|good| [&good[..], b"more"].concat());
}

#[test]
fn an_entry_with_a_flipped_bit_is_replaced() {
    for at in [0, 15, 16, 47, 48, 79, 80, 500] {
        assert_repaired(|mut good| {
            good[at] ^= 1;
            good
        });
    }
    assert_repaired(|mut good| {
        *good.last_mut().unwrap() ^= 0x80;
        good
    });
}

#[test]
fn an_entry_that_this_engine_did_not_write_is_replaced() {
    // All checksums are right; wasmtime itself must refuse what follows them.
    let sealed =
        |good: &[u8], code: &[u8]| [&good[..48], Digest::of(code).as_bytes(), code].concat();
    assert_repaired(|good| sealed(&good, b"no machine code"));
    assert_repaired(|good| sealed(&good, b""));
    // An engine with other settings does not use the entry.
    let other = wasmtime::Engine::default();
    let code = other.precompile_component(&Guest::codec("a").stamp("a").build()).unwrap();
    assert_repaired(|good| sealed(&good, &code));
}

#[test]
fn the_entry_of_another_component_is_replaced() {
    let site = place().plugin("a.wasm", Guest::codec("a").stamp("a")).unwatched().host();
    let a = entry(&site);
    site.drop_in("b.wasm", Guest::codec("b").stamp("b"));
    site.reconcile();
    let b = entries(&site.place).into_iter().find(|path| *path != a).unwrap();
    let (good_a, good_b) = (fs::read(&a).unwrap(), fs::read(&b).unwrap());
    fs::write(&a, &good_b).unwrap();
    fs::write(&b, &good_a).unwrap();
    let site = site.restart();
    assert_eq!((site.encode("a"), site.encode("b")), ("a".into(), "b".into()));
    assert!(fs::read(&a).unwrap() == good_a && fs::read(&b).unwrap() == good_b);
}

#[test]
fn a_folder_in_place_of_an_entry_is_ignored() {
    let site = host_with_one_plugin();
    let path = entry(&site);
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    let site = site.restart();
    assert_eq!(site.encode("a"), "a");
}

#[test]
fn a_removed_cache_is_created_again() {
    let site = host_with_one_plugin();
    fs::remove_dir_all(site.place.path("cache")).unwrap();
    site.drop_in("b.wasm", Guest::codec("b").stamp("b"));
    site.reconcile();
    assert_eq!((site.encode("a"), site.encode("b")), ("a".into(), "b".into()));
    entry(&site);
    assert_eq!(fs::metadata(site.place.path("cache")).unwrap().mode() & 0o777, 0o700);
}

#[test]
fn refused_files_leave_no_entry() {
    let site = host_with_one_plugin();
    let used = entry(&site);
    site.drop_in("trap.wasm", Guest::codec("trap").on(Export::Describe, Behaviour::Trap));
    site.drop_in("init.wasm", Guest::codec("init").on(Export::Init, Behaviour::Trap));
    site.drop_in("clash.wasm", Guest::codec("a").named("clash"));
    assert_eq!(site.reconcile().rejected.len(), 3);
    assert_eq!(entries(&site.place), std::slice::from_ref(&used));
    site.remove("a.wasm");
    site.reconcile();
    assert_eq!(entries(&site.place).len(), 2, "the entry of a plugin that starts later is kept");
}

/// Asserts that a host with a cache folder like this serves without it, and warns once.
fn assert_not_used(prepare: impl FnOnce(&Place), why: &str) {
    let place = place().plugin("a.wasm", Guest::codec("a").stamp("a")).unwatched();
    prepare(&place);
    let site = place.host();
    assert_eq!(site.encode("a"), "a");
    let expected = site.place.path("cache");
    let expected = format!("compiled code is not cached: cache folder {}", expected.display());
    let warnings = lines::warnings(&expected);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].contains(why), "{warnings:?}");
}

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    for mode in [0o777, 0o770, 0o702] {
        let prepare = |place: &Place| {
            let cache = place.path("cache");
            fs::create_dir(&cache).unwrap();
            fs::set_permissions(&cache, fs::Permissions::from_mode(mode)).unwrap();
        };
        assert_not_used(prepare, &format!("mode {mode:03o}: others can write to it"));
    }
}

#[test]
fn a_link_or_a_file_in_place_of_the_folder_is_not_used() {
    let link = |place: &Place| {
        fs::create_dir(place.path("real")).unwrap();
        symlink("real", place.path("cache")).unwrap();
    };
    assert_not_used(link, "links are not followed");
    assert_not_used(|place| fs::write(place.path("cache"), "a file").unwrap(), "File exists");
}
