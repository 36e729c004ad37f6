//! Milestone 3: active health checks.

use serde_json::{Value, json};

use crate::backend::Backend;
use crate::served::Served;

/// Registers a backend with a check of 0.1 s.
async fn register(it: &Served, backend: &Backend, check: Value) -> String {
    let mut check = check;
    for (key, value) in [("interval", json!(0.1)), ("timeout", json!(1))] {
        check.as_object_mut().unwrap().entry(key).or_insert(value);
    }
    let body = json!({"name": "web", "host": "127.0.0.1", "port": backend.port, "check": check});
    it.client.register(&body).await
}

async fn until_status(it: &Served, id: &str, status: &str) -> Value {
    let path = format!("/services/web/{id}/health");
    it.client.until(&path, |answer| answer.json()["status"] == status).await.json()
}

#[tokio::test]
async fn a_health_check_url_is_polled() {
    let it = Served::new().await;
    let backend = Backend::new(200).await;
    let url = format!("http://127.0.0.1:{}/health", backend.port);
    let id = register(&it, &backend, json!({ "http": url })).await;
    let health = until_status(&it, &id, "passing").await;
    assert_eq!((&health["checked"], &health["last_error"]), (&json!(true), &json!(null)));
    let seen = backend.requests();
    let path = format!("/services/web/{id}/health");
    it.client.until(&path, |_| backend.requests() > seen + 2).await;
    // Deregistered, it is left alone.
    it.client.delete(&format!("/services/web/{id}")).await;
    let other = Backend::new(200).await;
    register(&it, &other, json!({"http": "/health"})).await;
    let seen = backend.requests();
    it.client.until("/services/web", |_| other.requests() > 5).await;
    assert!(backend.requests() <= seen + 1, "one may have been on its way");
}

#[tokio::test]
async fn by_default_a_check_runs_every_10_seconds_within_5_and_falls_after_3_and_rises_after_2() {
    let it = Served::new().await;
    let body = json!({"name": "web", "host": "h", "port": 1, "check": {"http": "/health"}});
    it.client.register(&body).await;
    let check = it.client.get("/services/web").await.json()[0]["check"].clone();
    let expected =
        json!({"http": "/health", "port": 1, "interval": 10, "timeout": 5, "fall": 3, "rise": 2});
    assert_eq!(check, expected);
}

#[tokio::test]
async fn failing_checks_take_an_instance_out_and_passing_ones_bring_it_back() {
    let it = Served::new().await;
    let backend = Backend::new(200).await;
    let id = register(&it, &backend, json!({"http": "/health"})).await;
    until_status(&it, &id, "passing").await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    backend.set(500);
    let health = until_status(&it, &id, "critical").await;
    assert!(health["consecutive_failures"].as_u64().unwrap() >= 3);
    assert!(health["last_check"].is_string());
    let error = health["last_error"].as_str().unwrap();
    assert_eq!(error, "expected a status from 200 to 299, found 500");
    assert!(it.client.ports("/services/web").await.is_empty());
    let all = it.client.get("/services/web?include_unhealthy=true").await.json();
    assert_eq!(all[0]["health"], "critical");
    backend.set(204);
    until_status(&it, &id, "passing").await;
    assert_eq!(it.client.ports("/services/web").await.len(), 1);
    for expected in ["critical", "passing"] {
        let event = events.next().await;
        assert_eq!(
            (event.kind.as_str(), &event.data["endpoint"]["health"]),
            ("health_change", &json!(expected))
        );
    }
}

#[tokio::test]
async fn a_timeout_counts_as_a_failure_and_holds_up_no_other_check() {
    let it = Served::new().await;
    let [stuck, good] = [Backend::new(0).await, Backend::new(200).await];
    let check = json!({"http": "/health", "timeout": 0.05, "fall": 2});
    let stuck = register(&it, &stuck, check).await;
    let good = register(&it, &good, json!({"http": "/health"})).await;
    until_status(&it, &good, "passing").await;
    let health = until_status(&it, &stuck, "critical").await;
    assert_eq!(health["last_error"], "expected an answer within 50ms, found none");
}

#[tokio::test]
async fn no_check_is_not_a_failing_check() {
    let it = Served::new().await;
    let id = it.client.register(&json!({"name": "web", "host": "127.0.0.1", "port": 1})).await;
    let health = it.client.get(&format!("/services/web/{id}/health")).await.json();
    assert_eq!((&health["status"], &health["checked"]), (&json!("passing"), &json!(false)));
    assert_eq!((&health["consecutive_failures"], &health["last_check"]), (&json!(0), &json!(null)));
    // Nobody listens on port 1 of this machine; checked, it is out.
    let body = json!({
        "name": "db", "host": "127.0.0.1", "port": 1, "check": {"tcp": true, "interval": 0.1, "fall": 2}
    });
    let id = it.client.register(&body).await;
    assert_eq!(it.client.ports("/services/db").await, [1], "it is used until it failed");
    let path = format!("/services/db/{id}/health");
    let health =
        it.client.until(&path, |answer| answer.json()["status"] == "critical").await.json();
    assert!(health["last_error"].as_str().unwrap().contains("cannot connect"), "{health}");
}

#[tokio::test]
async fn tcp_and_grpc_are_checked_too() {
    let it = Served::new().await;
    let [tcp, grpc] = [Backend::new(200).await, Backend::new(200).await];
    let tcp = register(&it, &tcp, json!({"tcp": true})).await;
    let id = register(&it, &grpc, json!({"grpc": "shop", "fall": 1, "rise": 1})).await;
    until_status(&it, &tcp, "passing").await;
    until_status(&it, &id, "passing").await;
    grpc.set(503);
    let health = until_status(&it, &id, "critical").await;
    assert_eq!(health["last_error"], "expected the status SERVING (1), found 2");
    grpc.set(200);
    until_status(&it, &id, "passing").await;
    grpc.set(404);
    let health = until_status(&it, &id, "critical").await;
    assert_eq!(health["last_error"], "expected grpc-status 0, found 5 \"\"");
}

#[tokio::test]
async fn a_check_follows_no_redirect_and_a_429_is_a_warning() {
    let it = Served::new().await;
    let backend = Backend::new(302).await;
    let id = register(&it, &backend, json!({"http": "/health", "fall": 1, "rise": 1})).await;
    until_status(&it, &id, "critical").await;
    backend.set(429);
    let health = until_status(&it, &id, "warning").await;
    assert_eq!(health["last_error"], "found status 429");
    assert_eq!(it.client.ports("/services/web").await.len(), 1);
}

#[tokio::test]
async fn what_stays_critical_is_deregistered_after_the_stated_time() {
    let it = Served::new().await;
    let backend = Backend::new(500).await;
    let check = json!({"http": "/health", "fall": 1, "deregister_after": 1});
    let id = register(&it, &backend, check).await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    until_status(&it, &id, "critical").await;
    loop {
        let event = events.next().await;
        if event.kind == "deregister" {
            assert_eq!(event.data["reason"], "critical");
            break;
        }
    }
    assert_eq!(it.client.get(&format!("/services/web/{id}")).await.status, 404);
}

#[tokio::test]
async fn a_directory_that_others_can_reach_does_not_check_its_own_machine() {
    let mut settings = crate::served::settings();
    settings.checks = plugbay_discovery::CheckSettings::default();
    let it = Served::with(settings, plugbay_discovery::ApiSettings::default()).await;
    let backend = Backend::new(200).await;
    let id = register(&it, &backend, json!({"http": "/health", "fall": 1})).await;
    let health = until_status(&it, &id, "critical").await;
    assert!(health["last_error"].as_str().unwrap().contains("loopback"), "{health}");
    assert_eq!(backend.requests(), 0);
}

#[tokio::test]
async fn an_endpoint_reports_its_own_health_with_its_heartbeat() {
    let it = Served::new().await;
    let id = it.client.register(&json!({"name": "web", "host": "h", "port": 1})).await;
    let path = format!("/services/web/{id}/heartbeat");
    let report =
        |status: &str| json!({"health": {"status": status, "output": "queue full"}}).to_string();
    it.client.put(&path, report("warning")).await;
    assert_eq!(it.client.get("/services/web").await.json()[0]["health"], "warning");
    it.client.put(&path, report("critical")).await;
    assert!(it.client.ports("/services/web").await.is_empty());
    let health = it.client.get(&format!("/services/web/{id}/health")).await.json();
    assert_eq!(health["report"], json!({"status": "critical", "output": "queue full"}));
    it.client.put(&path, report("passing")).await;
    assert_eq!(it.client.ports("/services/web").await, [1]);
}
