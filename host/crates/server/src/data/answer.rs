//! Answers one request: sets its id, its span, its snapshot and its deadline, and finds what serves it.

use std::borrow::Cow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::str::Utf8Error;
use std::sync::Arc;

use axum::body::HttpBody as _;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use futures_lite::FutureExt as _;
use percent_encoding::percent_decode_str;
use plugbay::runtime::Direction;
use plugbay::trace::TraceState;
use plugbay::{Correlation, RequestId, RouteMatch, Snapshot, TraceParent};
use tokio::time::Instant;
use tracing::{Instrument as _, field};

use super::body::Arriving;
use super::context::Context;
use super::state::Data;
use super::{codecs, framing, routes, span};
use crate::access_log::{Of, Unanswered};
use crate::listener::Client;
use crate::problem::{
    MAX_PATH, MAX_REPEATED, Problem, Response, no_content, other_method, panicked, shortened,
};
use crate::request_id::{self, REQUEST_ID};

/// The paths of the data plane that no route can replace, for
/// [`Builder::reserved`](plugbay::Builder::reserved).
pub const RESERVED_PATHS: [&str; 3] = [CODECS, codecs::ENCODE, codecs::DECODE];
const CODECS: &str = "/v1/codecs";

const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");

impl Data {
    /// The answer to a request of a client.
    pub(super) async fn answer<B: Arriving>(
        self: Arc<Self>,
        client: Client,
        request: Request<B>,
    ) -> Response {
        let begun = Instant::now();
        let snapshot = self.host.snapshot();
        let (id, correlation) = correlation(request.headers());
        let find = || Target::of(&snapshot, request.method(), request.uri().path());
        let target = catch_unwind(AssertUnwindSafe(find));
        let (handler, codec, route) =
            target.as_ref().map_or_else(|_| Default::default(), Target::names);
        let recorded = span::begin(&self.host, &correlation, &request, client, route);
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
        let arrives_by = begun + snapshot.config().server.timeout;
        let context = Context { snapshot, correlation, arrives_by, client };
        let unanswered = Unanswered::new(begun.into_std(), Of::Data);
        let mut response = async {
            let served = match target {
                Ok(target) => {
                    AssertUnwindSafe(self.serve(&context, target, request)).catch_unwind().await
                }
                Err(panic) => Err(panic),
            };
            let response = match served {
                Ok(Ok(response)) => response,
                Ok(Err(problem)) => problem.into(),
                Err(panic) => panicked(panic),
            };
            unanswered.answered(response.status(), response.body().size_hint().exact());
            response
        }
        .instrument(span)
        .await;
        if let Some(span) = recorded {
            span::end(span, &response);
        }
        let headers = response.headers_mut();
        headers.insert(REQUEST_ID, id);
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        if self.draining.is_cancelled() {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        response
    }

    async fn serve<B: Arriving>(
        &self,
        context: &Context,
        target: Target,
        request: Request<B>,
    ) -> Result<Response, Problem> {
        framing::check(request.headers(), request.version())?;
        // Before the first generation no route is known.
        if context.snapshot.generation() == 0 {
            return Err(Problem::starting());
        }
        let (parts, body) = request.into_parts();
        let method = &parts.method;
        match target {
            Target::Route(RouteMatch::Found(routed)) => {
                routes::serve(self, context, routed, &parts, body).await
            }
            Target::Route(RouteMatch::MethodNotAllowed { allow }) => {
                Ok(other_method(method, &allow.join(", ")))
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
            Target::Codecs => Ok(other_method(method, "GET, HEAD, OPTIONS")),
            Target::Codec(name, direction) if *method == Method::POST => {
                let name = name.map_err(|error| Problem::bad_request(error.to_string()))?;
                codecs::convert(self, context, &name, direction, &parts.headers, body).await
            }
            Target::Codec(..) => Ok(other_method(method, "OPTIONS, POST")),
        }
    }
}

/// What serves a request.
enum Target {
    /// The list of the codecs.
    Codecs,
    /// A codec, by its name, which is not text if it was not encoded as UTF-8.
    Codec(Result<String, Utf8Error>, Direction),
    /// What the routes of the generation say.
    Route(RouteMatch),
}

impl Target {
    fn of(snapshot: &Snapshot, method: &Method, path: &str) -> Self {
        match reserved(path) {
            None => Self::Route(snapshot.route(method.as_str(), path)),
            Some(Reserved::Codecs) => Self::Codecs,
            Some(Reserved::Codec(name, direction)) => {
                let name = percent_decode_str(name).decode_utf8().map(Cow::into_owned);
                Self::Codec(name, direction)
            }
        }
    }

    /// The handler or the codec, and the pattern of its route, for the log.
    fn names(&self) -> (Option<&str>, Option<Cow<'_, str>>, Option<&str>) {
        match self {
            Self::Route(RouteMatch::Found(routed)) => {
                (Some(routed.handler()), None, Some(routed.pattern()))
            }
            Self::Codec(Ok(name), direction) => {
                // Nobody has checked yet that there is such a codec.
                let name = shortened(name, MAX_REPEATED);
                (None, Some(name), Some(codecs::pattern(*direction)))
            }
            Self::Codecs => (None, None, Some(CODECS)),
            Self::Codec(Err(_), _) | Self::Route(_) => (None, None, None),
        }
    }
}

/// One of [`RESERVED_PATHS`].
#[derive(Debug, PartialEq, Eq)]
enum Reserved<'p> {
    Codecs,
    /// The codec's name as it came.
    Codec(&'p str, Direction),
}

fn reserved(path: &str) -> Option<Reserved<'_>> {
    let rest = path.strip_prefix(CODECS)?;
    if rest.is_empty() {
        return Some(Reserved::Codecs);
    }
    let (name, direction) = rest.strip_prefix('/')?.split_once('/')?;
    let direction = match direction {
        "encode" => Direction::Encode,
        "decode" => Direction::Decode,
        _ => return None,
    };
    (!name.is_empty()).then_some(Reserved::Codec(name, direction))
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
    fn a_reserved_path_is_served_by_the_codecs_and_others_by_routes() {
        let convert = |name, direction| Some(Reserved::Codec(name, direction));
        assert_eq!(reserved("/v1/codecs"), Some(Reserved::Codecs));
        assert_eq!(reserved("/v1/codecs/a/encode"), convert("a", Direction::Encode));
        assert_eq!(reserved("/v1/codecs/a%2Fb/decode"), convert("a%2Fb", Direction::Decode));
        for path in [
            "/",
            "/v1",
            "/v1/codecs/",
            "/v1/codecsx",
            "/v1/codecs/a",
            "/v1/codecs//encode",
            "/v1/codecs/a/b/encode",
            "/v1/codecs/a/encode/",
            "/v1/codecs/a/ENCODE",
        ] {
            assert_eq!(reserved(path), None, "{path}");
        }
    }

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
