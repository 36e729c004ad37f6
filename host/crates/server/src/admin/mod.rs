//! The admin plane: what runs, what was refused and why, what happened lately.
//!
//! | path | answers |
//! |---|---|
//! | `GET /v1/status` | everything below in one document |
//! | `GET /v1/plugins`, `/v1/plugins/{name}` | the plugins that serve; by name, or by `KIND:NAME` that one offers |
//! | `GET /v1/generations` | the running generation, those to go back to, what drains, the latest events |
//! | `GET /v1/rejected` | what was refused, with reason and hint |
//! | `GET /v1/events` | events as they come, server-sent; `Last-Event-ID` is honoured |
//! | `POST /v1/generations/{number}/rollback` | serves again what that generation served; changes wait |
//! | `POST /v1/resume` | takes over changes again |
//! | `POST /v1/reload` | looks at the folder and the configuration now |
//! | `GET /debug/registry`, `/debug/registry/{name}` | the names of a kind, or of `plugins` |
//! | `GET /livez` | 200 unless the reconciler is stuck |
//! | `GET /readyz` | 200 between the first generation and the signal to stop |
//!
//! It listens on a loopback address and asks for no password, so the one thing between it and a
//! web page in a browser on the same machine is `guard`.

mod events;
mod guard;
mod plugin;
mod registry;
mod views;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

pub(crate) use self::events::History;
pub use self::plugin::{Versions, plugin};
pub use self::registry::{Entry, Registry, State, names, registry};
use crate::problem::Problem;
use crate::server::Shared;

/// The admin plane of what `shared` holds.
pub(crate) fn router(shared: Arc<Shared>) -> Router {
    let header = |name: HeaderName, value| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let around = ServiceBuilder::new()
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(CatchPanicLayer::custom(crate::data::panicked))
        .layer(middleware::from_fn(guard::refuse_strangers))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), views::ending));
    Router::new()
        .route("/v1/status", read(get(views::status)))
        .route("/v1/plugins", read(get(views::plugins)))
        .route("/v1/plugins/{name}", read(get(views::plugin)))
        .route("/v1/generations", read(get(views::generations)))
        .route("/v1/generations/{number}/rollback", only("OPTIONS, POST", post(views::rollback)))
        .route("/v1/resume", only("OPTIONS, POST", post(views::resume)))
        .route("/v1/rejected", read(get(views::rejected)))
        .route("/v1/events", read(get(events::stream)))
        .route("/v1/reload", only("OPTIONS, POST", post(views::reload)))
        .route("/debug/registry", read(get(views::registries)))
        .route("/debug/registry/{name}", read(get(views::registry)))
        .route("/livez", read(get(views::livez)))
        .route("/readyz", read(get(views::readyz)))
        .fallback(|| async { Problem::not_found("the admin plane has no such path") })
        .layer(around)
        .with_state(shared)
}

fn read(methods: MethodRouter<Arc<Shared>>) -> MethodRouter<Arc<Shared>> {
    only("GET, HEAD, OPTIONS", methods)
}

fn only(allow: &'static str, methods: MethodRouter<Arc<Shared>>) -> MethodRouter<Arc<Shared>> {
    methods.fallback(move |method: Method| async move {
        crate::data::other_method(&method, allow).into_response()
    })
}
