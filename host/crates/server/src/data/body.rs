//! Reads a request's body, bounded in size and time.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};

use super::context::Context;
use crate::problem::Problem;

/// Reads the whole body.
pub(super) async fn read(
    context: &Context,
    headers: &HeaderMap,
    body: Body,
) -> Result<Vec<u8>, Problem> {
    let most = context.snapshot.config().server.max_body.as_usize();
    // A request that announces too long a body is refused before the client sends it.
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if announced.and_then(|length| length.parse::<u64>().ok()).is_some_and(|it| it > most as u64) {
        return Err(too_large(most));
    }
    let collected = tokio::time::timeout_at(context.arrives_by, Limited::new(body, most).collect());
    match collected.await {
        Ok(Ok(body)) => Ok(body.to_bytes().into()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_large(most)),
        Ok(Err(error)) => {
            let detail = format!("the body is incomplete: {error}");
            Err(Problem::bad_request(detail).closing())
        }
        Err(_elapsed) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "the body did not arrive within server.timeout",
        )
        .closing()),
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("expected a body of at most {most} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).closing()
}
