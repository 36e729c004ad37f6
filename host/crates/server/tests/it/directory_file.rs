//! `plugbay directory backup` and `plugbay directory restore`, beside a directory that runs.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use super::directory::{Directory, plugbay};
use super::support::ask;

/// Runs `plugbay directory` with these words.
fn run(words: &[&str]) -> Output {
    plugbay().arg("directory").args(words).output().unwrap()
}

fn done(words: &[&str]) -> Value {
    let output = run(words);
    assert!(output.status.success(), "{words:?}: {output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The command fails with this reason, and leaves the file as it was.
fn refused(words: &[&str], reason: &str, file: &Path) {
    let before = fs::read(file).ok();
    let output = run(words);
    assert_eq!(output.status.code(), Some(1), "{words:?}: {output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains(&format!("({reason})")), "{words:?}: {said}");
    assert!(fs::read(file).ok() == before, "{words:?} changed the file");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_while_endpoints_are_registered_has_all_that_were_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let [file, backup] = ["directory.db", "backup.db"].map(|name| folder.path().join(name));
    let [data, to] = [&file, &backup].map(|path| path.to_str().unwrap());
    let directory = Directory::start(&["--data", data]);
    let address = directory.address;
    let acknowledged: &AtomicUsize = Box::leak(Box::default());
    let writer = tokio::spawn(async move {
        for port in 1..u16::MAX {
            let body = json!({"name": "web", "host": "h", "port": port}).to_string().into_bytes();
            assert_eq!(ask(address, "POST", "/services", &[], body).await.status, 201);
            acknowledged.fetch_add(1, Ordering::Release);
        }
    });
    let (mut last, mut backups) = (0, 0);
    while last < 20 {
        let before = acknowledged.load(Ordering::Acquire);
        let words = ["backup", "--data", data, to, "--json"];
        let made = tokio::task::block_in_place(|| done(&words));
        last = usize::try_from(made["endpoints"].as_u64().unwrap()).unwrap();
        assert!(last >= before, "{before} were acknowledged, {made}");
        backups += 1;
    }
    assert!(backups > 0 && !writer.is_finished(), "it was written meanwhile");
    writer.abort();
    refused(&["restore", to, "--data", data], "file-in-use", &backup);
    directory.stop();

    let restored = done(&["restore", to, "--data", data, "--json"]);
    assert_eq!(restored["endpoints"], last);
    let kept = restored["kept"].as_str().unwrap();
    assert!(kept.ends_with("directory.db.replaced-1") && Path::new(kept).exists(), "{restored}");
    let directory = Directory::start(&["--data", data]);
    assert_eq!(directory.said(&["list", "--json"]), format!("{{\n  \"web\": {last}\n}}"));
    directory.stop();
    let output = run(&["backup", "--data", data, to]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert_eq!(said.trim(), format!("backed up {last} endpoints to {to}"));
}

#[test]
fn neither_command_replaces_what_it_does_not_know() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let [file, backup, text] = ["directory.db", "backup.db", "text"].map(path);
    let [data, to, other] = [&file, &backup, &text].map(|path| path.to_str().unwrap());
    refused(&["backup", "--data", data, to], "file-missing", &file);
    let directory = Directory::start(&["--data", data]);
    directory.said(&["register", "web", "127.0.0.1", "1"]);
    directory.stop();
    fs::write(&text, "not a directory's").unwrap();
    refused(&["backup", "--data", data, other], "file-foreign", &text);
    refused(&["restore", other, "--data", data], "file-foreign", &file);
    done(&["backup", "--data", data, to, "--json"]);
    refused(&["restore", to, "--data", to], "file-itself", &backup);

    // A damaged directory takes the place of no good backup, and the good one that of the directory.
    let file = path("damaged.db");
    let data = file.to_str().unwrap();
    let mut damaged = fs::read(&backup).unwrap();
    let end = damaged.len();
    damaged[end - 4096..].fill(0xa5);
    fs::write(&file, &damaged).unwrap();
    refused(&["backup", "--data", data, to], "file-corrupt", &backup);
    let output = run(&["restore", to, "--data", data]);
    let said = String::from_utf8_lossy(&output.stdout);
    let kept = format!("{data}.replaced-1");
    let expected =
        format!("restored 1 endpoint to {data}\nthe file that was there is now {kept}\n");
    assert_eq!(said, expected);
    assert_eq!(fs::read(kept).unwrap(), damaged);
}
