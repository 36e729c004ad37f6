//! Disks that are full, fail, or become read-only.
//!
//! Each test runs a child, because it gets another file system or another C library. `fault.c` is a
//! disk whose faults begin and end at will; the other two are real file systems, in a mount namespace
//! of the child.

use std::fs;
use std::path::PathBuf;
use std::process::{Output, Stdio};

use plugbay_discovery::back_up;

use super::*;

/// Where a child of [`with_faults`] says which fault it wants.
const FAULT: &str = "PLUGBAY_FAULT";

/// A directory's file on a disk that may fail.
struct Disk {
    file: PathBuf,
    backup: PathBuf,
    store: SqliteStore,
    next: u16,
}

impl Disk {
    /// A file with one endpoint, and a backup of it.
    fn in_folder(folder: &Path) -> Self {
        let [file, backup] = ["directory.db", "backup.db"].map(|name| folder.join(name));
        let mut store = SqliteStore::open(&file).unwrap();
        store.append(&[put(0)]).unwrap();
        back_up(&file, &backup).unwrap();
        Self { file, backup, store, next: 1 }
    }

    /// Tries to keep many endpoints in one batch, which is larger than a page.
    fn append(&mut self) -> Result<(), &'static str> {
        let batch = self.next..self.next + 50;
        self.next = batch.end;
        let records: Vec<_> = batch.map(put).collect();
        self.store.append(&records).map_err(|error| error.reason())
    }

    /// What the store reads, also while it cannot write.
    fn ids(&mut self) -> Vec<EndpointId> {
        ids(&self.store.load().unwrap())
    }

    /// Nothing is kept while there is a fault, and the last backup stays.
    fn check_refused(&mut self, reasons: &[&str]) {
        let (kept, backup) = (self.ids(), fs::read(&self.backup).unwrap());
        for _ in 0..3 {
            let reason = self.append().unwrap_err();
            assert!(reasons.contains(&reason), "{reason}, expected one of {reasons:?}");
            assert_eq!(self.ids(), kept);
        }
        let reason = back_up(&self.file, &self.backup).unwrap_err().reason();
        assert!(reasons.contains(&reason), "{reason}, expected one of {reasons:?}");
        assert_eq!(fs::read(&self.backup).unwrap(), backup);
    }

    /// The store goes on by itself, and what it keeps is there for the next process.
    fn check_recovered(mut self) {
        let kept = self.ids().len();
        self.append().unwrap();
        let ids = self.ids();
        assert_eq!(ids.len(), kept + 50);
        back_up(&self.file, &self.backup).unwrap();
        drop(self.store);
        assert_eq!(super::ids(&read(&self.file)), ids);
        assert_eq!(super::ids(&read(&self.backup)), ids);
    }
}

fn folder_of_child() -> PathBuf {
    PathBuf::from(std::env::var_os(FOLDER).unwrap())
}

fn check_child(output: &Output) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}\n{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("1 passed"), "{}", text(&output.stdout));
}

#[test]
#[ignore = "is a child of the test below"]
fn child_with_faults() {
    let control = PathBuf::from(std::env::var_os(FAULT).unwrap());
    let mut disk = Disk::in_folder(&folder_of_child());
    for (fault, reasons) in [
        ("full", &["disk-full"] as &[_]),
        ("write", &["disk-error"]),
        ("sync", &["disk-error"]),
        ("read-only", &["disk-error", "disk-read-only", "file-in-use"]),
    ] {
        fs::write(&control, fault).unwrap();
        disk.check_refused(reasons);
        fs::remove_file(&control).unwrap();
        disk.append().unwrap();
    }
    disk.check_recovered();
}

/// Lets a child whose folder is `disk` in this one see a disk that fails. Returns the file that says
/// how; `None` if there is no C compiler.
pub(super) fn preload(child: &mut Command, folder: &Path) -> Option<PathBuf> {
    let path = |name: &str| folder.join(name);
    let source = path("fault.c");
    fs::write(&source, include_str!("fault.c")).unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-fPIC", "-o"]).arg(path("fault.so")).arg(&source).arg("-ldl");
    match cc.status() {
        Ok(status) => assert!(status.success(), "cc: {status}"),
        Err(error) => {
            eprintln!("skipped: there is no C compiler: {error}");
            return None;
        }
    }
    fs::create_dir(path("disk")).unwrap();
    child.env("LD_PRELOAD", path("fault.so")).env("PLUGBAY_FAULT_FOLDER", path("disk"));
    child.env(FAULT, path("fault"));
    Some(path("fault"))
}

#[test]
fn a_disk_that_fails_refuses_changes_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = child("durable::faults::child_with_faults", &folder.path().join("disk"));
    if preload(&mut child, folder.path()).is_some() {
        check_child(&child.output().unwrap());
    }
}

/// Runs a child after these commands of a shell, in a mount namespace of its own. False if this
/// process may not do that.
fn in_mounts(test: &str, folder: &Path, commands: &str) -> bool {
    let run = |commands: &str, inner: &Command| {
        let mut outer = Command::new("unshare");
        outer.args(["--mount", "--propagation", "private", "sh", "-ec"]);
        outer.arg(format!("cd \"${FOLDER}\"\n{commands}\nexec \"$@\"")).arg("sh");
        outer.arg(inner.get_program()).args(inner.get_args()).env(FOLDER, folder);
        outer.stdin(Stdio::null()).output()
    };
    let probe = run(commands, &Command::new("true"));
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
            return false;
        }
        Err(error) => {
            eprintln!("skipped: unshare: {error}");
            return false;
        }
    }
    check_child(&run(commands, &child(test, folder)).unwrap());
    true
}

#[test]
#[ignore = "is a child of the test below"]
fn child_on_a_small_disk() {
    let folder = folder_of_child().join("disk");
    let mut disk = Disk::in_folder(&folder);
    // What another program writes.
    let filler = folder.join("filler");
    let mut size = 1 << 20;
    while size > 0 {
        let mut more = fs::OpenOptions::new().create(true).append(true).open(&filler).unwrap();
        if std::io::Write::write_all(&mut more, &vec![1; size]).is_err() {
            size /= 2;
        }
    }
    let reason = loop {
        // The log may have room left.
        if let Err(reason) = disk.append() {
            break reason;
        }
    };
    assert_eq!(reason, "disk-full");
    disk.check_refused(&["disk-full"]);
    fs::remove_file(filler).unwrap();
    disk.check_recovered();
}

#[test]
fn a_full_disk_refuses_changes_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let mount = "mkdir -p disk; mount -t tmpfs -o size=2m tmpfs disk";
    in_mounts("durable::faults::child_on_a_small_disk", folder.path(), mount);
}

#[test]
#[ignore = "is a child of the test below"]
fn child_on_a_disk_that_becomes_read_only() {
    let folder = folder_of_child().join("disk");
    let mut disk = Disk::in_folder(&folder);
    disk.append().unwrap();
    let kept = disk.ids();
    // As the kernel does after an error of the disk, while files are open for writing.
    let abort = Command::new("mount").args(["-o", "remount,abort"]).arg(&folder).status();
    assert!(abort.unwrap().success());
    disk.check_refused(&["disk-error", "disk-read-only"]);
    drop(disk.store);
    // The operator checks the disk, and mounts it again.
    let mount =
        "umount disk; e2fsck -fy image >/dev/null || [ $? -le 2 ]; mount -o loop image disk";
    let again = Command::new("sh").args(["-ec", mount]).current_dir(folder_of_child()).status();
    assert!(again.unwrap().success());
    let store = SqliteStore::open(&disk.file).unwrap();
    let mut disk = Disk { store, ..disk };
    assert_eq!(disk.ids(), kept);
    disk.check_recovered();
}

#[test]
fn a_disk_that_becomes_read_only_keeps_what_was_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let mount =
        "truncate -s 16M image; mkfs.ext4 -q -F image; mkdir -p disk; mount -o loop image disk";
    in_mounts("durable::faults::child_on_a_disk_that_becomes_read_only", folder.path(), mount);
}
