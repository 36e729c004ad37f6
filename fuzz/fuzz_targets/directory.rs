//! A request to the API of a directory: whatever its method, path, query and body are, it is answered, never with a
//! 500, and what was registered can be read back.
#![no_main]

use std::sync::LazyLock;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, Uri};
use libfuzzer_sys::fuzz_target;
use plugbay_discovery::{ApiSettings, LiveDirectory, LiveSettings, Registration, router};
use tokio::runtime::Runtime;
use tower::ServiceExt as _;

static APP: LazyLock<(Runtime, Router)> = LazyLock::new(|| {
    let runtime = Runtime::new().expect("a runtime");
    let api = ApiSettings::default();
    // Watches and blocking queries end at once.
    api.stopped.cancel();
    let mut settings = LiveSettings::default();
    settings.limits.endpoints = 1000;
    (runtime, router(LiveDirectory::in_memory(settings), api))
});

const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::DELETE, Method::HEAD];
const PATHS: [&str; 12] = [
    "/services",
    "/services/a",
    "/services/a/watch",
    "/services/a/01890a5d-ac96-774b-bcce-b302099a8057",
    "/services/a/01890a5d-ac96-774b-bcce-b302099a8057/heartbeat",
    "/heartbeats",
    "/watch",
    "/v1/services",
    "/v1/services/a",
    "/v1/services/a/discover",
    "/metrics",
    "",
];

fuzz_target!(|input: (u8, u8, String, Vec<u8>)| {
    let (method, path, rest, body) = input;
    if let Ok(registration) = Registration::from_json(&body) {
        let written = serde_json::to_vec(&registration).expect("JSON");
        let read = Registration::from_json(&written).expect("what was written");
        assert_eq!(read, registration);
    }
    let method = METHODS[usize::from(method) % METHODS.len()].clone();
    let path = PATHS[usize::from(path) % PATHS.len()];
    let Ok(uri) = format!("{path}{rest}").parse::<Uri>() else { return };
    if !uri.path().starts_with('/') {
        return;
    }
    let Ok(request) = Request::builder().method(method).uri(uri).body(Body::from(body)) else {
        return;
    };
    let (runtime, app) = &*APP;
    let answer = runtime.block_on(app.clone().oneshot(request)).expect("an answer");
    assert_ne!(answer.status().as_u16(), 500);
});
