//! The private copy that a worker loads, and loads again.

use std::fs::{self, File};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use plugbay_core::{
    Artifact, Identity, Isolation, Plugin, Policy, Runtime as _, Source, StartPlugin, Unobserved,
};
use plugbay_native::NativeRuntime;
use plugbay_native::worker::WorkerCommand;
use serde_json::json;

use crate::support::{eventually, kill, tests};

tests![a_copy_stays_as_long_as_a_worker_may_load_it_again];

/// A runtime with this folder of copies, as a host creates it at its start.
fn runtime(copies: &Path, tokio: &tokio::runtime::Runtime) -> NativeRuntime {
    NativeRuntime::new(copies.to_owned(), tokio.handle().clone())
        .worker(WorkerCommand::this_program())
}

/// Starts the library in a worker, and drops what was prepared.
fn start(runtime: &NativeRuntime, library: &Path) -> Arc<dyn Plugin> {
    let bytes = fs::read(library).unwrap();
    let prepared = runtime.prepare(&Artifact::new(Source::File(library.to_owned()), bytes));
    let prepared = prepared.unwrap();
    let description = Arc::new(prepared.describe(Isolation::Process).unwrap());
    let policy = Policy { isolation: Isolation::Process, ..Policy::default() };
    let identity = Identity::new(&description.name, &description.version);
    let observer = Arc::new(Unobserved);
    let start = StartPlugin { identity, description, config: json!({}), policy, observer };
    prepared.start(start).unwrap()
}

fn a_copy_stays_as_long_as_a_worker_may_load_it_again() {
    let folder = tempfile::tempdir().unwrap();
    let (library, copies) = (folder.path().join("fixture.so"), folder.path().join("copies"));
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let compiled = Command::new("cc")
        .args(["-shared", "-fPIC", "-fvisibility=hidden", "-I"])
        .arg(crate_folder.join("../../../plugin-sdk/c"))
        .arg("-o")
        .arg(&library)
        .arg(crate_folder.join("tests/plugins/fixture.c"))
        .status();
    assert!(compiled.unwrap().success());
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let plugin = start(&runtime(&copies, &tokio), &library);
    let copy = fs::read_dir(&copies)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some())
        .unwrap();
    let long_ago = SystemTime::now() - Duration::from_hours(48);
    File::open(&copy).unwrap().set_modified(long_ago).unwrap();

    // Another host starts, which does not run the plugin.
    drop(runtime(&copies, &tokio));
    let worker = |plugin: &Arc<dyn Plugin>| plugin.stats().worker.unwrap().pid;
    let first = worker(&plugin).unwrap();
    kill(first);
    eventually("another worker", || {
        // The call starts a worker.
        drop(plugin.health(Duration::from_secs(5)));
        worker(&plugin).filter(|pid| *pid != first)
    });

    plugin.shutdown();
    drop(plugin);
    drop(runtime(&copies, &tokio));
    assert!(!copy.exists(), "no plugin uses the copy any more");
}
