//! Folders.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use plugbay_core::{FolderGrant, Grant, Grants, Policy, Reason};

use crate::site::{probe, probe_component, try_start};

fn grant(host: &Path, guest: &str, write: bool) -> FolderGrant {
    FolderGrant { host: host.to_owned(), guest: guest.to_owned(), write }
}

fn grants(files: Vec<FolderGrant>) -> Grants {
    Grants { files, ..Grants::default() }
}

#[test]
fn without_a_grant_there_are_no_files() {
    let site = probe("no-files", Grants::default());
    assert!(site.attempt("read /etc/passwd").starts_with("error"));
    assert!(site.attempt("list /").starts_with("error"));
    assert!(site.denied("files") >= 1);
    assert_eq!(site.told(Grant::Files), ["look for its folders"]);
}

#[test]
fn a_granted_folder_and_nothing_beside_it() {
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
        // A path with `..` may be refused by the guest's own library, which then asks nobody.
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
    let told = read.told(Grant::Files);
    assert_eq!(told.len(), 1, "at most one notice in 10 s: {told:?}");
    let long = probe("long-path", grants(vec![grant(&inside, "/data", false)]));
    long.attempt(&format!("remove /data/{}", "x".repeat(1_000_000)));
    assert_eq!(long.told(Grant::Files)[0].len(), 256);

    let write = probe("writes", grants(vec![grant(&inside, "/data", true)]));
    assert_eq!(write.attempt("write /data/new text"), "written");
    assert_eq!(fs::read_to_string(inside.join("new")).unwrap(), "text");
    assert_eq!(write.attempt("remove /data/new"), "removed");
    assert!(write.attempt("write /data/folder/new text").starts_with("error"));
    assert!(!outside.join("new").exists());
}

#[test]
fn a_granted_folder_that_is_not_there() {
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
