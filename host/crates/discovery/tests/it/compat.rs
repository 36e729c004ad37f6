//! The shapes of the earlier API.

use serde_json::json;

use crate::served::Served;

#[tokio::test]
async fn instances_are_registered_discovered_and_deregistered() {
    let it = Served::new().await;
    // As its client sends it: durations are nanoseconds.
    let body = json!({
        "service": {
            "id": "user-service-8080", "name": "user-service", "address": "localhost", "port": 8080,
            "tags": ["api", "user", "v1.0"], "meta": {"version": "1.0.0", "weight": "1"},
            "health": "", "last_seen": "0001-01-01T00:00:00Z"
        },
        "health_check": {
            "id": "", "name": "", "http": "/health", "interval": 10_000_000_000_u64, "timeout": 5_000_000_000_u64
        }
    });
    for _ in 0..2 {
        let answer = it.client.post("/v1/services", &body).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["status"]), (201, &json!("registered")));
    }
    let found = it.client.get("/v1/services/user-service/discover?healthy=true").await.json();
    assert_eq!(found.as_array().unwrap().len(), 1, "registered again, it is replaced");
    let instance = &found[0];
    assert_eq!(instance["id"], "user-service-8080");
    assert_eq!((&instance["address"], &instance["port"]), (&json!("localhost"), &json!(8080)));
    assert_eq!(instance["tags"], json!(["api", "user", "v1.0"]));
    assert_eq!(instance["meta"], json!({"version": "1.0.0", "weight": "1"}));
    assert_eq!(instance["health"], "passing");
    assert!(instance["last_seen"].as_str().unwrap().ends_with('Z'));
    let own = it.client.get("/services/user-service").await.json();
    assert_eq!(
        (&own[0]["check"]["interval"], &own[0]["check"]["timeout"]),
        (&json!(10), &json!(5))
    );
    let gone = it.client.delete("/v1/services/user-service-8080").await;
    assert_eq!((gone.status.as_u16(), gone.json()), (200, json!({"status": "deregistered"})));
    assert_eq!(it.client.delete("/v1/services/user-service-8080").await.status, 404);
    assert_eq!(it.client.get("/v1/services/user-service/discover").await.json(), json!([]));
}

#[tokio::test]
async fn both_apis_show_one_directory() {
    let it = Served::new().await;
    let id = it.client.register(&json!({"name": "web", "host": "h", "port": 1})).await;
    let found = it.client.get("/v1/services/web/discover").await.json();
    assert_eq!(found[0]["id"], id);
    let report = json!({"health": {"status": "critical"}}).to_string();
    it.client.put(&format!("/services/web/{id}/heartbeat"), report).await;
    assert_eq!(it.client.get("/v1/services/web/discover?healthy=true").await.json(), json!([]));
    assert_eq!(it.client.get("/v1/services/web/discover").await.json()[0]["health"], "critical");
    assert_eq!(it.client.delete(&format!("/v1/services/{id}")).await.status, 200);
}

#[tokio::test]
async fn wrong_bodies_are_refused() {
    let it = Served::new().await;
    for (body, fields) in [
        (json!({}), vec!["service"]),
        (json!({"service": {}}), vec!["name", "host", "port"]),
        (
            json!({"service": {"name": "a", "address": "h", "port": 1, "meta": {"k": 1}}}),
            vec!["metadata"],
        ),
        (
            json!({"service": {"name": "a", "address": "h", "port": 1}, "health_check": {"http": "http://evil/"}}),
            vec!["check.http"],
        ),
    ] {
        assert_eq!(it.client.post("/v1/services", &body).await.wrong_fields(), fields);
    }
}
