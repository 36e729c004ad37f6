//! H5: every figure agrees between the library, HTTP and the command line.

use plugbay_fixtures::Guest;
use plugbay_server::admin::registry;
use serde_json::{Value, json};

use super::cli::plugbay;
use super::support::host;

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_agrees() {
    let both = Guest::both("both").version("2.1.0").schema(r#"{"type":"object"}"#);
    let serving = host()
        .bundled()
        .plugin("both.wasm", &both)
        .plugin("echo.wasm", &Guest::codec("echo"))
        .file("broken.wasm", &plugbay_fixtures::core_module())
        .file("text.wasm", &plugbay_fixtures::not_wasm())
        .serve()
        .await;
    let admin = format!("admin.listen={}", serving.admin());
    let listed = async |arguments: &'static [&'static str]| -> Value {
        let admin = admin.clone();
        tokio::task::spawn_blocking(move || {
            let output = plugbay(arguments).args(["--json", "--set", &admin]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{said}");
            serde_json::from_slice(&output.stdout).unwrap()
        })
        .await
        .unwrap()
    };

    let status = serving.server.host().status();
    let library = serde_json::to_value(&status).unwrap();
    assert_eq!(library, serving.admin_get("/v1/status").await.json());
    assert!(library["plugins"].as_array().unwrap().len() >= 2);
    assert_eq!(library["rejected"].as_array().unwrap().len(), 2);

    // Each part of the HTTP API is that part of the library's answer.
    for part in ["plugins", "rejected"] {
        let http = serving.admin_get(&format!("/v1/{part}")).await.json();
        assert_eq!(http[part], library[part], "{part}");
        assert_eq!(http["generation"], library["generation"], "{part}");
    }
    let generations = serving.admin_get("/v1/generations").await.json();
    for part in ["generation", "published_at", "draining", "pending_restart"] {
        assert_eq!(generations[part], library[part], "{part}");
    }

    // A name's registry: library, HTTP, command line; and its figures are those of the plugins.
    let arguments: [(&str, &'static [&'static str]); 3] = [
        ("plugins", &["list", "plugins"]),
        ("codec", &["list", "codecs"]),
        ("handler", &["list", "handlers"]),
    ];
    for (name, arguments) in arguments {
        let view = serde_json::to_value(registry(&status, name).unwrap()).unwrap();
        let http = serving.admin_get(&format!("/debug/registry/{name}")).await.json();
        assert_eq!(view, http, "{name}");
        assert_eq!(view, listed(arguments).await, "{name}");
        for entry in view["entries"].as_array().unwrap() {
            let plugins = library["plugins"].as_array().unwrap();
            let Some(plugin) = plugins.iter().find(|it| it["name"] == entry["plugin"]) else {
                assert_eq!(entry["state"], "rejected", "{entry}");
                continue;
            };
            for figure in ["version", "digest", "size", "source", "generation"] {
                assert_eq!(entry[figure], plugin[figure], "{figure} of {entry}");
            }
        }
        if name != "plugins" {
            let names: Vec<_> = view["entries"].as_array().unwrap().iter().collect();
            let names: Vec<_> = names.iter().map(|entry| entry["name"].clone()).collect();
            assert_eq!(json!(names), json!(serving.server.host().names(name)), "{name}");
        }
    }

    // One plugin.
    let http = serving.admin_get("/v1/plugins/both").await.json();
    assert_eq!(http, listed(&["inspect", "both"]).await);
    assert_eq!(http, listed(&["inspect", "codec:both"]).await);
    let plugin = library["plugins"].as_array().unwrap().iter().find(|it| it["name"] == "both");
    assert_eq!(Some(&http), plugin);

    // And the data plane speaks of the same codecs.
    let codecs = serving.get("/v1/codecs").await.json();
    let names: Vec<_> = codecs["codecs"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(json!(names), json!(serving.server.host().names("codec")));
}
