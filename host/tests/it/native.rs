//! Native libraries in the host's process, replaced while they serve.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use plugbay::{Outcome, Reason};

use crate::support::{place, until};

const VERSIONS: u32 = 200;
const CALLERS: u64 = 3;

/// Compiles a plugin of the native runtime's tests to the file `to`. `None` if there is no compiler.
fn library(source: &str, flags: &[&str], to: &Path) -> Option<Vec<u8>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-pthread", "-I"])
        .arg(root.join("../plugin-sdk/c"))
        .arg("-o")
        .arg(to)
        .arg(root.join("crates/native/tests/plugins").join(source))
        .args(flags)
        .status();
    match built {
        Ok(status) => assert!(status.success(), "{compiler}"),
        Err(error) => {
            eprintln!("skipped: {compiler} does not run: {error}");
            return None;
        }
    }
    Some(fs::read(to).unwrap())
}

/// The library with this number in its marker, which changes its digest.
fn version(bytes: &[u8], number: u32) -> Vec<u8> {
    let mark = b"marker:00000000";
    let at = bytes.windows(mark.len()).position(|it| it == mark).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[at..at + mark.len()].copy_from_slice(format!("marker:{number:08}").as_bytes());
    bytes
}

/// The number in the marker of an answer.
fn number(answer: &[u8]) -> u32 {
    let digits = answer.strip_prefix(b"\x6fmarker:").expect("a marker");
    std::str::from_utf8(digits).unwrap().parse().unwrap()
}

/// The threads of this process.
fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

/// The private copies of libraries.
fn copies(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.join("native")).unwrap();
    entries.map(|it| it.unwrap().path()).filter(|it| it.extension().is_some()).collect()
}

/// Held by a test while it maps libraries: the lists of libraries and threads belong to the
/// process.
static MAPPING: Mutex<()> = Mutex::new(());

fn mapping_alone() -> MutexGuard<'static, ()> {
    MAPPING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Replaces a library with thread-locals, its own threads, and destructors that run at the end of a
/// caller's thread, as fast as possible.
#[test]
fn many_quick_replacements_lose_no_call() {
    let _alone = mapping_alone();
    let elsewhere = tempfile::tempdir().unwrap();
    let Some(bytes) = library("storm.c", &[], &elsewhere.path().join("storm.so")) else { return };
    let site = place()
        .plugin("storm.so", version(&bytes, 1))
        .config("[defaults]\nisolation = 'in-process'")
        .unwatched()
        .host();
    let before = threads();
    let earlier = site.status().libraries.iter().filter(|it| !it.serves).count();
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                let mut newest = 0;
                while !stop.load(Ordering::Relaxed) {
                    let codec = site.codec("storm").unwrap();
                    let found = number(&codec.encode_document(&[0xf6]).unwrap());
                    assert!(found >= newest, "version {found} after {newest}");
                    newest = found;
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        for next in 2..=VERSIONS {
            site.drop_in("storm.so", version(&bytes, next));
            let report = site.reconcile();
            assert!(report.rejected.is_empty(), "{:?}", report.rejected);
            let codec = site.codec("storm").unwrap();
            assert_eq!(number(&codec.encode_document(&[0xf6]).unwrap()), next);
            // Each version is called by each caller.
            let seen = calls.load(Ordering::Relaxed);
            until("each caller has called", || calls.load(Ordering::Relaxed) >= seen + CALLERS);
        }
        stop.store(true, Ordering::Relaxed);
    });
    until("all old versions are drained", || site.status().draining.is_empty());
    let drained = |outcome: &Outcome| matches!(outcome, Outcome::Drained { .. });
    until("each drain is reported", || site.count(drained) == VERSIONS as usize - 1);
    let late = |outcome: &Outcome| matches!(outcome, Outcome::DrainDeadline { .. });
    assert_eq!(site.count(late), 0);
    // `destroy` ends the thread of each instance.
    until("the threads of the instances end", || threads() <= before);
    let status = site.status();
    assert_eq!(status.libraries.len() - earlier, VERSIONS as usize);
    assert_eq!(status.libraries.iter().filter(|it| it.serves).count(), 1);
    assert!(status.libraries.iter().all(|it| it.hung_threads == 0));
    eprintln!("{VERSIONS} versions, {} calls", calls.load(Ordering::Relaxed));
}

#[test]
fn a_library_with_a_missing_dependency_is_retried() {
    let _alone = mapping_alone();
    let elsewhere = tempfile::tempdir().unwrap();
    let other = elsewhere.path().join("libother.so");
    let Some(needed) = library("fixture.c", &[], &other) else { return };
    let at = elsewhere.path().display();
    let flags = [&*format!("-L{at}"), &format!("-Wl,--no-as-needed,-rpath,{at}"), "-lother"];
    let bytes = library("fixture.c", &flags, &elsewhere.path().join("needy.so")).unwrap();
    fs::remove_file(&other).unwrap();
    let site = place().config("[defaults]\nisolation = 'in-process'").unwatched().host();
    site.drop_in("needy.so", version(&bytes, 7));
    site.reconcile();
    site.refuses("needy.so", Reason::Loader, &["libother.so"]);
    assert!(copies(&site.place.path("cache")).is_empty(), "a refused library leaves no copy");
    fs::write(&other, needed).unwrap();
    site.reconcile();
    site.recovers("needy.so");
    let codec = site.codec("echo").unwrap();
    assert_eq!(codec.encode_document(&[0xf6]).unwrap(), [0xf6]);
}
