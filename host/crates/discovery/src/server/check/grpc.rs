//! A check by gRPC: `grpc.health.v1.Health/Check` by HTTP/2 without TLS.
//!
//! Source: <https://github.com/grpc/grpc/blob/master/doc/health-checking.md> and, for the framing,
//! `PROTOCOL-HTTP2.md` beside it. One call of two messages needs no gRPC library.

use axum::body::Bytes;
use axum::http::{HeaderMap, Request, StatusCode, header};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::http::USER_AGENT;

const METHOD: &str = "/grpc.health.v1.Health/Check";
/// The largest answer, in bytes.
const MAX_ANSWER: usize = 4 << 10;
/// `HealthCheckResponse.ServingStatus.SERVING`.
const SERVING: i32 = 1;

#[derive(Message)]
struct HealthCheckRequest {
    #[prost(string, tag = "1")]
    service: String,
}

#[derive(Message)]
struct HealthCheckResponse {
    #[prost(int32, tag = "1")]
    status: i32,
}

pub(super) async fn check(stream: TcpStream, authority: &str, service: &str) -> Result<(), String> {
    let failed = |error: hyper::Error| format!("expected an answer to HTTP/2: {error}");
    let (mut sender, connection) =
        http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.map_err(failed)?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // The request sees the error.
        let _ = connection.await;
    });
    let message = HealthCheckRequest { service: service.to_owned() };
    let request = Request::post(format!("http://{authority}{METHOD}"))
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .header(header::USER_AGENT, USER_AGENT)
        .body(Full::new(framed(&message)))
        .map_err(|error| error.to_string())?;
    let (head, body) = sender.send_request(request).await.map_err(failed)?.into_parts();
    if head.status != StatusCode::OK {
        return Err(format!("expected status 200, found {}", head.status.as_u16()));
    }
    // An answer without a message has its trailers in the header.
    succeeded(&head.headers, true)?;
    let body = Limited::new(body, MAX_ANSWER).collect().await;
    let body = body.map_err(|error| format!("expected a whole answer: {error}"))?;
    let trailers = body.trailers().cloned().unwrap_or_default();
    succeeded(&trailers, head.headers.contains_key("grpc-status"))?;
    let answer = unframed(&body.to_bytes())?;
    match answer.status {
        SERVING => Ok(()),
        other => Err(format!("expected the status SERVING ({SERVING}), found {other}")),
    }
}

/// Whether the call succeeded, by `grpc-status`, which may be absent if it is `optional`.
fn succeeded(fields: &HeaderMap, optional: bool) -> Result<(), String> {
    match fields.get("grpc-status") {
        None if optional => Ok(()),
        None => Err("expected grpc-status after the answer, found none".into()),
        Some(status) if status == "0" => Ok(()),
        Some(status) => {
            let message = fields.get("grpc-message").map_or("", |it| it.to_str().unwrap_or(""));
            Err(format!(
                "expected grpc-status 0, found {} {message:?}",
                status.to_str().unwrap_or("?")
            ))
        }
    }
}

/// A message after its five bytes: not compressed, and the length.
fn framed(message: &impl Message) -> Bytes {
    let body = message.encode_to_vec();
    let length = u32::try_from(body.len()).unwrap_or(u32::MAX);
    [&[0][..], &length.to_be_bytes(), &body].concat().into()
}

fn unframed(bytes: &[u8]) -> Result<HealthCheckResponse, String> {
    let whole = bytes.split_first_chunk::<5>().and_then(|(head, body)| {
        let [compressed, length @ ..] = *head;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        (compressed == 0 && body.len() == length).then_some(body)
    });
    let body = whole.ok_or("expected one message that is not compressed")?;
    HealthCheckResponse::decode(body)
        .map_err(|error| format!("expected a HealthCheckResponse: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_framed() {
        let request = HealthCheckRequest { service: "a.B".into() };
        assert_eq!(&framed(&request)[..], b"\0\0\0\0\x05\x0a\x03a.B");
        assert_eq!(unframed(b"\0\0\0\0\x02\x08\x01").unwrap().status, SERVING);
        assert_eq!(unframed(b"\0\0\0\0\0").unwrap().status, 0);
        for bad in
            [&b""[..], b"\0\0\0\0", b"\x01\0\0\0\0", b"\0\0\0\0\x02\x08", b"\0\0\0\0\x01\xff"]
        {
            assert!(unframed(bad).is_err(), "{bad:?}");
        }
    }
}
