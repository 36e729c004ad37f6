//! Reads a request's body, bounded in size and time.

use std::pin::pin;

use axum::BoxError;
use axum::body::{Bytes, HttpBody};
use axum::http::{HeaderMap, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time::timeout_at;

use super::budget::Share;
use super::context::Context;
use crate::problem::Problem;

/// The body of a request, as it arrives.
pub(super) trait Arriving:
    HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static
{
}

impl<B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static> Arriving for B {}

/// Reads the whole body, and counts its bytes in `share`.
pub(super) async fn read<B: Arriving>(
    context: &Context,
    headers: &HeaderMap,
    body: B,
    share: &mut Share,
) -> Result<Vec<u8>, Problem> {
    let most = context.max_body();
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
            "the body did not arrive within the timeout of its route, or server.timeout",
        )
        .closing()),
    }
}

/// The reason why a body was not read.
enum Unread {
    TooLarge,
    NoRoom(Problem),
    Broken(BoxError),
}

async fn collect<B: Arriving>(
    body: Limited<B>,
    announced: usize,
    share: &mut Share,
) -> Result<Vec<u8>, Unread> {
    let (mut body, mut bytes) = (pin!(body), Vec::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            if error.is::<LengthLimitError>() { Unread::TooLarge } else { Unread::Broken(error) }
        })?;
        // Trailers are dropped: the requests of plugins do not have them.
        let Ok(data) = frame.into_data() else { continue };
        let length = bytes.len() + data.len();
        share.resize(length).map_err(Unread::NoRoom)?;
        reserve(&mut bytes, length, announced);
        bytes.extend_from_slice(&data);
    }
    Ok(bytes)
}

/// Makes room for a body of `length` bytes so far; its header announced `announced` bytes, or 0.
///
/// Both the share and the memory grow with the bytes that arrived, never with those that a header announces:
/// a client that sends nothing takes nothing. The room doubles, so that few bytes are copied, but ends at the
/// announced length.
fn reserve(bytes: &mut Vec<u8>, length: usize, announced: usize) {
    if length > bytes.capacity() {
        let double = length.saturating_mul(2);
        let room = if length <= announced { double.min(announced) } else { double };
        bytes.reserve_exact(room - bytes.len());
    }
}

fn too_large(most: usize) -> Problem {
    let detail = format!("expected a body of at most {most} bytes");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail).closing()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_room_for_a_body_follows_what_arrived_and_ends_at_what_was_announced() {
        let (announced, part) = (8 << 20, 16 << 10);
        let (mut bytes, mut rooms) = (Vec::new(), 0);
        while bytes.len() < announced {
            let (length, before) = (bytes.len() + part, bytes.capacity());
            reserve(&mut bytes, length, announced);
            rooms += usize::from(bytes.capacity() != before);
            assert!(bytes.capacity() <= 2 * length, "{} for {length}", bytes.capacity());
            bytes.resize(length, b'x');
        }
        assert_eq!(bytes.capacity(), announced, "nothing is left over");
        assert!(rooms <= 10, "the body was moved {rooms} times");
        reserve(&mut bytes, announced + 1, announced);
        assert!(bytes.capacity() > announced, "an announced length is not trusted");
        let mut bytes = Vec::new();
        reserve(&mut bytes, part, 0);
        assert_eq!(bytes.capacity(), 2 * part, "without an announced length it doubles as well");
    }
}
