//! Milestone 4: watch mechanism.

use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use plugbay_discovery::{ApiSettings, Limits, LiveDirectory, Query, Scope, router};
use serde_json::json;
use tokio::time::timeout;

use crate::client::{Client, PATIENCE};
use crate::served::{Served, settings};

async fn add(client: Client, name: &str, port: u16) -> String {
    client.register(&json!({"name": name, "host": "h", "port": port})).await
}

#[tokio::test]
async fn a_watch_streams_registrations_deregistrations_and_health_changes() {
    let it = Served::new().await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    let id = add(it.client, "web", 1).await;
    add(it.client, "db", 2).await;
    let report = json!({"health": {"status": "critical"}}).to_string();
    it.client.put(&format!("/services/web/{id}/heartbeat"), report).await;
    it.client.delete(&format!("/services/web/{id}")).await;
    let mut last = 0;
    for kind in ["register", "health_change", "deregister"] {
        let event = events.next().await;
        assert_eq!(event.kind, kind);
        assert_eq!(
            (&event.data["type"], &event.data["sequence"]),
            (&json!(kind), &json!(event.id))
        );
        assert_eq!(
            (&event.data["endpoint"]["id"], &event.data["endpoint"]["port"]),
            (&json!(id), &json!(1))
        );
        assert!(event.id > last, "the numbers rise");
        last = event.id;
    }
}

#[tokio::test]
async fn a_client_that_comes_back_gets_all_events_since_its_last() {
    let it = Served::new().await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    add(it.client, "web", 1).await;
    let last = events.next().await.id.to_string();
    drop(events);
    for port in 2..=4 {
        add(it.client, "web", port).await;
        add(it.client, "db", port).await;
    }
    let mut events = it.client.watch("/services/web/watch", &[("last-event-id", &last)]).await;
    for port in 2..=4 {
        assert_eq!(events.next().await.data["endpoint"]["port"], port);
    }
    let since = format!("/services/web/watch?since={last}");
    assert_eq!(it.client.watch(&since, &[]).await.next().await.data["endpoint"]["port"], 2);
    add(it.client, "web", 5).await;
    assert_eq!(events.next().await.data["endpoint"]["port"], 5, "and then goes on");
    assert_eq!(it.directory.figures().reconnects(), 2);
    let bad = it.client.get("/services/web/watch?since=x&huh=1").await;
    assert_eq!(bad.wrong_fields(), ["since", "huh"]);
}

#[tokio::test]
async fn a_client_whose_history_is_lost_gets_a_snapshot_and_goes_on() {
    let mut settings = settings();
    settings.limits = Limits { history: 3, ..Limits::default() };
    let it = Served::with(settings, ApiSettings::default()).await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    add(it.client, "web", 1).await;
    let last = events.next().await.id.to_string();
    for port in 2..=6 {
        add(it.client, "web", port).await;
    }
    for lost in [last.as_str(), "0", "9007199254740991"] {
        let mut events = it.client.watch("/services/web/watch", &[("last-event-id", lost)]).await;
        let snapshot = events.next().await;
        assert_eq!(
            (snapshot.kind.as_str(), &snapshot.data["history_lost"]),
            ("snapshot", &json!(true))
        );
        assert_eq!(snapshot.data["endpoints"].as_array().unwrap().len(), 6);
        assert_eq!(snapshot.data["sequence"], snapshot.id);
        let id = add(it.client, "web", 7).await;
        let next = events.next().await;
        assert_eq!((next.kind.as_str(), next.id), ("register", snapshot.id + 1));
        it.client.delete(&format!("/services/web/{id}")).await;
    }
    assert_eq!(it.directory.figures().resyncs(), 3);
}

#[tokio::test]
async fn a_watch_may_begin_with_a_snapshot_and_cover_the_whole_directory() {
    let it = Served::new().await;
    add(it.client, "web", 1).await;
    add(it.client, "db", 2).await;
    let mut events = it.client.watch("/watch?snapshot=true", &[]).await;
    let snapshot = events.next().await;
    assert_eq!(
        (snapshot.kind.as_str(), &snapshot.data["history_lost"]),
        ("snapshot", &json!(false))
    );
    assert_eq!(snapshot.data["endpoints"].as_array().unwrap().len(), 2);
    for (name, port) in [("web", 3), ("db", 4)] {
        add(it.client, name, port).await;
        let event = events.next().await;
        assert_eq!(
            (&event.data["endpoint"]["name"], &event.data["endpoint"]["port"]),
            (&json!(name), &json!(port))
        );
    }
}

#[tokio::test]
async fn an_idle_watch_gets_comments_more_often_than_once_a_minute() {
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    let mut api = ApiSettings::default();
    assert!(api.keep_alive <= Duration::from_secs(60));
    api.keep_alive = Duration::from_millis(20);
    let app = router(LiveDirectory::in_memory(settings()), api);
    let request = Request::get("/services/web/watch").body(Body::empty()).unwrap();
    let mut body = app.oneshot(request).await.unwrap().into_body();
    for round in 1..=3 {
        let frame = timeout(PATIENCE, body.frame()).await.unwrap().unwrap().unwrap();
        let data = frame.into_data().unwrap();
        assert!(data.starts_with(b":"), "round {round}: {data:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_more_watches_see_every_change_and_no_other_service_wakes_them() {
    let it = Served::new().await;
    let client = it.client;
    let mut watches = Vec::new();
    for _ in 0..120 {
        watches.push(client.watch("/services/web/watch", &[]).await);
    }
    // The checks watch too.
    assert_eq!(it.directory.watchers(), (121, 2));
    for port in 1..=50 {
        add(client, "db", port).await;
    }
    for port in 1..=3 {
        add(client, "web", port).await;
    }
    for events in &mut watches {
        for port in 1..=3 {
            assert_eq!(events.next().await.data["endpoint"]["port"], port);
        }
    }
    let observed: u64 = it.directory.figures().lag().buckets().iter().map(|(_, count)| count).sum();
    let observed = observed + it.directory.figures().lag().above();
    // Each watch takes up to three batches, and the checks up to 53: none took one for `db`.
    assert!((120..=120 * 3 + 53).contains(&observed), "{observed}");
}

#[tokio::test]
async fn an_unrelated_change_wakes_nobody() {
    let it = Served::new().await;
    let web = Scope::Service("web".parse().unwrap());
    let mut watcher = it.directory.watch(web, None);
    for port in 1..=50 {
        add(it.client, "db", port).await;
    }
    // It runs as soon as it is woken.
    let idle = timeout(Duration::from_millis(50), watcher.changes()).await;
    assert!(idle.is_err());
    assert_eq!(watcher.woken(), 0);
    add(it.client, "web", 1).await;
    assert_eq!(watcher.changes().await.unwrap().len(), 1);
    assert!(watcher.woken() <= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_that_does_not_read_blocks_nobody_and_is_resynchronised() {
    let mut settings = settings();
    settings.limits = Limits { history: 16, ..Limits::default() };
    let it = Served::with(settings, ApiSettings::default()).await;
    let mut slow = it.client.watch("/services/web/watch", &[]).await;
    let mut quick = it.client.watch("/services/web/watch", &[]).await;
    let id = add(it.client, "web", 1).await;
    assert_eq!(quick.next().await.kind, "register");
    // More than the buffers of both sockets hold.
    let metadata: serde_json::Value = (0..60)
        .map(|key| (format!("k{key}"), json!("v".repeat(500))))
        .collect::<serde_json::Map<_, _>>()
        .into();
    for round in 0..400 {
        let body = json!({
            "name": "web", "host": "h", "port": 1, "id": id, "metadata": metadata, "tags": [round.to_string()]
        });
        it.client.register(&body).await;
        assert_eq!(quick.next().await.data["endpoint"]["tags"], json!([round.to_string()]));
    }
    let mut seen = Vec::new();
    loop {
        let event = slow.next().await;
        let endpoint = if event.kind == "snapshot" {
            &event.data["endpoints"][0]
        } else {
            &event.data["endpoint"]
        };
        let last = endpoint["tags"] == json!(["399"]);
        seen.push(event.kind);
        if last {
            break;
        }
    }
    assert!(seen.iter().any(|kind| kind == "snapshot"), "{} events", seen.len());
    assert!(seen.len() < 400);
}

#[tokio::test]
async fn watches_are_bounded_and_end_with_the_server() {
    let mut api = ApiSettings::default();
    api.watchers = 1;
    let it = Served::with(settings(), api).await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    let refused = it.client.get("/services/web/watch").await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (503, &json!("overloaded")));
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(it.client.get("/services/web?index=1").await.status, 503);
    it.api.stopped.cancel();
    assert_eq!(events.next_or_end().await, None);
    drop(events);
    // What nobody watches is forgotten; the checks watch everything.
    while it.directory.watchers() != (1, 1) {
        tokio::task::yield_now().await;
    }
    assert!(
        it.directory.read(|it, now| it.lookup("web", &Query::default(), now)).endpoints.is_empty()
    );
}
