//! Calls over HTTP by both clients.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use axum::Router;
use axum::http::{StatusCode, Uri};
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use plugbay_discovery::client::balance::{ConsistentHash, MemberState, RoundRobin};
use plugbay_discovery::client::{
    CallRules, Client, DiscoverLayer, HttpClient, RegisteredEndpoint, ServiceRules,
};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tower::{Layer, ServiceExt};

use crate::world::{Directory, builder, client, eventually, known, name, registration};

/// An endpoint that answers with its port and path, or with a failure.
struct Endpoint {
    port: u16,
    asked: Arc<AtomicU32>,
    server: JoinHandle<()>,
    _registered: RegisteredEndpoint,
}

impl Endpoint {
    async fn start(client: &Client, status: StatusCode) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let asked = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&asked);
        let app = Router::new().fallback(move |uri: Uri| {
            count.fetch_add(1, SeqCst);
            async move { Ok::<_, Infallible>((status, format!("{port}{uri}"))) }
        });
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let ttl = Duration::from_secs(60);
        let registered = client.register(registration("orders", port, ttl)).await.unwrap();
        Self { port, asked, server, _registered: registered }
    }

    fn asked(&self) -> u32 {
        self.asked.load(SeqCst)
    }
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.server.abort();
    }
}

#[tokio::test]
async fn reqwest_calls_a_service_by_its_name() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let endpoint = Endpoint::start(&client, StatusCode::OK).await;
    let http = HttpClient::new(client, reqwest::Client::new());
    let text = http.get("http://orders/a?b=c").await.unwrap().text().await.unwrap();
    assert_eq!(text, format!("{}/a?b=c", endpoint.port));
    let posted = http.send(http.post("http://orders/b").body("x")).await.unwrap();
    assert_eq!(posted.status(), 200);
    assert_eq!(http.get("http://nobody/").await.unwrap_err().reason(), "no-endpoints");
    assert_eq!(http.get("http://127.0.0.1:1/").await.unwrap_err().reason(), "url");
}

#[tokio::test]
async fn a_tower_client_calls_a_service_by_its_name() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let endpoint = Endpoint::start(&client, StatusCode::OK).await;
    let http = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    let named = DiscoverLayer::new(client.clone()).layer(http.clone());
    let of_service = DiscoverLayer::of_service(client, name("orders")).layer(http);
    let text = async |uri: &str, of_service: Option<_>| {
        let request = axum::http::Request::get(uri).body(Full::default()).unwrap();
        let service = of_service.unwrap_or_else(|| named.clone());
        let body = service.oneshot(request).await.unwrap().into_body();
        String::from_utf8(body.collect().await.unwrap().to_bytes().into()).unwrap()
    };
    assert_eq!(text("http://orders/a?b=c", None).await, format!("{}/a?b=c", endpoint.port));
    assert_eq!(text("/d", Some(of_service)).await, format!("{}/d", endpoint.port));
}

#[tokio::test]
async fn an_endpoint_that_cannot_work_is_avoided_and_ejected_and_nobody_notices() {
    let directory = Directory::start().await;
    let rules = ServiceRules { strategy: Arc::new(RoundRobin), ..ServiceRules::default() };
    let client = builder(&directory.url()).rules(rules).build().await.unwrap();
    let bad = Endpoint::start(&client, StatusCode::SERVICE_UNAVAILABLE).await;
    let good = [
        Endpoint::start(&client, StatusCode::OK).await,
        Endpoint::start(&client, StatusCode::OK).await,
    ];
    let orders = client.service(&name("orders"));
    eventually("all are known", || known(&orders).len() == 3).await;
    let http = HttpClient::new(client.clone(), reqwest::Client::new());
    for _ in 0..60 {
        assert_eq!(http.get("http://orders/").await.unwrap().status(), 200);
    }
    assert_eq!(bad.asked(), 5, "ejected after five failures in a row");
    assert_eq!(good.iter().map(Endpoint::asked).sum::<u32>(), 60);
    let status = orders.balancer().status();
    let bad = status.iter().find(|it| it.member.endpoint().port.get() == bad.port).unwrap();
    assert!(matches!(bad.state, MemberState::Ejected { .. }), "{}", bad.state);
}

#[tokio::test]
async fn an_endpoint_that_is_gone_is_not_noticed_either_even_by_posts() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let gone = Endpoint::start(&client, StatusCode::OK).await;
    let _good = Endpoint::start(&client, StatusCode::OK).await;
    gone.server.abort();
    let http = HttpClient::new(client, reqwest::Client::new());
    for _ in 0..20 {
        let posted = http.send(http.post("http://orders/").body("x")).await.unwrap();
        assert_eq!(posted.status(), 200, "a refused connection was not a request");
    }
}

#[tokio::test]
async fn a_header_is_the_key_of_consistent_hashing() {
    let directory = Directory::start().await;
    let calls = CallRules { hash_header: Some("x-user".parse().unwrap()), ..CallRules::default() };
    let strategy = Arc::new(ConsistentHash::default());
    let rules = ServiceRules { strategy, calls, ..ServiceRules::default() };
    let client = builder(&directory.url()).rules_for(name("orders"), rules).build().await.unwrap();
    let mut endpoints = Vec::new();
    for _ in 0..4 {
        endpoints.push(Endpoint::start(&client, StatusCode::OK).await);
    }
    let orders = client.service(&name("orders"));
    eventually("all are known", || known(&orders).len() == 4).await;
    let http = HttpClient::new(client, reqwest::Client::new());
    let by = async |user: u32| {
        let request = http.request(reqwest::Method::GET, "http://orders/").header("x-user", user);
        http.send(request).await.unwrap().text().await.unwrap()
    };
    let mut seen = std::collections::BTreeSet::new();
    for user in 0..20 {
        let first = by(user).await;
        assert_eq!(by(user).await, first);
        seen.insert(first);
    }
    assert!(seen.len() > 1, "different users, different endpoints");
}
