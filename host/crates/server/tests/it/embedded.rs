//! The data plane within an application's own HTTP server.

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::ConnectInfo;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use http_body_util::Full;
use plugbay::Host;
use plugbay_fixtures::{Behaviour, Export, Guest};
use plugbay_server::DataPlane;
use tower::ServiceExt as _;

use super::support::{Setup, host};

async fn built(setup: &Setup) -> Host {
    Host::builder().layers(setup.layers()).build().await.unwrap()
}

#[tokio::test]
async fn routes_and_codecs_are_served_beside_an_applications_own() {
    let panics = Guest::handler("bad").on(Export::Handle, Behaviour::Panic("as asked".into()));
    let setup = host().plugin("echo.wasm", &Guest::both("echo")).plugin("bad.wasm", &panics);
    let host = built(&setup).await;
    let app = Router::new()
        .route("/own", get(|| async { "mine" }))
        .fallback_service(DataPlane::new(host.clone()).unwrap());
    let ask = async |request: Request<Body>| {
        let response = app.clone().oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        (status, String::from_utf8_lossy(&body).into_owned())
    };
    let get = |path: &str| Request::get(path).body(Body::empty()).unwrap();
    let post = |path: &str| Request::post(path).body(Body::from("hi")).unwrap();
    assert_eq!(ask(get("/own")).await, (StatusCode::OK, "mine".into()));
    assert_eq!(ask(post("/echo")).await, (StatusCode::OK, "hi".into()));
    assert_eq!(ask(get("/v1/codecs")).await.0, StatusCode::OK);
    assert_eq!(ask(get("/nowhere")).await.0, StatusCode::NOT_FOUND);
    let (status, problem) = ask(post("/bad")).await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(problem.contains("\"code\":\"panic\""), "{problem}");
    // The service follows the generations of the host.
    std::fs::remove_file(setup.plugins().join("echo.wasm")).unwrap();
    while host.handler("echo").is_ok() {
        host.reload().await;
    }
    // It is drained first, and says so.
    while ask(post("/echo")).await.0 == StatusCode::SERVICE_UNAVAILABLE {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask(post("/echo")).await.0, StatusCode::NOT_FOUND);
}

/// Any body that hyper or another server passes, with and without the address of its client.
#[tokio::test]
async fn any_http_request_is_taken() {
    let setup = host().plugin("echo.wasm", &Guest::handler("echo"));
    let service = DataPlane::new(built(&setup).await).unwrap();
    let request = || Request::post("/echo").body(Full::from("hi")).unwrap();
    let mut known = request();
    known.extensions_mut().insert(ConnectInfo(std::net::SocketAddr::from(([127, 0, 0, 1], 1))));
    for request in [request(), known] {
        let response = service.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        assert!(response.headers().contains_key("x-request-id"));
    }
}
