//! The actions of operators over HTTP.

use plugbay_fixtures::Guest;
use serde_json::{Value, json};

use super::support::{Answer, Serving, ask, host};

async fn serving() -> Serving {
    host()
        .plugin("a.wasm", &Guest::both("a").stamp("a"))
        .plugin("b.wasm", &Guest::codec("b"))
        .serve()
        .await
}

async fn post(serving: &Serving, path: &str, body: &str) -> Answer {
    ask(serving.admin(), "POST", path, &[], body.into()).await
}

#[tokio::test]
async fn a_dry_run_says_what_would_change_and_the_action_does_it() {
    let serving = serving().await;
    let dry = post(&serving, "/v1/plugins/a/disable?dry_run=true", "").await;
    assert_eq!(dry.status, 200, "{}", dry.text());
    let dry = dry.json();
    assert_eq!(
        (&dry["dry_run"], &dry["action"], &dry["on"]),
        (&true.into(), &"disable".into(), &"a".into())
    );
    assert_eq!(dry["change"]["capabilities_removed"], json!(["codec:a", "handler:a"]));
    assert!(dry["change"]["routes_removed"][0].as_str().unwrap().ends_with("to a"), "{dry}");
    assert_eq!(serving.get("/a").await.status, 200);
    let done = post(&serving, "/v1/plugins/a/disable", "").await.json();
    assert_eq!((&done["published"], &done["change"]), (&true.into(), &dry["change"]));
    assert_eq!(serving.get("/a").await.status, 503);
    let status = serving.admin_get("/v1/status").await.json();
    let switched = &status["overrides"][0];
    assert_eq!(
        (&switched["on"], &switched["switch"], &switched["by"]),
        (&"a".into(), &"disabled".into(), &"operator".into())
    );
    // A rollback says what it brings back.
    let before = dry["generation"].as_u64().unwrap();
    let diff = serving.admin_get(&format!("/v1/generations/{before}/diff")).await.json();
    assert_eq!(
        (&diff["to"], &diff["change"]["capabilities_added"][0]),
        (&before.into(), &"codec:a".into())
    );
    let path = format!("/v1/generations/{before}/rollback?dry_run=true");
    assert_eq!(post(&serving, &path, "").await.json()["change"], diff["change"]);
    assert_eq!(serving.get("/a").await.status, 503);
    assert_eq!(post(&serving, "/v1/plugins/a/enable", "").await.json()["published"], true);
    assert_eq!(serving.get("/a").await.status, 200);
}

#[tokio::test]
async fn calls_of_a_plugin_are_held_back() {
    let serving = serving().await;
    let drained = post(&serving, "/v1/plugins/a/drain", "").await;
    assert_eq!((drained.status, &drained.json()["left"]["leases"]), (200, &0.into()));
    let refused = serving.get("/a").await;
    assert_eq!((refused.status, refused.code().as_str()), (503, "retired"));
    assert_eq!(refused.header("retry-after"), Some("1"));
    post(&serving, "/v1/plugins/a/enable", "").await;
    assert_eq!(serving.get("/a").await.status, 200);
    let open = post(&serving, "/v1/plugins/a/breaker", r#"{"state":"open"}"#).await.json();
    assert_eq!(open["change"]["capabilities_held"], json!(["codec:a", "handler:a"]));
    assert_eq!(serving.get("/a").await.code(), "breaker-open");
    let metrics = serving.admin_get("/metrics").await.text();
    for series in [
        "plugbay_events_total{reason=\"operator-drain\"} 1",
        "plugbay_events_total{reason=\"operator-breaker-open\"} 1",
    ] {
        assert!(metrics.contains(series), "{series}");
    }
    post(&serving, "/v1/plugins/a/breaker", r#"{"state":"closed"}"#).await;
    assert_eq!(serving.get("/a").await.status, 200);
    let restarted =
        ask(serving.admin(), "POST", "/v1/plugins/a/restart", &[("prefer", "wait=60")], Vec::new())
            .await;
    assert_eq!(restarted.header("preference-applied"), Some("wait=60"));
    assert_eq!(restarted.json()["loaded"], json!(["a@1.0.0"]));
}

#[tokio::test]
async fn what_is_wrong_is_said_and_nothing_changes() {
    let serving = serving().await;
    for (path, body, status, code) in [
        ("/v1/plugins/x/disable", "", 404, "not-found"),
        ("/v1/plugins/x/restart", "", 404, "not-found"),
        // A mistyped parameter must not lead to the change that it was to prevent.
        ("/v1/plugins/a/disable?dryrun=true", "", 400, "bad-request"),
        ("/v1/reload?dry_run=perhaps", "", 400, "bad-request"),
        ("/v1/plugins/a/breaker", "", 400, "bad-request"),
        ("/v1/plugins/a/breaker", r#"{"state":"ajar"}"#, 400, "bad-request"),
        ("/v1/plugins/a/breaker", r#"{"state":"open","x":1}"#, 400, "bad-request"),
        ("/v1/capabilities/codec:a/weights", r#"{"weights":{"a":1}}"#, 409, "weights"),
        ("/v1/capabilities/codec:x/weights", r#"{"weights":{}}"#, 404, "not-found"),
        ("/v1/capabilities/codec:a/weights", r#"{"weights":{"a":-1}}"#, 400, "bad-request"),
        ("/v1/generations/99/rollback?dry_run=true", "", 404, "unknown-generation"),
    ] {
        let answer = post(&serving, path, body).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} {body}");
    }
    let large = format!("{{\"weights\":{{}}{}}}", " ".repeat(70 << 10));
    let answer = post(&serving, "/v1/capabilities/codec:a/weights", &large).await;
    assert_eq!(answer.code(), "body-too-large");
    for path in ["/v1/plugins/a/disable", "/v1/capabilities/codec:a/weights"] {
        let answer = serving.admin_get(path).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("OPTIONS, POST")), "{path}");
    }
    assert_eq!(serving.admin_get("/v1/status").await.json()["generation"], 1);
    let disabled = post(&serving, "/v1/plugins/a/disable", "").await;
    assert_eq!(disabled.status, 200);
    assert_eq!(post(&serving, "/v1/plugins/a/restart", "").await.code(), "not-running");
}

#[tokio::test]
async fn the_running_configuration_has_origins_and_no_secrets() {
    let setup = host().plugin("a.wasm", &Guest::codec("a").schema("{}"));
    let serving = setup
        .toml("[plugins.a]\nmemory = '16MiB'\n[plugins.a.config]\npassword = 'hunter2'\n")
        .serve()
        .await;
    let answer = serving.admin_get("/v1/config").await;
    assert!(!answer.text().contains("hunter2"), "{}", answer.text());
    let config = answer.json();
    let value = |key: &str| -> Value {
        let mut values = config["values"].as_array().unwrap().iter();
        values.find(|it| it["key"] == key).unwrap_or_else(|| panic!("{key}")).clone()
    };
    let memory = value("plugins.a.memory");
    assert_eq!((&memory["value"], &memory["origin"]["line"]), (&"16MiB".into(), &2.into()));
    assert_eq!(value("plugins.a.config.password")["value"], "<hidden>");
    assert_eq!(value("host.linked")["origin"], json!({ "from": "flag", "key": "host.linked" }));
    assert_eq!(value("server.timeout")["origin"], json!({ "from": "default" }));
    assert!(config["toml"].as_str().unwrap().contains("memory = \"16MiB\""));
}
