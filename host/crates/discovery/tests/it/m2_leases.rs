//! Milestone 2: heartbeat-based TTL leases.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use plugbay_discovery::ApiSettings;
use serde_json::json;

use crate::served::{Served, TestClock, settings};

/// A directory whose time stands still until the test lets it pass.
async fn with_clock() -> (Served, TestClock) {
    let clock = TestClock::new();
    let mut settings = settings();
    settings.clock = Arc::new(clock.clone());
    // The sweeper sleeps by the real clock; these tests sweep themselves.
    settings.sweep = Duration::from_secs(3600);
    (Served::with(settings, ApiSettings::default()).await, clock)
}

#[tokio::test]
async fn a_registration_takes_a_ttl_and_has_30_seconds_without() {
    let (it, clock) = with_clock().await;
    for (port, ttl) in [(1, json!(null)), (2, json!(5)), (3, json!("2m")), (4, json!(0.5))] {
        it.client.register(&json!({"name": "web", "host": "h", "port": port, "ttl": ttl})).await;
    }
    assert_eq!(it.client.get("/services/web").await.json()[0]["ttl"], 30);
    let mut seen = Vec::new();
    for seconds in [0.4, 0.2, 4.3, 0.2, 24.8, 0.2, 89.8, 0.2] {
        clock.pass(Duration::from_secs_f64(seconds));
        seen.push(it.client.ports("/services/web").await);
    }
    let expected: [&[u64]; 8] =
        [&[1, 2, 3, 4], &[1, 2, 3], &[1, 2, 3], &[1, 3], &[1, 3], &[3], &[3], &[]];
    assert_eq!(seen, expected);
    for ttl in [json!(0), json!(-1), json!("x"), json!(1e9), json!([])] {
        let body = json!({"name": "web", "host": "h", "port": 9, "ttl": ttl});
        assert_eq!(it.client.post("/services", &body).await.wrong_fields(), ["ttl"]);
    }
}

#[tokio::test]
async fn a_heartbeat_renews_the_lease_with_200_or_404() {
    let (it, clock) = with_clock().await;
    let id = it.client.register(&json!({"name": "web", "host": "h", "port": 1, "ttl": 10})).await;
    let path = format!("/services/web/{id}/heartbeat");
    for _ in 0..3 {
        clock.pass(Duration::from_secs(9));
        for _ in 0..5 {
            let answer = it.client.put(&path, "").await;
            assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"ttl": 10})));
        }
    }
    clock.pass(Duration::from_secs(10));
    assert_eq!(it.client.put(&path, "").await.status, 404);
    assert_eq!(it.client.put("/services/web/7/heartbeat", "").await.status, 404);
    let wrong = it.client.put(&path, r#"{"health": {"status": "fine"}}"#).await;
    assert_eq!(wrong.wrong_fields(), ["health"]);
}

#[tokio::test]
async fn many_heartbeats_in_one_request_each_have_a_result() {
    let (it, clock) = with_clock().await;
    let mut beats = Vec::new();
    for port in 1..=3 {
        let id = it.client.register(&json!({"name": "web", "host": "h", "port": port})).await;
        beats.push(json!({"name": "web", "id": id}));
    }
    beats[0]["health"] = json!({"status": "critical"});
    let missing = "01890a5d-ac96-774b-bcce-b302099a8057";
    beats.push(json!({"name": "web", "id": missing}));
    clock.pass(Duration::from_secs(29));
    let answer = it.client.put("/heartbeats", json!({ "heartbeats": beats }).to_string()).await;
    let failed = json!([{"name": "web", "id": missing, "reason": "not-found"}]);
    assert_eq!(answer.json(), json!({"renewed": 3, "failed": failed}));
    clock.pass(Duration::from_secs(29));
    assert_eq!(it.client.ports("/services/web").await, [2, 3]);
    let many = vec![json!({"name": "web", "id": missing}); 1001];
    let answer = it.client.put("/heartbeats", json!({ "heartbeats": many }).to_string()).await;
    assert_eq!(answer.wrong_fields(), ["heartbeats"]);
}

#[tokio::test]
async fn the_sweeper_removes_what_expired_within_twice_its_interval() {
    let it = Served::new().await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    let before = tokio::time::Instant::now();
    let id = it.client.register(&json!({"name": "web", "host": "h", "port": 1, "ttl": 0.2})).await;
    assert_eq!(events.next().await.kind, "register");
    let gone = events.next().await;
    // Not sooner than the lease; how much later is the scheduler's, and so bounded by the test's patience.
    assert!(before.elapsed() >= Duration::from_millis(200));
    assert_eq!((gone.kind.as_str(), &gone.data["reason"]), ("deregister", &json!("expired")));
    assert_eq!(gone.data["endpoint"]["id"], id);
    let left = it.directory.read(|directory, _| directory.service_of(id.parse().unwrap()).cloned());
    assert_eq!(left, None, "it is deleted and not only marked");
}

#[tokio::test]
async fn an_expired_instance_is_excluded_before_it_is_swept() {
    let (it, clock) = with_clock().await;
    let id = it.client.register(&json!({"name": "web", "host": "h", "port": 1})).await;
    clock.pass(Duration::from_secs(30));
    assert!(it.client.ports("/services/web?include_unhealthy=true").await.is_empty());
    assert_eq!(it.client.get("/services").await.json(), json!({}));
    for path in [format!("/services/web/{id}"), format!("/services/web/{id}/health")] {
        assert_eq!(it.client.get(&path).await.status, 404);
    }
    assert_eq!(it.client.delete(&format!("/services/web/{id}")).await.status, 404);
    assert_eq!(it.directory.sweep().await, 1);
}

#[tokio::test]
async fn jumps_of_the_wall_clock_neither_end_nor_extend_a_lease() {
    let (it, clock) = with_clock().await;
    it.client.register(&json!({"name": "web", "host": "h", "port": 1})).await;
    for wall in [SystemTime::UNIX_EPOCH, SystemTime::now() + Duration::from_secs(1 << 30)] {
        clock.jump(wall);
        assert_eq!(it.directory.sweep().await, 0);
        assert_eq!(it.client.ports("/services/web").await, [1]);
    }
    clock.jump(SystemTime::UNIX_EPOCH);
    clock.pass(Duration::from_secs(30));
    assert!(it.client.ports("/services/web").await.is_empty());
}

#[tokio::test]
async fn a_mass_expiry_is_shown_in_the_answers() {
    let (it, clock) = with_clock().await;
    for port in 1..=10 {
        it.client.register(&json!({"name": "web", "host": "h", "port": port})).await;
    }
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    clock.pass(Duration::from_secs(31));
    assert_eq!(it.directory.sweep().await, 0);
    let found = it.client.get("/services/web").await.json();
    let found = found.as_array().unwrap();
    assert!(found.len() == 10 && found.iter().all(|endpoint| endpoint["retained"] == true));
    for _ in 0..10 {
        let event = events.next().await;
        assert_eq!(
            (event.kind.as_str(), &event.data["endpoint"]["retained"]),
            ("lease_change", &json!(true))
        );
    }
    let id = found[0]["id"].as_str().unwrap();
    assert_eq!(it.client.put(&format!("/services/web/{id}/heartbeat"), "").await.status, 200);
    let back = events.next().await;
    assert_eq!(
        (back.kind.as_str(), &back.data["endpoint"]["retained"]),
        ("lease_change", &json!(null))
    );
    let metrics = it.client.get("/metrics").await;
    let text = str::from_utf8(&metrics.body).unwrap();
    assert!(text.contains("plugbay_directory_retained_instances{service=\"web\"} 9\n"), "{text}");
}
