//! Serves the routes of the generation of a request.

use std::sync::Arc;

use axum::http::{StatusCode, request};
use plugbay::{CallOptions, Error, Routed};
use tokio::time::timeout_at;

use super::body::Arriving;
use super::context::{BACKSTOP, Context, failed, late, lost, name_plugin};
use super::state::Data;
use super::{body, exchange};
use crate::guests::Lost;
use crate::problem::{Problem, Response};

/// Has the handler of a route answer a request.
pub(super) async fn serve<B: Arriving>(
    data: &Data,
    context: &Context,
    routed: Routed,
    parts: &request::Parts,
    body: B,
) -> Result<Response, Problem> {
    let mut share = data.share(context);
    let body = body::read(context, &parts.headers, body, &mut share).await?;
    let as_get = routed.is_head();
    let deadline = context.answers_by();
    let how = CallOptions::default().until(deadline.into_std());
    let (handler, request) =
        match routed.into_call(exchange::request(parts, body, context.origin.as_ref())) {
            Ok(call) => call,
            // The route exists, only its handler is missing: not the client's mistake.
            Err(error @ Error::NotFound(_)) => {
                if let Error::NotFound(missed) = &error
                    && let Some(plugin) = context.snapshot.not_serving(&missed.name)
                {
                    return Err(Problem::not_serving(plugin));
                }
                tracing::warn!(
                    reason = "not-found",
                    "the handler of a route is not loaded: {error}"
                );
                let detail = "the handler of this route is not loaded";
                return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", detail));
            }
            Err(error) => return Err(failed(&error)),
        };
    if let Some(plugin) = handler.plugin() {
        name_plugin(plugin);
    }
    let (plugin, size) = (handler.bulkhead().into_owned(), request.body.len());
    let correlation = Arc::clone(&context.correlation);
    let answer = async move { handler.handle(how.correlated(&correlation), request).await };
    match timeout_at(deadline + BACKSTOP, data.guests.run(&plugin, size, answer)).await {
        Ok(Ok(Ok(answer))) => exchange::response(answer, &parts.method, as_get, share),
        Ok(Ok(Err(error))) => Err(failed(&error.into())),
        Ok(Err(Lost)) => Err(lost()),
        Err(_elapsed) => Err(late()),
    }
}
