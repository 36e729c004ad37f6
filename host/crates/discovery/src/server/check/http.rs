//! A check by HTTP/1.1.

use axum::body::Bytes;
use axum::http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// The largest header of an answer, in bytes. The body is not read.
const MAX_HEADER: usize = 16 << 10;

/// What checks call themselves.
pub(super) const USER_AGENT: &str = concat!("plugbay-directory/", env!("CARGO_PKG_VERSION"));

pub(super) async fn check(
    stream: TcpStream,
    authority: &str,
    path: &str,
) -> Result<Option<String>, String> {
    let failed = |error: hyper::Error| format!("expected an answer to HTTP/1.1: {error}");
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(MAX_HEADER)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(failed)?;
    // Ends with this check.
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        // The request sees the error.
        let _ = connection.await;
    });
    let request = Request::get(path)
        .header(header::HOST, authority)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(|error| error.to_string())?;
    let status = sender.send_request(request).await.map_err(failed)?.status();
    match status {
        status if status.is_success() => Ok(None),
        StatusCode::TOO_MANY_REQUESTS => Ok(Some(format!("found status {}", status.as_u16()))),
        status => Err(format!("expected a status from 200 to 299, found {}", status.as_u16())),
    }
}
