//! Answers one request: sets its id, its span, its snapshot and its deadline, and finds what serves it.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header, request};
use futures_lite::FutureExt as _;
use http_body_util::Either;
use plugbay::trace::TraceState;
use plugbay::{Correlation, RequestId, RouteMatch, Snapshot, TraceParent};
use tokio::time::Instant;
use tracing::{Instrument as _, field};

use super::allowance;
use super::body::Arriving;
use super::context::{Context, timeout};
use super::forwarded::{self, Origin};
use super::state::Data;
use super::target::Target;
use super::{codecs, framing, layers, routes, span};
use crate::access_log::{Of, Unanswered};
use crate::listener::Client;
use crate::problem::{
    MAX_PATH, MAX_REPEATED, Problem, Response, no_content, other_method, panicked, shortened,
};
use crate::rate::Standings;
use crate::request_id::{self, REQUEST_ID};

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

impl Data {
    /// The answer to a request that came from `peer`.
    pub(super) async fn answer<B: Arriving>(
        self: Arc<Self>,
        peer: Client,
        request: Request<B>,
    ) -> axum::http::Response<layers::Body> {
        let begun = Instant::now();
        let snapshot = self.host.snapshot();
        let (id, correlation) = correlation(request.headers());
        let find = || Target::of(&snapshot, &request);
        let target = catch_unwind(AssertUnwindSafe(find));
        let (handler, codec, route) =
            target.as_ref().map_or_else(|_| Default::default(), Target::names);
        let (origin, disputed) = origin(&snapshot, peer, request.headers());
        let client = origin.as_ref().map_or(peer, |it| it.client);
        let scheme = origin.as_ref().and_then(|it| it.scheme);
        let recorded = span::begin(&self.host, &correlation, &request, (client, scheme), route);
        let correlation = match &recorded {
            Some(span) => Arc::clone(span.correlation()),
            None => Arc::new(correlation),
        };
        // At the highest level, so that every line of a request has its id, whatever the log's filter is.
        let span = tracing::error_span!(
            target: "plugbay_server::request",
            "request",
            request_id = correlation.request_id.as_ref().map(RequestId::as_str),
            trace_id = correlation.trace_parent.as_ref().map(TraceParent::trace_id),
            method = %shortened(request.method().as_str(), MAX_REPEATED),
            path = &*shortened(request.uri().path(), MAX_PATH),
            generation = snapshot.generation(),
            handler,
            codec = codec.as_deref(),
            route,
            plugin = field::Empty,
            version = field::Empty,
        );
        let options = target.as_ref().ok().and_then(Target::options).cloned();
        let is_compressed = snapshot.config().server.compression;
        let cors = options.as_ref().and_then(|it| it.cors.as_ref());
        let head = (is_compressed || cors.is_some())
            .then(|| layers::head(request.method(), request.headers()));
        let arrives_by = begun + timeout(&snapshot, options.as_deref());
        let context = Context { snapshot, correlation, arrives_by, client, origin, options };
        // Of a `Content-Length` beside it hyper says nothing, and a proxy may have believed that one. So what follows the
        // request on its connection is not read (RFC 9112, section 6.1).
        let is_last = request.headers().contains_key(header::TRANSFER_ENCODING);
        let unanswered = Unanswered::new(begun.into_std(), Of::Data(client));
        let mut response = async {
            let served = match (target, disputed) {
                (Ok(_), Some(problem)) => Ok(Err(problem.in_request(request.uri().path(), &id))),
                (Ok(target), None) => {
                    AssertUnwindSafe(self.serve(&context, target, request, &id))
                        .catch_unwind()
                        .await
                }
                (Err(panic), _) => Err(panic),
            };
            let response = match served {
                Ok(Ok(response)) => response,
                Ok(Err(problem)) => problem.into(),
                Err(panic) => panicked(panic).in_request("", &id).into(),
            };
            let response = match head {
                None => response.map(Either::Left),
                Some(head) => Box::pin(layers::around(&context, head, response)).await,
            };
            unanswered.answered(response.status(), response.body().size_hint().exact());
            response
        }
        .instrument(span)
        .await;
        if let Some(span) = recorded {
            span::end(span, response.status());
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if is_last || self.draining.is_cancelled() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn serve<B: Arriving>(
        &self,
        context: &Context,
        target: Target,
        request: Request<B>,
        id: &HeaderValue,
    ) -> Result<Response, Problem> {
        let (parts, body) = request.into_parts();
        let result = if context.is_limited() {
            Box::pin(self.serve_allowed(context, target, &parts, body)).await
        } else {
            self.serve_target(context, target, &parts, body).await
        };
        result.map_err(|problem| problem.in_request(parts.uri.path(), id))
    }

    /// As [`Data::serve_target`], if the client may use the plane and the route, and does not ask too often.
    async fn serve_allowed<B: Arriving>(
        &self,
        context: &Context,
        target: Target,
        parts: &request::Parts,
        body: B,
    ) -> Result<Response, Problem> {
        let server = &context.snapshot.config().server;
        allowance::check(context.client, &server.allow, &server.deny)?;
        if let Some(options) = &context.options {
            allowance::check(context.client, &options.allow, &options.deny)?;
        }
        let standings = match &target {
            // A browser asks by itself, beside the request.
            Target::Preflight(_) => Standings::default(),
            Target::Route(RouteMatch::Found(routed)) => self.rates.count(context, Some(routed)),
            _ => self.rates.count(context, None),
        };
        let result = match allowance::in_time(&standings) {
            Ok(()) => self.serve_target(context, target, parts, body).await,
            Err(problem) => Err(problem),
        };
        match result {
            Ok(mut response) => {
                standings.write(response.headers_mut());
                Ok(response)
            }
            Err(mut problem) => {
                standings.write(problem.headers_mut());
                Err(problem)
            }
        }
    }

    async fn serve_target<B: Arriving>(
        &self,
        context: &Context,
        target: Target,
        parts: &request::Parts,
        body: B,
    ) -> Result<Response, Problem> {
        framing::check(&parts.headers, parts.version)?;
        // Before the first generation no route is known.
        if context.snapshot.generation() == 0 {
            return Err(Problem::starting());
        }
        let method = &parts.method;
        match target {
            Target::Route(RouteMatch::Found(routed)) => {
                routes::serve(self, context, routed, parts, body).await
            }
            // The layer for other origins answers.
            Target::Preflight(_) => Ok(no_content()),
            Target::Route(RouteMatch::NotServing(plugin)) => Err(Problem::not_serving(plugin)),
            Target::Route(RouteMatch::MethodNotAllowed { allow }) => {
                other_method(method, &allow.join(", "))
            }
            // `OPTIONS *` concerns the server as a whole (RFC 9110, section 9.3.7).
            Target::Route(RouteMatch::NotFound)
                if *method == Method::OPTIONS && parts.uri.path() == "*" =>
            {
                Ok(no_content())
            }
            Target::Route(RouteMatch::NotFound) => {
                Err(Problem::not_found("no route has this path"))
            }
            Target::Codecs if matches!(*method, Method::GET | Method::HEAD) => {
                Ok(codecs::list(&context.snapshot))
            }
            Target::Codecs => other_method(method, "GET, HEAD, OPTIONS"),
            Target::Codec(name, direction) if *method == Method::POST => {
                let name = name.map_err(|error| Problem::bad_request(error.to_string()))?;
                codecs::convert(self, context, &name, direction, &parts.headers, body).await
            }
            Target::Codec(..) => other_method(method, "OPTIONS, POST"),
        }
    }
}

/// For whom the peer asks, if it may be a trusted proxy, and what is wrong with what it says.
fn origin(
    snapshot: &Snapshot,
    peer: Client,
    headers: &HeaderMap,
) -> (Option<Origin>, Option<Problem>) {
    let trusted = &snapshot.config().server.trusted_proxies;
    if trusted.is_empty() {
        return (None, None);
    }
    match forwarded::origin(headers, peer, trusted) {
        Ok(origin) => (Some(origin), None),
        Err(problem) => (Some(Origin { client: peer, scheme: None }), Some(problem)),
    }
}

/// What a request is known by, and its id as a field of the answer: the client's id if it is valid, or a new
/// one; and the client's trace context if it is valid.
fn correlation(headers: &HeaderMap) -> (HeaderValue, Correlation) {
    let id = request_id::of(headers);
    let parent = trace_parent(headers);
    let state = parent.and_then(|_| trace_state(headers));
    let mut correlation = Correlation::default().trace_parent(parent).trace_state(state);
    correlation.request_id = request_id::read(&id);
    (id, correlation)
}

/// The client's trace context. With several fields it is not known which one is the caller's.
fn trace_parent(headers: &HeaderMap) -> Option<TraceParent> {
    let mut values = headers.get_all(TRACE_PARENT).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    value.to_str().ok()?.parse().ok()
}

/// What other tracing systems added to the client's trace, in all fields together.
fn trace_state(headers: &HeaderMap) -> Option<TraceState> {
    let values = headers.get_all(TRACE_STATE).iter().map(|value| value.to_str().ok());
    let values: Vec<&str> = values.collect::<Option<_>>()?;
    values.join(",").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_valid_trace_context_of_the_client_is_kept() {
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = |values: &[&'static str]| {
            let value = |value: &&'static str| (TRACE_PARENT, HeaderValue::from_static(value));
            let headers: HeaderMap = values.iter().map(value).collect();
            correlation(&headers).1.trace_parent.map(|parent| parent.to_string())
        };
        assert_eq!(read(&[good]).as_deref(), Some(good));
        for bad in [&[][..], &["00-0-0-0"], &[good, good]] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn the_state_of_a_trace_is_kept_with_a_trace_only() {
        let read = |parent: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(TRACE_PARENT, HeaderValue::from_static(parent));
            headers.append(TRACE_STATE, HeaderValue::from_static("a=1"));
            headers.append(TRACE_STATE, HeaderValue::from_static("b=2"));
            correlation(&headers).1.trace_state.map(|state| state.to_string())
        };
        let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        assert_eq!(read(good).as_deref(), Some("a=1,b=2"));
        assert_eq!(read("00-0-0-0"), None);
    }
}
