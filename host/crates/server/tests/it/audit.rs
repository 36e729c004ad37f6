//! The audit log of the admin plane.

use std::fs;

use plugbay::Liveness;
use plugbay_server::{BindError, Role, Server, new_token};
use serde_json::Value;

use super::cli::plugbay;
use super::support::{ask, host};

fn lines(path: &std::path::Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_change_is_written_before_and_after_and_a_restart_continues() {
    let folder = tempfile::tempdir().unwrap();
    let (file, tokens) = (folder.path().join("audit.log"), folder.path().join("tokens"));
    let token = new_token(&tokens, "ada", Role::Operator).unwrap();
    let bearer = format!("Bearer {}", token.reveal());
    for start in 0..2 {
        let setup = host().set("admin.audit", file.to_str().unwrap());
        let serving = setup.set("admin.tokens", tokens.to_str().unwrap()).serve().await;
        let headers = [("authorization", &*bearer), ("x-request-id", "req-1")];
        let send = |method: &'static str, path: &'static str| {
            ask(serving.admin(), method, path, &headers, Vec::new())
        };
        assert_eq!(send("GET", "/v1/status").await.status, 200);
        assert_eq!(ask(serving.admin(), "POST", "/v1/resume", &[], Vec::new()).await.status, 401);
        // Another parameter than `dry_run` is refused.
        let answer = send("POST", "/v1/generations/99/rollback?token=hunter2").await;
        assert_eq!(answer.status, 400);
        assert_eq!(answer.header("x-request-id"), Some("req-1"));
        let lines = lines(&file);
        assert_eq!(lines.len(), 2 * (start + 1));
        let [asked, answered] = lines.last_chunk().unwrap();
        for (line, event) in [(asked, "asked"), (answered, "answered")] {
            assert_eq!(line["event"], event);
            for (key, value) in [
                ("name", "ada"),
                ("role", "operator"),
                ("client", "127.0.0.1"),
                ("method", "POST"),
                ("path", "/v1/generations/99/rollback"),
                ("request_id", "req-1"),
            ] {
                assert_eq!(line[key], value, "{key}");
            }
        }
        assert_eq!(answered["status"], 400);
        assert!(answered["took_ms"].is_u64() && answered["at"].is_string());
        serving.server.stop(super::support::SOON).await;
    }
    assert!(!fs::read_to_string(&file).unwrap().contains("plugbay_"), "no token");
    let path = file.to_str().unwrap();
    let verified = plugbay(&["audit", "verify", path]).unwrap();
    let text = String::from_utf8(verified.stdout).unwrap();
    assert!(text.starts_with(&format!("good: {path}: 4 lines")), "{text}");
    fs::write(&file, fs::read_to_string(&file).unwrap().replacen("ada", "eve", 1)).unwrap();
    let output = plugbay(&["audit", "verify", path]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with(&format!("broken: {path}:2: expected the hash")), "{text}");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

/// What cannot be written is not done.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn with_a_full_disk_nothing_is_changed() {
    let serving = host().set("admin.audit", "/dev/full").serve().await;
    serving.deploy("echo.wasm", &plugbay_fixtures::Guest::codec("echo"));
    let refused = ask(serving.admin(), "POST", "/v1/reload", &[], Vec::new()).await;
    assert_eq!((refused.status, &*refused.code()), (503, "audit"));
    assert!(refused.header("x-request-id").is_some());
    assert_eq!(serving.admin_get("/v1/status").await.status, 200, "to look is allowed");
    let metrics = serving.admin_get("/metrics").await.text();
    assert!(metrics.contains("plugbay_admin_audit_failed_total 1"), "{metrics}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_audit_log_keeps_the_server_from_starting() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("audit.log");
    fs::write(&file, "something else\n").unwrap();
    let setup = host().set("admin.audit", file.to_str().unwrap());
    let bound = Server::bind(&setup.layers().load().unwrap(), Liveness::default());
    assert!(matches!(bound.map(drop), Err(BindError::Audit(_))));
    assert_eq!(fs::read_to_string(&file).unwrap(), "something else\n");
}
