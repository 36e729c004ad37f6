//! OTLP over HTTP: each batch is one request on a connection of its own.

use std::time::Duration;

use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use prost::Message as _;
use tokio::net::TcpStream;

use crate::error::StartError;
use crate::send_error::{Again, SendError};

/// What the protocol adds to the path of the endpoint.
const PATH: &str = "/v1/traces";
const PROTOBUF: HeaderValue = HeaderValue::from_static("application/x-protobuf");
const DEFAULT_PORT: u16 = 80;
/// The largest answer that is read.
const MAX_ANSWER: usize = 64 * 1024;

/// A client of one collector.
pub(crate) struct Http {
    host: String,
    port: u16,
    path: String,
    headers: HeaderMap,
}

impl Http {
    pub(crate) fn new(uri: &Uri, headers: &[(String, String)]) -> Result<Self, StartError> {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            let refused = || StartError::Header(name.clone());
            let key = HeaderName::from_bytes(name.as_bytes()).map_err(|_| refused())?;
            let mut value = HeaderValue::from_str(value).map_err(|_| refused())?;
            value.set_sensitive(true);
            all.insert(key, value);
        }
        let authority = uri.authority().map_or("", |it| it.as_str());
        let host = HeaderValue::from_str(authority);
        all.insert(header::HOST, host.map_err(|it| StartError::Endpoint(it.to_string()))?);
        all.insert(header::CONTENT_TYPE, PROTOBUF);
        Ok(Self {
            // An IPv6 address stands in brackets.
            host: uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned(),
            port: uri.port_u16().unwrap_or(DEFAULT_PORT),
            path: format!("{}{PATH}", uri.path().trim_end_matches('/')),
            headers: all,
        })
    }

    pub(crate) async fn send(&self, request: &ExportTraceServiceRequest) -> Result<u64, SendError> {
        let body = Full::new(Bytes::from(request.encode_to_vec()));
        let mut post = Request::post(&*self.path)
            .body(body)
            .map_err(|error| SendError::new(Again::Never, error.to_string()))?;
        *post.headers_mut() = self.headers.clone();
        let lost = |error: &dyn std::fmt::Display| {
            SendError::new(Again::After(None), format!("cannot reach the collector: {error}"))
        };
        let stream = TcpStream::connect((&*self.host, self.port)).await;
        let stream = TokioIo::new(stream.map_err(|error| lost(&error))?);
        let (mut sender, connection) =
            http1::handshake(stream).await.map_err(|error| lost(&error))?;
        // Ends with the sender, at the end of this function.
        tokio::spawn(connection);
        let answer = sender.send_request(post).await.map_err(|error| lost(&error))?;
        let (status, retry_after) = (answer.status(), retry_after(&answer));
        if !status.is_success() {
            let again = match status {
                StatusCode::TOO_MANY_REQUESTS
                | StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => Again::After(retry_after),
                _ => Again::Never,
            };
            return Err(SendError::new(again, format!("the collector answered {status}")));
        }
        // The batch is accepted, whatever stands in the answer.
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await;
        let answer =
            body.ok().and_then(|it| ExportTraceServiceResponse::decode(it.to_bytes()).ok());
        let rejected = answer.and_then(|it| it.partial_success).map_or(0, |it| it.rejected_spans);
        Ok(u64::try_from(rejected).unwrap_or_default())
    }
}

/// The time that the collector asks to wait. A date, which it may also send, counts as none.
fn retry_after<B>(answer: &Response<B>) -> Option<Duration> {
    let value = answer.headers().get(header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}
