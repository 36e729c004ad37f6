//! The paths of the admin plane.

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, get, post};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;

use super::audited::audited;
use super::authenticate::authenticate;
use super::idempotent::once;
use super::limits::limit;
use super::session::session;
use super::{
    access_log, actions, events, guard, live, metrics, probes, profile, trial_request, ui, views,
};
use crate::problem::{Problem, other_method, panicked};
use crate::shared::Shared;

/// The router of the admin plane.
pub(super) fn router(shared: Arc<Shared>, hosts: guard::Hosts) -> Router {
    let header = |name: HeaderName, value| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let around = ServiceBuilder::new()
        .layer(middleware::from_fn(access_log::log))
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::CACHE_CONTROL, "no-store"))
        .layer(header(
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ))
        .layer(CatchPanicLayer::custom(|panic| panicked(panic).into_response()))
        .layer(middleware::from_fn_with_state(hosts, guard::refuse_foreign_pages))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), views::ending));
    Router::new()
        .route("/v1/status", read(get(views::status)))
        .route("/v1/plugins", read(get(views::plugins)))
        .route("/v1/plugins/{name}", read(get(views::plugin)))
        .route("/v1/generations", read(get(views::generations)))
        .route("/v1/generations/{number}/rollback", only("OPTIONS, POST", post(actions::rollback)))
        .route("/v1/resume", only("OPTIONS, POST", post(actions::resume)))
        .route("/v1/rejected", read(get(views::rejected)))
        .route("/v1/events", read(get(events::stream)))
        .route("/v1/figures", read(get(live::figures)))
        .route("/v1/logs", read(get(live::logs)))
        .route("/v1/routes/test", only("OPTIONS, POST", post(trial_request::test)))
        .route("/v1/reload", only("OPTIONS, POST", post(actions::reload)))
        .merge(acting())
        .route("/debug/registry", read(get(views::registries)))
        .route("/debug/registry/{name}", read(get(views::registry)))
        .route("/debug/pprof/profile", only("GET, OPTIONS", get(profile::profile)))
        .route("/metrics", read(get(metrics::metrics)))
        .route("/v1/session", read(get(session)))
        // The routes above need a token, if there are tokens. Those below do not.
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), audited))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared.idempotent), once))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared.rates), limit))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), authenticate))
        .route("/livez", read(get(probes::livez)))
        .route("/readyz", read(get(probes::readyz)))
        // Needs no token: these files hold no data.
        .merge(ui::router())
        .fallback(|| async {
            Problem::not_found("the admin plane has no such path; see docs/operating.md")
        })
        .layer(around)
        .with_state(shared)
}

/// The actions of operators, and what they change.
fn acting() -> Router<Arc<Shared>> {
    let act = |methods| only("OPTIONS, POST", methods);
    Router::new()
        .route("/v1/plugins/{name}/disable", act(post(actions::disable)))
        .route("/v1/plugins/{name}/enable", act(post(actions::enable)))
        .route("/v1/plugins/{name}/restart", act(post(actions::restart)))
        .route("/v1/plugins/{name}/drain", act(post(actions::drain)))
        .route("/v1/plugins/{name}/breaker", act(post(actions::breaker)))
        .route("/v1/capabilities/{name}/weights", act(post(actions::weights)))
        .route("/v1/generations/{number}/diff", read(get(actions::diff)))
        .route("/v1/config", read(get(actions::config)))
}

fn read(methods: MethodRouter<Arc<Shared>>) -> MethodRouter<Arc<Shared>> {
    only("GET, HEAD, OPTIONS", methods)
}

fn only(allow: &'static str, methods: MethodRouter<Arc<Shared>>) -> MethodRouter<Arc<Shared>> {
    methods
        .fallback(move |method: Method| async move { other_method(&method, allow).into_response() })
}
