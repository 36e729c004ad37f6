//! The main use case, end to end, with real components.

use std::time::{Duration, Instant};

use plugbay::{Config, Host, Request};
use plugbay_fixtures::Guest;

fn config(folder: &std::path::Path) -> Config {
    let mut config = Config::default();
    config.host.plugins = folder.join("plugins");
    config.host.cache = folder.join("cache");
    config.host.linked = false;
    config.host.debounce = Duration::from_millis(10);
    config
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < end, "{what}: not within 20 s");
        std::thread::yield_now();
    }
}

#[test]
fn a_plugin_is_added_called_replaced_and_removed() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    let host = Host::builder().config(config(folder.path())).build_blocking().unwrap();
    assert!(host.names("codec").is_empty());
    let file = plugins.join("echo.wasm");
    std::fs::write(&file, Guest::codec("echo").build()).unwrap();
    until("the file is loaded", || host.names("codec") == ["echo"]);
    let echo = host.codec("echo").unwrap();
    assert_eq!(echo.encode_document(&[0xf6]).unwrap(), [0xf6]);
    let next = plugins.join(".echo.tmp");
    std::fs::write(&next, Guest::codec("echo").version("2.0.0").stamp("v2").build()).unwrap();
    std::fs::rename(&next, &file).unwrap();
    until("the file is replaced", || echo.encode_document(&[0xf6]).unwrap() == b"\xf6v2");
    std::fs::remove_file(&file).unwrap();
    until("the file is removed", || host.codec("echo").is_err());
    assert!(echo.encode_document(&[0xf6]).is_err());
    assert!(host.status().rejected.is_empty());
}

#[tokio::test]
async fn a_handler_answers() {
    let folder = tempfile::tempdir().unwrap();
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    std::fs::write(plugins.join("h.wasm"), Guest::handler("h").build()).unwrap();
    let host = Host::builder().config(config(folder.path())).build().await.unwrap();
    let request = Request { method: "GET".into(), body: b"hi".to_vec(), ..Request::default() };
    let response = host.handler("h").unwrap().handle(request).await.unwrap();
    assert_eq!((response.status, &response.body[..]), (200, &b"hi"[..]));
    assert!(host.shutdown(Duration::from_secs(5)).await.is_empty());
}
