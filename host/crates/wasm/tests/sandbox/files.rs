//! Granted folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use plugbay_core::{CallErrorKind, FolderGrant, Grant, Grants, Policy, Reason, Reuse};

use crate::support::{probe, probe_component, probe_under, try_start, wait};

fn grant(host: &Path, guest: &str, write: bool) -> FolderGrant {
    FolderGrant { host: host.to_owned(), guest: guest.to_owned(), write }
}

fn grants(files: Vec<FolderGrant>) -> Grants {
    Grants { files, ..Grants::default() }
}

#[test]
fn without_a_grant_there_are_no_files() {
    let plugin = probe("no-files", Grants::default());
    assert!(plugin.attempt("read /etc/passwd").starts_with("error"));
    assert!(plugin.attempt("list /").starts_with("error"));
    assert!(plugin.denied("files") >= 1);
    assert_eq!(plugin.denied_uses(Grant::Files), ["look for its folders"]);
}

#[test]
fn only_the_granted_folder_is_accessible() {
    let place = tempfile::tempdir().unwrap();
    let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(inside.join("a"), "content").unwrap();
    fs::write(outside.join("secret"), "secret").unwrap();
    symlink(outside.join("secret"), inside.join("absolute")).unwrap();
    symlink("../outside/secret", inside.join("relative")).unwrap();
    symlink(&outside, inside.join("folder")).unwrap();
    symlink("a", inside.join("harmless")).unwrap();

    let read = probe("reads", grants(vec![grant(&inside, "/data", false)]));
    assert_eq!(read.attempt("read /data/a"), "content");
    assert_eq!(read.attempt("read /data/harmless"), "content");
    assert!(read.attempt("list /data").contains("\"absolute\""));
    assert_eq!(read.denied("files"), 0);
    for path in ["../outside/secret", "absolute", "relative", "folder/secret"] {
        let before = read.denied("files");
        let found = read.attempt(&format!("read /data/{path}"));
        assert!(found.starts_with("error"), "{path}: {found}");
        // The guest's own standard library may refuse a path with `..` without calling the host.
        assert!(read.denied("files") > before || path.contains(".."), "{path}");
    }
    for line in
        ["write /data/new text", "write /data/a text", "remove /data/a", "rename /data/a /data/b"]
    {
        let before = read.denied("files");
        assert!(read.attempt(line).starts_with("error"), "{line}");
        assert_eq!(read.denied("files"), before + 1, "{line}");
    }
    assert_eq!(fs::read_to_string(inside.join("a")).unwrap(), "content");
    // Each distinct use is reported.
    assert!(read.denied_uses(Grant::Files).contains(&"rename \"a\"".to_owned()));
    let long = probe("long-path", grants(vec![grant(&inside, "/data", false)]));
    long.attempt(&format!("remove /data/{}", "x".repeat(1_000_000)));
    assert_eq!(long.denied_uses(Grant::Files)[0].len(), 256);

    let write = probe("writes", grants(vec![grant(&inside, "/data", true)]));
    assert_eq!(write.attempt("write /data/new text"), "written");
    assert_eq!(fs::read_to_string(inside.join("new")).unwrap(), "text");
    assert_eq!(write.attempt("append /data/new \u{20ac}"), "appended");
    assert_eq!(write.attempt("read /data/new"), "text\u{20ac}");
    assert_eq!(write.attempt("remove /data/new"), "removed");
    assert!(write.attempt("write /data/folder/new text").starts_with("error"));
    assert!(!outside.join("new").exists());
}

#[test]
fn a_granted_folder_that_does_not_exist_refuses_the_plugin() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("file"), "").unwrap();
    for name in ["missing", "file"] {
        let folder = place.path().join(name);
        let grants = grants(vec![grant(&folder, "/data", false)]);
        let policy = Policy { grants, ..Policy::default() };
        let refusal = try_start("lost", probe_component(), policy, None).err().unwrap();
        assert_eq!(refusal.reason, Reason::Grant);
        assert!(refusal.message.contains(folder.to_str().unwrap()), "{refusal}");
    }
}

#[test]
fn a_folder_stays_the_one_that_was_opened() {
    let place = tempfile::tempdir().unwrap();
    let (inside, outside) = (place.path().join("inside"), place.path().join("outside"));
    fs::create_dir(&inside).unwrap();
    fs::create_dir(&outside).unwrap();
    fs::write(inside.join("a"), "content").unwrap();
    fs::write(outside.join("a"), "secret").unwrap();
    let grants = grants(vec![grant(&inside, "/data", true)]);
    let plugin = probe_under("moved", Policy { grants, reuse: Reuse::Fresh, ..Policy::default() });
    assert_eq!(plugin.attempt("read /data/a"), "content");
    // A plugin that may write to the parent folder could do this.
    fs::rename(&inside, place.path().join("moved")).unwrap();
    symlink("outside", &inside).unwrap();
    assert_eq!(plugin.attempt("read /data/a"), "content");
    assert_eq!(plugin.attempt("write /data/new text"), "written");
    assert!(!outside.join("new").exists());
    assert_eq!(plugin.stats().instantiations, 4);
}

#[test]
fn pipes_and_sockets_are_not_opened() {
    let place = tempfile::tempdir().unwrap();
    let pipe = place.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(place.path().join("socket")).unwrap();
    symlink("pipe", place.path().join("link")).unwrap();
    let plugin = probe("pipes", grants(vec![grant(place.path(), "/data", true)]));
    for name in ["pipe", "socket", "link"] {
        let found = plugin.attempt(&format!("read /data/{name}"));
        assert!(found.starts_with("error"), "{found}");
        assert!(plugin.attempt(&format!("write /data/{name} x")).starts_with("error"));
    }
    assert_eq!(plugin.denied("files"), 6);
    assert_eq!(plugin.denied_uses(Grant::Files)[0], "open \"pipe\"");
    assert_eq!(plugin.attempt("remove /data/pipe"), "removed");
}

#[test]
fn a_write_of_more_than_the_permit_ends_the_call() {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("a"), "").unwrap();
    let plugin = probe("overwrites", grants(vec![grant(place.path(), "/data", true)]));
    assert_eq!(plugin.attempt("overwrite /data a 65536"), "written");
    assert_eq!(fs::read(place.path().join("a")).unwrap(), vec![b'x'; 65536]);
    let error = wait(plugin.ask("overwrite /data a 65537")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Contract, "{error}");
    assert!(error.message().contains("at most 65536 bytes, found 65537"), "{error}");
    // The standard library writes it in pieces, without flushing in between.
    let text = "0123456789abcdef".repeat(20_000);
    assert_eq!(plugin.attempt(&format!("write /data/a {text}")), "written");
    assert_eq!(plugin.attempt("read /data/a"), text);
}

/// The resident memory of this process in bytes.
fn resident() -> usize {
    let text = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|it| it.strip_prefix("VmRSS:")).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() * 1024
}

#[test]
fn a_large_folder_is_read_in_small_parts() {
    const ENTRIES: usize = 20_000;
    let place = tempfile::tempdir().unwrap();
    let long = "x".repeat(200);
    for entry in 0..ENTRIES {
        fs::File::create(place.path().join(format!("{entry}-{long}"))).unwrap();
    }
    let plugin = probe("lists", grants(vec![grant(place.path(), "/data", false)]));
    assert_eq!(plugin.attempt("count /data"), format!("{ENTRIES} {ENTRIES}"));
    let before = resident();
    assert_eq!(plugin.attempt("hold-listings /data 200"), "200");
    let more = resident().saturating_sub(before);
    assert!(more < 100 << 20, "200 folders that are being read hold {more} bytes");
}
