//! Names each request of the admin plane, and writes its line of the log.

use std::time::Instant;

use axum::body::HttpBody as _;
use axum::extract::Request;
use axum::http::header;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use plugbay::RequestId;
use tracing::Instrument as _;

use crate::access_log::{Of, Unanswered};
use crate::problem::{MAX_PATH, MAX_REPEATED, Problem, shortened};
use crate::request_id::{self, REQUEST_ID};

/// What supervisors and Prometheus ask for, again and again.
const PROBES: [&str; 3] = ["/livez", "/metrics", "/readyz"];

/// The outermost layer: it sees refused requests as well. The line has no query and no field of the header but the id,
/// and so no token.
pub(super) async fn log(mut request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request_id::of(request.headers());
    // Further layers know the request by it, too.
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let path = request.uri().path();
    let of = if PROBES.contains(&path) { Of::Probe } else { Of::Admin };
    // At the highest level, so that every line of a request has its id, whatever the log's filter is.
    let span = tracing::error_span!(
        target: "plugbay_server::admin::request",
        "request",
        request_id = request_id::read(&id).as_ref().map(RequestId::as_str),
        method = %shortened(request.method().as_str(), MAX_REPEATED),
        path = &*shortened(path, MAX_PATH),
    );
    let uri = request.uri().clone();
    let answer = async {
        let unanswered = Unanswered::new(begun, of);
        let mut response = next.run(request).await;
        if let Some(problem) = response.extensions_mut().remove::<Problem>() {
            let named = problem.in_request(uri.path(), &id).into_response();
            *response.body_mut() = named.into_body();
            // hyper sets that of the new body.
            response.headers_mut().remove(header::CONTENT_LENGTH);
        }
        unanswered.answered(response.status(), response.body().size_hint().exact());
        response
    };
    let mut response = answer.instrument(span).await;
    response.headers_mut().insert(REQUEST_ID, id);
    response
}
