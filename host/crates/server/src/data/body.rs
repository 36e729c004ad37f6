//! Reads a request's body, bounded in size and time.

use axum::body::Body;
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout_at;

use super::budget::Share;
use super::context::Context;
use crate::problem::Problem;

/// Reads the whole body, and counts its bytes in `share`.
pub(super) async fn read(
    context: &Context,
    headers: &HeaderMap,
    body: Body,
    share: &mut Share,
) -> Result<Vec<u8>, Problem> {
    let most = context.snapshot.config().server.max_body.as_usize();
    // A request that announces too long a body is refused before the client sends it.
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let announced = announced.and_then(|length| length.parse::<usize>().ok()).unwrap_or_default();
    if announced > most {
        return Err(too_large(most));
    }
    let collected = collect(Limited::new(body, most), announced, share);
    match timeout_at(context.arrives_by, collected).await {
        Ok(Err(Unread::TooLarge)) => Err(too_large(most)),
        Ok(Err(Unread::NoRoom(problem))) => Err(problem),
        Ok(Err(Unread::Broken(error))) => {
            let detail = format!("the body is incomplete: {error}");
            Err(Problem::bad_request(detail).closing())
        }
        Ok(Ok(body)) => Ok(body),
        Err(_elapsed) => Err(Problem::new(
            StatusCode::REQUEST_TIMEOUT,
            "request-timeout",
            "the body did not arrive within server.timeout",
        )
        .closing()),
    }
}

/// The reason why a body was not read.
enum Unread {
    TooLarge,
    NoRoom(Problem),
    Broken(axum::BoxError),
}

async fn collect(
    mut body: Limited<Body>,
    announced: usize,
    share: &mut Share,
) -> Result<Vec<u8>, Unread> {
    // The system provides this memory only when bytes are written to it.
    let mut bytes = Vec::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() { Unread::TooLarge } else { Unread::Broken(error) }
        })?;
        // Trailers are dropped: the requests of plugins do not have them.
        let Ok(data) = frame.into_data() else { continue };
        share.resize(bytes.len() + data.len()).map_err(Unread::NoRoom)?;
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

fn too_large(most: usize) -> Problem {
    let detail = format!("expected a body of at most {most} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).closing()
}
