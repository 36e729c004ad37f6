//! The paths of the admin plane.
//!
//! A path and its methods are written once, at the handler: from there they come into the router, into `Allow`, and into
//! the document that [`openapi`](super::openapi) serves.

use std::sync::{Arc, LazyLock};

use axum::body::Bytes;
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware;
use axum::response::IntoResponse;
use axum::{Extension, Router};
use tower::ServiceBuilder;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa::openapi::PathItem;
use utoipa_axum::router::{OpenApiRouter, UtoipaMethodRouter};
use utoipa_axum::routes;

use super::audited::audited;
use super::authenticate::authenticate;
use super::idempotent::once;
use super::limits::limit;
use super::openapi::{self, Document, with_problems};
use super::{
    access_log, actions, events, guard, live, metrics, probes, profile, services, session,
    trial_request, ui, upgrade, views,
};
use crate::problem::{Problem, other_method, panicked};
use crate::shared::Shared;

static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| description().into());

/// The document that describes the plane.
pub(super) fn description() -> String {
    let [guarded, open] = [with_token(), without_token()].map(OpenApiRouter::into_openapi);
    openapi::text(guarded, open)
}

type Routes = OpenApiRouter<Arc<Shared>>;

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
    let (with_token, _) = with_token().split_for_parts();
    let (without_token, _) = without_token().split_for_parts();
    with_token
        .route_layer(Extension(Document(|| DOCUMENT.clone())))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), audited))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared.idempotent), once))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared.rates), limit))
        .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), authenticate))
        .merge(without_token)
        // Needs no token: these files hold no data.
        .merge(ui::router())
        .fallback(|| async {
            Problem::not_found("the admin plane has no such path; see docs/operating.md")
        })
        .layer(around)
        .with_state(shared)
}

/// The routes that need a token, if there are tokens.
fn with_token() -> Routes {
    reading().merge(acting())
}

/// The routes that no role but that of an operator limits.
fn reading() -> Routes {
    OpenApiRouter::new()
        .routes(route(routes!(views::status), &[]))
        .routes(route(routes!(views::plugins), &[]))
        .routes(route(routes!(views::plugin), &["bad-request", "not-found"]))
        .routes(route(routes!(views::generations), &[]))
        .routes(route(routes!(actions::diff), &["bad-request", "unknown-generation"]))
        .routes(route(routes!(views::rejected), &[]))
        .routes(route(routes!(views::config), &[]))
        .routes(route(routes!(services::services), &[]))
        .routes(route(routes!(events::stream), &["overloaded"]))
        .routes(route(routes!(live::figures), &[]))
        .routes(route(routes!(live::logs), &["bad-request", "not-found"]))
        .routes(route(routes!(session::session), &[]))
        .routes(route(routes!(openapi::document), &[]))
        .routes(route(routes!(metrics::metrics), &["internal"]))
        .routes(route(routes!(views::registries), &[]))
        .routes(route(routes!(views::registry), &["bad-request", "not-found"]))
        .routes(route_with(
            "GET, OPTIONS",
            routes!(profile::profile),
            &["bad-request", "busy", "internal", "not-implemented", "unavailable"],
        ))
}

/// The actions of operators.
fn acting() -> Routes {
    let stopped = ["bad-request", "stopped"].as_slice();
    let act = ["bad-request", "not-found", "refused", "stopped"].as_slice();
    let act_on_running = ["bad-request", "not-found", "not-running", "refused", "stopped"];
    let rollback = ["bad-request", "unknown-generation", "refused", "stopped"];
    let weights = ["bad-request", "not-found", "weights", "refused", "stopped"];
    OpenApiRouter::new()
        .routes(route(routes!(actions::reload), stopped))
        .routes(route(routes!(actions::rollback), &rollback))
        .routes(route(routes!(actions::resume), &["bad-request", "refused", "stopped"]))
        .routes(route(routes!(actions::disable), act))
        .routes(route(routes!(actions::enable), act))
        .routes(route(routes!(actions::restart), &act_on_running))
        .routes(route(routes!(actions::drain), &act_on_running))
        .routes(route(routes!(actions::breaker), &act_on_running))
        .routes(route(routes!(actions::weights), &weights))
        .routes(route(routes!(upgrade::upgrade), &["not-implemented", "not-upgraded", "stopped"]))
        .routes(route(routes!(trial_request::test), &["bad-request", "not-found"]))
}

/// The routes that never need a token.
fn without_token() -> Routes {
    OpenApiRouter::new()
        .routes(route(routes!(probes::livez), &["unavailable"]))
        .routes(route(routes!(probes::readyz), &["unavailable"]))
}

/// A route that refuses other methods than those of its description, with the codes of its own problems.
fn route(
    routes: UtoipaMethodRouter<Arc<Shared>>,
    problems: &[&str],
) -> UtoipaMethodRouter<Arc<Shared>> {
    let allow = if routes.1.paths.values().any(|path: &PathItem| path.get.is_some()) {
        "GET, HEAD, OPTIONS"
    } else {
        "OPTIONS, POST"
    };
    route_with(allow, routes, problems)
}

fn route_with(
    allow: &'static str,
    routes: UtoipaMethodRouter<Arc<Shared>>,
    problems: &[&str],
) -> UtoipaMethodRouter<Arc<Shared>> {
    let (schemas, mut paths, methods) = routes;
    with_problems(&mut paths, problems);
    let methods = methods.fallback(move |method: Method| async move {
        other_method(&method, allow).into_response()
    });
    (schemas, paths, methods)
}
