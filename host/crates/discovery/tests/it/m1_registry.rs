//! Milestone 1: HTTP API and in-memory registry.

use axum::http::Method;
use serde_json::json;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::served::Served;

#[tokio::test]
async fn post_services_returns_a_unique_instance_id() {
    let it = Served::new().await;
    let mut ids = Vec::new();
    for port in 1..=3 {
        let body =
            json!({"name": "web", "host": "10.0.0.1", "port": port, "metadata": {"zone": "a"}});
        let answer = it.client.post("/services", &body).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let id: Uuid = answer.json()["id"].as_str().unwrap().parse().unwrap();
        assert_eq!(id.get_version_num(), 7);
        let location = format!("/services/web/{id}");
        assert_eq!(answer.header("location"), Some(location.as_str()));
        let found = it.client.get(&location).await.json();
        assert_eq!((&found["port"], &found["metadata"]["zone"]), (&json!(port), &json!("a")));
        ids.push(id);
    }
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[tokio::test]
async fn delete_deregisters_with_204_and_then_404() {
    let it = Served::new().await;
    let id = it.client.register(&json!({"name": "web", "host": "h", "port": 1})).await;
    let path = format!("/services/web/{id}");
    assert_eq!(it.client.delete(&format!("/services/db/{id}")).await.status, 404);
    let gone = it.client.delete(&path).await;
    assert_eq!((gone.status.as_u16(), gone.body.len()), (204, 0));
    for missing in [path.as_str(), "/services/web/7", "/services/Web/x"] {
        let answer = it.client.delete(missing).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["code"].as_str()),
            (404, Some("not-found"))
        );
    }
    assert!(it.client.ports("/services/web").await.is_empty());
}

#[tokio::test]
async fn get_service_lists_all_its_instances() {
    let it = Served::new().await;
    for port in [1, 2] {
        it.client.register(&json!({"name": "web", "host": "h", "port": port})).await;
    }
    it.client.register(&json!({"name": "db", "host": "h", "port": 3})).await;
    assert_eq!(it.client.ports("/services/web").await, [1, 2]);
    assert!(it.client.ports("/services/none").await.is_empty());
    assert_eq!(it.client.get("/services/No_Name").await.wrong_fields(), ["name"]);
}

#[tokio::test]
async fn get_services_lists_names_and_counts() {
    let it = Served::new().await;
    assert_eq!(it.client.get("/services").await.json(), json!({}));
    for (name, port) in [("web", 1), ("web", 2), ("db", 1)] {
        it.client.register(&json!({"name": name, "host": "h", "port": port})).await;
    }
    assert_eq!(it.client.get("/services").await.json(), json!({"db": 1, "web": 2}));
}

#[tokio::test]
async fn the_same_host_and_port_of_a_service_is_a_conflict() {
    let it = Served::new().await;
    let body = json!({"name": "web", "host": "H.example", "port": 1});
    let id = it.client.register(&body).await;
    let same = json!({"name": "web", "host": "h.EXAMPLE.", "port": 1});
    let answer = it.client.post("/services", &same).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.json()["code"], "address-taken");
    assert_eq!(answer.json()["id"], id, "whoever knows that it is the same sends this");
    let again = json!({"name": "web", "host": "h.example", "port": 1, "id": id, "tags": ["b"]});
    let answer = it.client.post("/services", &again).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["created"]), (200, &json!(false)));
    assert_eq!(it.client.get("/services/web").await.json()[0]["tags"], json!(["b"]));
    it.client.register(&json!({"name": "db", "host": "h.example", "port": 1})).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_concurrent_registrations_are_all_kept_once() {
    let it = Served::new().await;
    let client = it.client;
    let mut all = JoinSet::new();
    // Each address twice: one of both is refused.
    for number in 0..200 {
        let body = json!({"name": "web", "host": "h", "port": 1 + number / 2});
        all.spawn(async move { client.post("/services", &body).await.status.as_u16() });
    }
    let statuses = all.join_all().await;
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(201), count(409)), (100, 100));
    let ports = it.client.ports("/services/web").await;
    assert_eq!(ports.len(), 100);
    assert_eq!(it.client.get("/services").await.json(), json!({"web": 100}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn registering_and_deregistering_the_same_instance_at_once_leaves_no_trace_of_a_race() {
    let it = Served::new().await;
    let client = it.client;
    for _ in 0..50 {
        let body = json!({"name": "web", "host": "h", "port": 1});
        let id = client.register(&body).await;
        let path = format!("/services/web/{id}");
        let (deleted, registered) =
            tokio::join!(client.delete(&path), client.post("/services", &body));
        assert_eq!(deleted.status, 204);
        // After the deletion it is new, before it a conflict.
        let left = client.ports("/services/web").await.len();
        assert!(
            matches!((registered.status.as_u16(), left), (201, 1) | (409, 0)),
            "{registered:?}"
        );
        if left == 1 {
            let id = registered.json()["id"].as_str().unwrap().to_owned();
            assert_eq!(client.delete(&format!("/services/web/{id}")).await.status, 204);
        }
    }
}

#[tokio::test]
async fn wrong_input_is_refused_with_a_reason_for_each_field() {
    let it = Served::new().await;
    let post =
        async |body: &str| it.client.send(Method::POST, "/services", &[], body.to_owned()).await;
    assert_eq!(post("{}").await.wrong_fields(), ["name", "host", "port"]);
    assert_eq!(post(r#"{"name":"a","host":"h"}"#).await.wrong_fields(), ["port"]);
    for port in ["0", "65536", "-1", "1.5", "\"80\"", "null"] {
        let body = format!(r#"{{"name":"a","host":"h","port":{port}}}"#);
        assert_eq!(post(&body).await.wrong_fields(), ["port"], "{port}");
    }
    for host in ["", "a b", "http://h", "1.2.3.400", "h:80", "-h", "../x"] {
        let body = json!({"name": "a", "host": host, "port": 1});
        assert_eq!(post(&body.to_string()).await.wrong_fields(), ["host"], "{host}");
    }
    for name in ["", "A", "a.b", "a_b", "-a", &"a".repeat(64)] {
        let body = json!({"name": name, "host": "h", "port": 1});
        assert_eq!(post(&body.to_string()).await.wrong_fields(), ["name"], "{name}");
    }
    for body in ["", "{", "null", "[]", "\u{0}", &"[".repeat(10_000)] {
        assert_eq!(post(body).await.wrong_fields(), [""], "{body:.10}");
    }
    let large = json!({"name": "a", "host": "h", "port": 1, "metadata": {"a": "x".repeat(70_000)}});
    let answer = post(&large.to_string()).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (413, &json!("body-too-large")));
    assert_eq!(it.client.get("/services").await.json(), json!({}));
}

#[tokio::test]
async fn lookups_filter_page_and_answer_304() {
    let it = Served::new().await;
    for port in 1..=5 {
        let body = json!({
            "name": "web", "host": "h", "port": port,
            "tags": [if port < 3 { "old" } else { "new" }], "metadata": {"zone": format!("z{port}")}
        });
        it.client.register(&body).await;
    }
    assert_eq!(it.client.ports("/services/web?tag=old").await, [1, 2]);
    assert_eq!(it.client.ports("/services/web?tag=new&meta.zone=z4").await, [4]);
    assert_eq!(it.client.get("/services/web?tagg=old").await.wrong_fields(), ["tagg"]);
    let (mut path, mut pages) = ("/services/web?limit=2".to_owned(), Vec::new());
    loop {
        let page = it.client.get(&path).await;
        pages.push(page.json().as_array().unwrap().len());
        let Some(cursor) = page.header("plugbay-next-cursor") else { break };
        path = format!("/services/web?limit=2&cursor={cursor}");
    }
    assert_eq!(pages, [2, 2, 1]);
    let first = it.client.get("/services/web").await;
    let tag = first.header("etag").unwrap();
    let known = [("if-none-match", tag)];
    let same = it.client.send(Method::GET, "/services/web", &known, "").await;
    assert_eq!((same.status.as_u16(), same.body.len()), (304, 0));
    it.client.register(&json!({"name": "web", "host": "h", "port": 6})).await;
    let other = it.client.send(Method::GET, "/services/web", &known, "").await;
    assert_eq!(other.status, 200);
    assert_ne!(other.header("etag").unwrap(), tag);
}

#[tokio::test]
async fn a_blocking_query_answers_after_the_next_change_of_its_service() {
    let it = Served::new().await;
    it.client.register(&json!({"name": "web", "host": "h", "port": 1})).await;
    let index = it.client.get("/services/web").await.header("plugbay-index").unwrap().to_owned();
    let path = format!("/services/web?index={index}&wait=20");
    let client = it.client;
    let waiting = tokio::spawn(async move { client.ports(&path).await });
    while it.directory.watchers().0 < 2 {
        tokio::task::yield_now().await;
    }
    it.client.register(&json!({"name": "db", "host": "h", "port": 1})).await;
    assert!(!waiting.is_finished(), "another service changed");
    it.client.register(&json!({"name": "web", "host": "h", "port": 2})).await;
    assert_eq!(waiting.await.unwrap(), [1, 2]);
    // The time is over without a change.
    let path =
        format!("/services/none?index={}&wait=0.05", it.directory.read(|it, _| it.sequence()));
    assert!(it.client.ports(&path).await.is_empty());
    // Such a number was never given out: the directory is another one.
    assert_eq!(it.client.ports("/services/web?index=9007199254740991&wait=20").await, [1, 2]);
}

#[tokio::test]
async fn other_methods_and_paths_are_told_what_there_is() {
    let it = Served::new().await;
    let answer = it.client.delete("/services").await;
    assert_eq!((answer.status.as_u16(), answer.header("allow")), (405, Some("GET, HEAD, POST")));
    assert_eq!(it.client.get("/").await.json()["code"], "not-found");
    assert_eq!(it.client.get("/livez").await.body, "ok\n");
    assert_eq!(it.client.get("/readyz").await.status, 200);
    it.api.stopped.cancel();
    assert_eq!(it.client.get("/readyz").await.status, 503);
}
