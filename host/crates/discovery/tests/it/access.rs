//! Tokens: what one may do to which services.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::http::{Extensions, Method};
use plugbay_discovery::{Access, ApiSettings, Bearer, Denied, Grants};
use serde_json::json;

use crate::client::Answer;
use crate::served::{Served, settings};

/// The name of a token is its text.
#[derive(Clone, Default)]
struct Tokens(Arc<Mutex<BTreeMap<String, Grants>>>);

impl Access for Tokens {
    fn authenticate(&self, token: Option<&str>, _: &Extensions) -> Result<Bearer, Denied> {
        let name = token.ok_or(Denied::Missing)?;
        let grants = self.0.lock().unwrap().get(name).cloned().ok_or(Denied::Wrong)?;
        Ok(Bearer { name: name.into(), grants })
    }

    fn is_in_force(&self, bearer: &Bearer) -> bool {
        self.0.lock().unwrap().contains_key(&bearer.name)
    }
}

async fn served() -> (Served, Tokens) {
    let tokens = Tokens::default();
    for (name, grants) in [
        ("web", "register:web-*"),
        ("web2", "register:web-*"),
        ("reader", "read:*"),
        ("root", "admin:*"),
    ] {
        tokens.0.lock().unwrap().insert(name.into(), grants.parse().unwrap());
    }
    let mut api = ApiSettings::default();
    api.access = Some(Arc::new(tokens.clone()));
    (Served::with(settings(), api).await, tokens)
}

async fn send(it: &Served, token: &str, method: Method, path: &str, body: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    it.client.send(method, path, &[("authorization", &bearer)], body.to_owned()).await
}

fn registration(name: &str) -> String {
    json!({"name": name, "host": "h", "port": 1}).to_string()
}

#[tokio::test]
async fn without_a_token_only_the_probes_answer() {
    let (it, _) = served().await;
    for path in [
        "/services",
        "/services/web-1",
        "/watch",
        "/services/web-1/watch",
        "/metrics",
        "/v1/services/web-1/discover",
    ] {
        let answer = it.client.get(path).await;
        assert_eq!(answer.status, 401, "{path}");
        assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"));
    }
    assert_eq!(it.client.post("/services", &json!({})).await.status, 401);
    assert_eq!(it.client.put("/heartbeats", "{}").await.status, 401);
    assert_eq!(send(&it, "wrong", Method::GET, "/services", "").await.status, 401);
    assert_eq!(it.client.get("/livez").await.status, 200);
}

#[tokio::test]
async fn a_token_for_one_name_cannot_touch_another() {
    let (it, _) = served().await;
    let post = async |token: &str, name: &str| {
        send(&it, token, Method::POST, "/services", &registration(name)).await
    };
    assert_eq!(post("web", "db").await.json()["code"], "forbidden");
    assert_eq!(post("reader", "web-1").await.status, 403);
    let id = post("web", "web-1").await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/services/web-1/{id}");
    let beat = format!("{path}/heartbeat");
    for token in ["web2", "reader"] {
        assert_eq!(send(&it, token, Method::DELETE, &path, "").await.status, 403, "{token}");
        assert_eq!(send(&it, token, Method::PUT, &beat, "").await.status, 403, "{token}");
        let batch = json!({"heartbeats": [{"name": "web-1", "id": id}]}).to_string();
        let answer = send(&it, token, Method::PUT, "/heartbeats", &batch).await.json();
        assert_eq!(answer["renewed"], 0, "{token}");
    }
    assert_eq!(send(&it, "web", Method::PUT, &beat, "").await.status, 200);
    assert_eq!(send(&it, "root", Method::DELETE, &path, "").await.status, 204);
}

#[tokio::test]
async fn a_reader_sees_only_what_it_may() {
    let (it, _) = served().await;
    for name in ["db", "web-1"] {
        assert_eq!(
            send(&it, "root", Method::POST, "/services", &registration(name)).await.status,
            201
        );
    }
    let list = async |token: &str| send(&it, token, Method::GET, "/services", "").await.json();
    assert_eq!(list("web").await, json!({"web-1": 1}));
    assert_eq!(list("reader").await, json!({"db": 1, "web-1": 1}));
    for (token, path, status) in [
        ("web", "/services/db", 403),
        ("web", "/services/db/watch", 403),
        ("web", "/watch", 403),
        ("web", "/metrics", 403),
        ("web", "/services/web-1", 200),
        ("reader", "/services/db", 200),
        ("reader", "/metrics", 200),
    ] {
        assert_eq!(send(&it, token, Method::GET, path, "").await.status, status, "{token} {path}");
    }
}

#[tokio::test]
async fn a_watch_ends_before_the_first_event_after_its_token_is_revoked() {
    let (it, tokens) = served().await;
    let mut events =
        it.client.watch("/services/web-1/watch", &[("authorization", "Bearer reader")]).await;
    send(&it, "root", Method::POST, "/services", &registration("web-1")).await;
    assert_eq!(events.next().await.kind, "register");
    tokens.0.lock().unwrap().remove("reader");
    let other = json!({"name": "web-1", "host": "h", "port": 2}).to_string();
    send(&it, "root", Method::POST, "/services", &other).await;
    assert_eq!(events.next_or_end().await, None);
}
