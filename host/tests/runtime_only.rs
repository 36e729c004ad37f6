//! A host without any feature: it runs components, and names the feature that it lacks where one is
//! needed. Run by `cargo test -p plugbay --no-default-features --test runtime_only`.

#![cfg(not(any(feature = "native", feature = "schema", feature = "watch")))]

use std::time::{Duration, Instant};

use plugbay::config::PluginSettings;
use plugbay::{Config, Host, Reason, Status};
use plugbay_fixtures::Guest;

fn config(folder: &std::path::Path) -> Config {
    let mut config = Config::default();
    config.host.plugins = folder.join("plugins");
    config.host.cache = folder.join("cache");
    config.host.debounce = Duration::from_millis(1);
    config.host.rescan = Duration::from_millis(5);
    std::fs::create_dir(&config.host.plugins).unwrap();
    config
}

/// Why the file of this name is rejected.
fn refusal(status: &Status, file: &str) -> (Reason, String) {
    let rejected = status.rejected.iter().find(|it| it.source.to_string().ends_with(file));
    let rejected = rejected.unwrap_or_else(|| panic!("{file} is not rejected"));
    (rejected.reason, rejected.message.clone())
}

#[test]
fn a_file_is_found_by_polling() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    let plugins = config.host.plugins.clone();
    let host = Host::builder().config(config).watch(true).build_blocking().unwrap();
    assert!(host.names("codec").is_empty());
    let (file, whole) = (plugins.join("echo.wasm"), plugins.join(".echo.tmp"));
    std::fs::write(&whole, Guest::codec("echo").build()).unwrap();
    std::fs::rename(whole, file).unwrap();
    let end = Instant::now() + Duration::from_secs(60);
    while host.names("codec") != ["echo"] {
        assert!(Instant::now() < end, "not found within a minute");
        std::thread::yield_now();
    }
    assert_eq!(host.codec("echo").unwrap().encode_document(&[0xf6]).unwrap(), [0xf6]);
}

#[test]
fn a_library_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path());
    std::fs::write(config.host.plugins.join("native.so"), b"\x7fELF\x02\x01\x01").unwrap();
    let host = Host::builder().config(config).watch(false).build_blocking().unwrap();
    let (reason, message) = refusal(&host.status(), "native.so");
    assert_eq!(reason, Reason::UnknownFormat);
    assert!(message.contains("built without the feature `native`"), "{message}");
}

#[test]
fn configuration_that_no_schema_can_check_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let mut config = config(folder.path());
    let guest = |name: &str| Guest::codec(name).schema(r#"{"type":"object"}"#).build();
    std::fs::write(config.host.plugins.join("set.wasm"), guest("set")).unwrap();
    std::fs::write(config.host.plugins.join("plain.wasm"), guest("plain")).unwrap();
    let mut settings = PluginSettings::default();
    settings.config = serde_json::json!({"level": 1});
    config.plugins.insert("set".to_owned(), settings);
    let host = Host::builder().config(config).watch(false).build_blocking().unwrap();
    assert_eq!(host.names("codec"), ["plain"]);
    let (reason, message) = refusal(&host.status(), "set.wasm");
    assert_eq!(reason, Reason::ConfigSchema);
    assert!(message.contains("built without the feature `schema`"), "{message}");
}
