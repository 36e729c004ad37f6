//! Components that are hard to compile.

use std::time::Duration;

use plugbay::worker::Bounds;
use plugbay_fixtures::{Guest, with_costly_function};

use super::support::host;

fn costly(name: &str) -> Vec<u8> {
    with_costly_function(&Guest::codec(name).build(), 2_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_takes_too_much_to_compile_is_refused_beside_one_that_serves() {
    let few = Bounds { cpu: Duration::from_mins(10), memory: 256 << 20 };
    let short = Bounds { cpu: Duration::from_secs(1), memory: 16 << 30 };
    for (bounds, found) in [(few, "takes more memory"), (short, "takes more time")] {
        let serving = host()
            .compiling(bounds)
            .plugin("good.wasm", &Guest::codec("good"))
            .file("costly.wasm", &costly("costly"))
            .serve()
            .await;
        let rejected = serving.admin_get("/v1/rejected").await.json();
        let refused = &rejected["rejected"][0];
        assert_eq!(refused["reason"], "compile", "{rejected}");
        assert!(refused["message"].as_str().unwrap().contains(found), "{rejected}");
        let json = [("content-type", "application/json")];
        assert_eq!(serving.send("POST", "/v1/codecs/good/encode", &json, "1").await.status, 200);
    }
}
