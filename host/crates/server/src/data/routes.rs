//! Serves the routes of the generation of a request.

use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use plugbay::{CallOptions, Error, Handler, Kind as _, RouteMatch};
use tokio::time::timeout_at;

use super::context::{BACKSTOP, Context, failed, late, lost, served_by};
use super::state::Data;
use super::{body, exchange};
use crate::guests::Lost;
use crate::listener::Client;
use crate::problem::{Problem, other_method};

pub(super) async fn serve(
    State(data): State<Data>,
    Extension(context): Extension<Context>,
    Extension(client): Extension<Client>,
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
    let mut share = data.share(&context, client);
    let body = body::read(&context, &parts.headers, body, &mut share).await?;
    let as_get = routed.is_head();
    let deadline = context.answers_by();
    let how = CallOptions::default().until(deadline.into_std());
    let (handler, request) = match routed.into_call(exchange::request(&parts, body)) {
        Ok(call) => call,
        // The route exists, only its handler is missing: not the client's mistake.
        Err(error @ Error::NotFound(_)) => {
            tracing::warn!(reason = "not-found", "the handler of a route is not loaded: {error}");
            let detail = "the handler of this route is not loaded";
            return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail));
        }
        Err(error) => return Err(failed(&error)),
    };
    let (plugin, size) = (handler.bulkhead().into_owned(), request.body.len());
    let answer = async move { handler.handle(how, request).await };
    match timeout_at(deadline + BACKSTOP, data.guests.run(&plugin, size, answer)).await {
        Ok(Ok(Ok(answer))) => exchange::response(answer, method, as_get, share),
        Ok(Ok(Err(error))) => Err(failed(&error.into())),
        Ok(Err(Lost)) => Err(lost()),
        Err(_elapsed) => Err(late()),
    }
}
