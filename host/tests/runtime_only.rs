//! A host without any feature: it runs components, and its errors name the feature that is missing.
//! Run by `cargo test -p plugbay --no-default-features --test runtime_only`.

#![cfg(not(any(
    feature = "compile",
    feature = "native",
    feature = "schema",
    feature = "wasi",
    feature = "watch"
)))]

use std::path::Path;
use std::time::{Duration, Instant};

use plugbay::config::check_plugin_config;
use plugbay::{Config, Host, Reason, Rejected};
use plugbay_fixtures::Guest;
use serde_json::json;

fn config(folder: &Path) -> Config {
    let mut config = Config::default();
    config.host.plugins = folder.join("plugins");
    config.host.cache = folder.join("cache");
    config.host.debounce = Duration::from_millis(1);
    config.host.rescan = Duration::from_millis(5);
    std::fs::create_dir(&config.host.plugins).unwrap();
    config
}

fn rejected(host: &Host, file: &str) -> Option<Rejected> {
    host.status().rejected.into_iter().find(|it| it.source.ends_with(file))
}

#[test]
fn a_file_is_found_by_polling_and_not_compiled() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let plugins = config.host.plugins.clone();
    let host = Host::builder().config(config).watch(true).build_blocking().unwrap();
    assert!(host.status().rejected.is_empty());
    let (file, whole) = (plugins.join("echo.wasm"), plugins.join(".echo.tmp"));
    std::fs::write(&whole, Guest::codec("echo").build()).unwrap();
    std::fs::rename(whole, file).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    let rejected = loop {
        if let Some(rejected) = rejected(&host, "echo.wasm") {
            break rejected;
        }
        assert!(Instant::now() < end, "not found within a minute");
        std::thread::yield_now();
    };
    assert_eq!(rejected.reason, Reason::Compiler);
    assert!(rejected.hint.contains("feature `compile`"), "{}", rejected.hint);
}

#[test]
fn a_library_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    std::fs::write(config.host.plugins.join("native.so"), b"\x7fELF\x02\x01\x01").unwrap();
    let host = Host::builder().config(config).watch(false).build_blocking().unwrap();
    let rejected = rejected(&host, "native.so").expect("the library is rejected");
    assert_eq!(rejected.reason, Reason::UnknownFormat);
    let message = rejected.message;
    assert!(message.contains("built without the feature `native`"), "{message}");
}

#[test]
fn configuration_that_no_schema_can_check_is_rejected() {
    let schema = json!({"type": "object"});
    assert_eq!(check_plugin_config(&schema, &json!({})), Ok(()));
    let violations = check_plugin_config(&schema, &json!({"level": 1})).unwrap_err();
    let message = &violations[0].message;
    assert!(message.contains("built without the feature `schema`"), "{message}");
}
