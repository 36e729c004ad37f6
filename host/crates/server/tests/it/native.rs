//! Native plugins in C, through the server.

use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::Signal;
use serde_json::Value;

use super::support::{Serving, host, mapping_alone, signal, until};

/// The example of the C header, built by the system's compiler; `None` if there is none.
pub(crate) fn rot13(folder: &Path, version: &str) -> Option<PathBuf> {
    changed(folder, &format!("rot13-{version}"), |source| source.replace("1.0.0", version))
}

/// As [`rot13`], but creates the file `gate` when it is shut down or freed, and hangs.
pub(crate) fn hangs_in_shutdown(folder: &Path, gate: &Path) -> Option<PathBuf> {
    changed(folder, "hanging", |source| {
        let heads = [
            "static void shutdown(void *instance, plugbay_host host) {",
            "static void destroy(void *instance, plugbay_host host) {",
        ];
        let hang = |source: String, head: &str| {
            assert!(source.contains(head));
            source.replace(head, &format!("{head} hang();"))
        };
        hanging(&heads.into_iter().fold(source, hang), "", gate)
    })
}

/// As [`rot13`], but creates the file `gate` while the system's loader loads it, and hangs.
pub(crate) fn hangs_in_the_loader(folder: &Path, gate: &Path) -> Option<PathBuf> {
    changed(folder, "loading", |source| hanging(&source, "__attribute__((constructor))", gate))
}

fn hanging(source: &str, attribute: &str, gate: &Path) -> String {
    let gate = gate.display();
    format!(
        "#define _POSIX_C_SOURCE 200809L\n#include <stdio.h>\n#include <unistd.h>\n\
         {attribute} static void hang(void) {{\n\
         fclose(fopen(\"{gate}\", \"w\")); for (;;) {{ pause(); }}\n}}\n{source}"
    )
}

fn changed(folder: &Path, name: &str, change: impl FnOnce(String) -> String) -> Option<PathBuf> {
    let c = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugin-sdk/c");
    let source = std::fs::read_to_string(c.join("examples/rot13.c")).unwrap();
    let (source_file, library) =
        (folder.join(format!("{name}.c")), folder.join(format!("{name}.so")));
    std::fs::write(&source_file, change(source)).unwrap();
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let built = Command::new(&compiler)
        .args(["-shared", "-fPIC", "-std=c99", "-fvisibility=hidden", "-I"])
        .arg(&c)
        .arg("-o")
        .args([&library, &source_file])
        .status();
    match built {
        Ok(status) => assert!(status.success(), "{compiler}"),
        Err(error) => {
            eprintln!("skipped: {compiler} does not run: {error}");
            return None;
        }
    }
    Some(library)
}

async fn encode(serving: &Serving) -> (u16, String) {
    let json = [("content-type", "application/json")];
    let answer = serving.send("POST", "/v1/codecs/rot13/encode", &json, r#""Hello""#).await;
    (answer.status, answer.text())
}

/// Waits until this version of the plugin serves, and returns its status.
async fn wait_for_version(serving: &Serving, version: &str) -> Value {
    let plugin = async || serving.admin_get("/v1/plugins/rot13").await;
    until("the version serves", async || {
        let plugin = plugin().await;
        plugin.status == 200 && plugin.json()["version"] == version
    })
    .await;
    plugin().await.json()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_is_refused_until_the_configuration_allows_it() {
    let elsewhere = tempfile::tempdir().unwrap();
    let Some(library) = rot13(elsewhere.path(), "1.0.0") else { return };
    let serving = host().file("rot13.so", &std::fs::read(&library).unwrap()).serve().await;
    let rejected = serving.admin_get("/v1/rejected").await.json();
    let refused = &rejected["rejected"][0];
    assert_eq!(refused["reason"], "isolation", "{rejected}");
    assert!(refused["hint"].as_str().unwrap().contains("rot13.so"), "{rejected}");

    let config = serving.setup.plugins().with_file_name("config.toml");
    std::fs::write(&config, "plugins.rot13 = { artifact = 'rot13.so', isolation = 'process' }")
        .unwrap();
    let plugin = wait_for_version(&serving, "1.0.0").await;
    assert_eq!(
        (&plugin["form"], &plugin["policy"]["isolation"]),
        (&"native".into(), &"process".into())
    );
    assert_eq!(encode(&serving).await, (200, "Uryyb".to_owned()));
    assert_eq!(serving.admin_get("/v1/rejected").await.json()["rejected"], Value::Array(vec![]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_worker_fails_one_call_at_most() {
    let elsewhere = tempfile::tempdir().unwrap();
    let Some(library) = rot13(elsewhere.path(), "1.0.0") else { return };
    let serving = host()
        .toml("defaults.isolation = 'process'")
        .file("rot13.so", &std::fs::read(&library).unwrap())
        .serve()
        .await;
    assert_eq!(encode(&serving).await, (200, "Uryyb".to_owned()));
    let worker = wait_for_version(&serving, "1.0.0").await["stats"]["worker"].clone();
    assert_eq!(worker["state"], "running", "{worker}");
    if cfg!(target_os = "linux") {
        let protections: Vec<String> =
            serde_json::from_value(worker["protections"].clone()).unwrap();
        assert!(protections.contains(&"no-new-privs".to_owned()), "{protections:?}");
    }
    let pid = u32::try_from(worker["pid"].as_u64().unwrap()).unwrap();
    signal(pid, Signal::KILL);
    // A call may fail because the worker ended, but each call gets an answer.
    until("a new worker serves", async || {
        let (status, text) = encode(&serving).await;
        assert!(matches!(status, 200 | 502 | 503), "{status}: {text}");
        let now = wait_for_version(&serving, "1.0.0").await["stats"]["worker"].clone();
        status == 200 && now["pid"] != worker["pid"]
    })
    .await;
}

/// A host with room for one mapped library, which serves, and the bytes of a second one. No other
/// test may map a library meanwhile, or map these versions before, because a library that is
/// already mapped needs no more room.
async fn host_with_room_for_one_library(
    beyond: &str,
    [first, second]: [&str; 2],
    elsewhere: &Path,
) -> Option<(Serving, Vec<u8>)> {
    let (one, two) = (rot13(elsewhere, first)?, rot13(elsewhere, second)?);
    let (one, two) = (std::fs::read(&one).unwrap(), std::fs::read(&two).unwrap());
    let status = host().serve().await.admin_get("/v1/status").await.json();
    let sizes = status["libraries"].as_array().into_iter().flatten().map(|it| it["size"].as_u64());
    let mapped: u64 = sizes.flatten().sum();
    let room = mapped + (one.len() + two.len() / 2) as u64;
    let serving = host()
        .toml(&format!(
            "defaults.isolation = 'in-process'\n[host]\nmapped = {room}\nmapped_beyond = '{beyond}'"
        ))
        .file("rot13.so", &one)
        .serve()
        .await;
    let plugin = wait_for_version(&serving, first).await;
    assert_eq!(plugin["isolation"], "in-process", "{plugin}");
    assert!(plugin["stats"].get("worker").is_none(), "{plugin}");
    Some((serving, two))
}

fn replace(serving: &Serving, bytes: &[u8]) {
    let dropped = serving.setup.plugins().join("rot13.so");
    let half = dropped.with_file_name(".half");
    std::fs::write(&half, bytes).unwrap();
    std::fs::rename(half, dropped).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_without_room_in_the_host_runs_in_a_worker() {
    let elsewhere = tempfile::tempdir().unwrap();
    let _alone = mapping_alone().await;
    let Some((serving, second)) =
        host_with_room_for_one_library("process", ["2.0.1", "2.0.2"], elsewhere.path()).await
    else {
        return;
    };
    let mut events = serving.server.host().subscribe();
    replace(&serving, &second);
    let plugin = wait_for_version(&serving, "2.0.2").await;
    // The actual and the requested isolation.
    assert_eq!(plugin["isolation"], "process", "{plugin}");
    assert_eq!(plugin["policy"]["isolation"], "in-process");
    assert_eq!(plugin["stats"]["worker"]["state"], "running", "{plugin}");
    assert_eq!(encode(&serving).await, (200, "Uryyb".to_owned()));
    let events = std::iter::from_fn(|| events.try_recv()).map(|event| event.outcome);
    let moved: Vec<_> = events.filter(|outcome| outcome.reason() == "moved").collect();
    assert_eq!(moved.len(), 1, "{moved:?}");
    assert!(moved[0].to_string().contains("rot13@2.0.2 runs in a worker process"), "{moved:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_library_without_room_is_refused_and_the_old_version_keeps_serving() {
    let elsewhere = tempfile::tempdir().unwrap();
    let _alone = mapping_alone().await;
    let Some((serving, second)) =
        host_with_room_for_one_library("refuse", ["2.1.1", "2.1.2"], elsewhere.path()).await
    else {
        return;
    };
    replace(&serving, &second);
    until("the library is refused", async || {
        let rejected = serving.admin_get("/v1/rejected").await.json();
        rejected["rejected"][0]["reason"] == "mapped"
    })
    .await;
    let plugin = wait_for_version(&serving, "2.1.1").await;
    assert_eq!(plugin["isolation"], "in-process", "{plugin}");
    assert_eq!(encode(&serving).await, (200, "Uryyb".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn status_shows_mapped_libraries() {
    let _alone = mapping_alone().await;
    let elsewhere = tempfile::tempdir().unwrap();
    let (Some(one), Some(two)) =
        (rot13(elsewhere.path(), "1.0.1"), rot13(elsewhere.path(), "1.0.2"))
    else {
        return;
    };
    let serving = host()
        .toml("defaults.isolation = 'in-process'")
        .file("rot13.so", &std::fs::read(&one).unwrap())
        .serve()
        .await;
    let first = wait_for_version(&serving, "1.0.1").await;
    assert_eq!(encode(&serving).await, (200, "Uryyb".to_owned()));
    replace(&serving, &std::fs::read(&two).unwrap());
    let second = wait_for_version(&serving, "1.0.2").await;
    assert_eq!(encode(&serving).await, (200, "Uryyb".to_owned()));
    let status = serving.admin_get("/v1/status").await.json();
    let serves = |plugin: &Value| {
        let libraries = status["libraries"].as_array().unwrap();
        let library = libraries.iter().find(|it| it["digest"] == plugin["digest"]);
        let library = library.unwrap_or_else(|| panic!("{libraries:?}"));
        assert!(library["size"].as_u64().unwrap() > 0);
        library["serves"].as_bool().unwrap()
    };
    assert!(!serves(&first));
    assert!(serves(&second));
}
