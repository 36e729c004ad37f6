//! Serves the routes of the generation of a request.

use axum::Extension;
use axum::extract::Request;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use plugbay::{CallOptions, Error, Handler, Kind as _, RouteMatch};

use super::context::{BACKSTOP, Context, failed, late, served_by};
use super::{body, exchange};
use crate::problem::{Problem, other_method};

pub(super) async fn serve(
    Extension(context): Extension<Context>,
    request: Request,
) -> Result<Response, Problem> {
    let (parts, body) = request.into_parts();
    let (method, path) = (&parts.method, parts.uri.path());
    let routed = match context.snapshot.route(method.as_str(), path) {
        RouteMatch::Found(routed) => routed,
        RouteMatch::MethodNotAllowed { allow } => {
            return Ok(other_method(method, &allow.join(", ")));
        }
        // `OPTIONS *` concerns the server as a whole (RFC 9110, section 9.3.7).
        RouteMatch::NotFound if *method == Method::OPTIONS && path == "*" => {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
        RouteMatch::NotFound => return Err(Problem::not_found("no route has this path")),
    };
    served_by(Handler::NAME, routed.handler(), routed.pattern());
    let body = body::read(&context, &parts.headers, body).await?;
    let as_get = routed.is_head();
    let deadline = context.answers_by();
    let how = CallOptions::default().until(deadline.into_std());
    let answer = routed.handle(how, exchange::request(&parts, body));
    match tokio::time::timeout_at(deadline + BACKSTOP, answer).await {
        Ok(Ok(answer)) => exchange::response(answer, method, as_get),
        // The route exists, only its handler is missing: not the client's mistake.
        Ok(Err(error @ Error::NotFound(_))) => {
            tracing::warn!(reason = "not-found", "the handler of a route is not loaded: {error}");
            let detail = "the handler of this route is not loaded";
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail))
        }
        Ok(Err(error)) => Err(failed(&error)),
        Err(_elapsed) => Err(late()),
    }
}
