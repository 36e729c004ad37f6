//! The paths of the API.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{Method, StatusCode, header};
use axum::routing::{MethodRouter, delete, get, post, put};
use tokio::sync::Semaphore;

use super::problem::Problem;
use super::state::{Api, ApiSettings};
use super::{compat, events, lookup, openapi, probes, register};
use crate::server::live::LiveDirectory;

/// The largest body of a registration or a heartbeat, in bytes.
const MAX_BODY: usize = 64 << 10;
/// The largest body of many heartbeats, in bytes.
const MAX_HEARTBEATS: usize = 1 << 20;

/// The API of a directory. The program that serves it bounds connections and header sizes, and adds TLS.
///
/// ```
/// use axum::body::Body;
/// use axum::http::Request;
/// use plugbay_discovery::{ApiSettings, LiveDirectory, LiveSettings, router};
/// use tower::ServiceExt as _;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let directory = LiveDirectory::in_memory(LiveSettings::default());
/// let _tasks = directory.start();
/// let app = router(directory, ApiSettings::default());
///
/// let web = r#"{"name": "web", "host": "10.0.0.1", "port": 80}"#;
/// let answer = app.oneshot(Request::post("/services").body(Body::from(web))?).await?;
/// assert_eq!(answer.status(), 201);
/// // axum::serve(listener, app)
/// # Ok(())
/// # }
/// ```
pub fn router(directory: LiveDirectory, settings: ApiSettings) -> Router {
    let watchers = Arc::new(Semaphore::new(settings.watchers));
    let api = Api { directory, watchers, settings };
    let heartbeats = put(register::heartbeats).layer(DefaultBodyLimit::max(MAX_HEARTBEATS));
    Router::new()
        .route("/services", only("GET, HEAD, POST", get(lookup::services).post(register::register)))
        .route("/services/{name}", only("GET, HEAD", get(lookup::endpoints)))
        .route("/services/{name}/watch", only("GET, HEAD", get(events::watch)))
        .route(
            "/services/{name}/{id}",
            only("DELETE, GET, HEAD", get(lookup::endpoint).delete(register::deregister)),
        )
        .route("/services/{name}/{id}/health", only("GET, HEAD", get(lookup::health)))
        .route("/services/{name}/{id}/heartbeat", only("PUT", put(register::heartbeat)))
        .route("/heartbeats", only("PUT", heartbeats))
        .route("/watch", only("GET, HEAD", get(events::watch_all)))
        .route("/v1/services", only("POST", post(compat::register)))
        .route("/v1/services/{id}", only("DELETE", delete(compat::deregister)))
        .route("/v1/services/{name}/discover", only("GET, HEAD", get(compat::discover)))
        .route("/openapi.json", only("GET, HEAD", get(openapi::openapi)))
        .route("/metrics", only("GET, HEAD", get(probes::metrics)))
        .route("/livez", only("GET, HEAD", get(|| async { "ok\n" })))
        .route("/readyz", only("GET, HEAD", get(probes::readyz)))
        .fallback(|| async {
            let detail = "the directory has no such path; see docs/directory.md";
            Problem::new(StatusCode::NOT_FOUND, "not-found", detail)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(api)
}

/// Methods with an answer of ours to the others.
fn only(allow: &'static str, methods: MethodRouter<Api>) -> MethodRouter<Api> {
    methods.fallback(move |method: Method| async move {
        let found: String = method.as_str().chars().take(20).collect();
        let detail = format!("expected one of the methods {allow}, found {found}");
        Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method-not-allowed", detail)
            .field(header::ALLOW, allow)
    })
}
