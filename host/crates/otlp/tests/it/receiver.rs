//! A receiver of spans on loopback: a real service of OTLP, over gRPC and over HTTP, that keeps what it gets.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTracePartialSuccess, ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tonic::transport::server::TcpIncoming;
use tonic::{Code, Request, Response, Status};

/// The longest time that a test waits.
const SOON: Duration = Duration::from_mins(1);

/// How a receiver answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "only some tests use all of them")]
pub(crate) enum Manner {
    Accepts,
    /// Accepts all but one span of each batch.
    RejectsOne,
    /// Never answers.
    Hangs,
    /// Answers that it has too much to do, and that the batch may be sent again at once.
    IsBusy,
    /// As `IsBusy`, but without a time after which the batch may be sent again.
    IsExhausted,
    /// Asks to be left alone for a second.
    AsksForASecond,
    /// Asks to be left alone for longer than clocks count.
    AsksForever,
    /// Refuses the batch for good.
    Refuses,
}

/// What a receiver got, and how it answers.
pub(crate) struct Received {
    manner: Mutex<Manner>,
    spans: Mutex<Vec<Span>>,
    requests: Mutex<Vec<Vec<(String, String)>>>,
    times: Mutex<Vec<Instant>>,
    service: Mutex<String>,
}

/// A receiver that runs until it is dropped.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    received: Arc<Received>,
    /// Its own, with which its connections end, too.
    runtime: Option<Runtime>,
}

/// The protocols.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    Grpc,
    Http,
}

impl Receiver {
    pub(crate) async fn start(by: By, manner: Manner) -> Self {
        Self::start_at(by, manner, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    pub(crate) async fn start_at(by: By, manner: Manner, address: SocketAddr) -> Self {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.spawn(TcpListener::bind(address)).await.unwrap().unwrap();
        let address = listener.local_addr().unwrap();
        let received = Arc::new(Received {
            manner: Mutex::new(manner),
            spans: Mutex::default(),
            requests: Mutex::default(),
            times: Mutex::default(),
            service: Mutex::default(),
        });
        let shared = Arc::clone(&received);
        runtime.spawn(async move {
            match by {
                By::Grpc => {
                    let service = TraceServiceServer::from_arc(shared);
                    let server = tonic::transport::Server::builder().add_service(service);
                    server.serve_with_incoming(TcpIncoming::from(listener)).await.unwrap();
                }
                By::Http => {
                    let router = axum::Router::new().route("/v1/traces", post(over_http));
                    axum::serve(listener, router.with_state(shared)).await.unwrap();
                }
            }
        });
        Self { address, received, runtime: Some(runtime) }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers in another manner from now on.
    #[allow(dead_code, reason = "only some tests do")]
    pub(crate) fn set_manner(&self, manner: Manner) {
        *self.received.manner.lock().unwrap() = manner;
    }

    pub(crate) fn spans(&self) -> Vec<Span> {
        self.received.spans.lock().unwrap().clone()
    }

    /// The header fields of each request.
    #[allow(dead_code, reason = "only some tests do")]
    pub(crate) fn requests(&self) -> Vec<Vec<(String, String)>> {
        self.received.requests.lock().unwrap().clone()
    }

    /// When each request arrived.
    #[allow(dead_code, reason = "only some tests do")]
    pub(crate) fn times(&self) -> Vec<Instant> {
        self.received.times.lock().unwrap().clone()
    }

    /// The name of the service that sent spans.
    #[allow(dead_code, reason = "only some tests do")]
    pub(crate) fn service(&self) -> String {
        self.received.service.lock().unwrap().clone()
    }

    /// Waits for spans that `done` accepts.
    pub(crate) async fn wait(&self, what: &str, done: impl Fn(&[Span]) -> bool) -> Vec<Span> {
        let end = Instant::now() + SOON;
        loop {
            let spans = self.spans();
            if done(&spans) {
                return spans;
            }
            assert!(Instant::now() < end, "{what}: not within {SOON:?}: {spans:#?}");
            tokio::task::yield_now().await;
        }
    }
}

impl Receiver {
    /// Ends it, with all its connections.
    #[allow(dead_code, reason = "only some tests do")]
    pub(crate) async fn die(mut self) {
        let runtime = self.runtime.take();
        tokio::task::spawn_blocking(move || drop(runtime)).await.unwrap();
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Received {
    /// Keeps a batch, and answers it.
    async fn answer(
        &self,
        request: ExportTraceServiceRequest,
        headers: Vec<(String, String)>,
    ) -> Result<ExportTraceServiceResponse, Refusal> {
        self.times.lock().unwrap().push(Instant::now());
        self.requests.lock().unwrap().push(headers);
        let manner = *self.manner.lock().unwrap();
        let rejected_spans = match manner {
            Manner::Accepts => 0,
            Manner::RejectsOne => 1,
            Manner::Hangs => return std::future::pending().await,
            Manner::IsBusy => return Err((Code::ResourceExhausted, Some(0))),
            Manner::IsExhausted => return Err((Code::ResourceExhausted, None)),
            Manner::AsksForASecond => return Err((Code::Unavailable, Some(1))),
            Manner::AsksForever => return Err((Code::Unavailable, Some(u64::MAX >> 1))),
            Manner::Refuses => return Err((Code::InvalidArgument, None)),
        };
        for batch in request.resource_spans {
            let attributes = batch.resource.unwrap_or_default().attributes;
            let name = attributes.into_iter().find(|it| it.key == "service.name");
            if let Some(Value::StringValue(name)) = name.and_then(|it| it.value?.value) {
                *self.service.lock().unwrap() = name;
            }
            let spans = batch.scope_spans.into_iter().flat_map(|scope| scope.spans);
            self.spans.lock().unwrap().extend(spans);
        }
        let partial_success = (rejected_spans > 0).then(|| ExportTracePartialSuccess {
            rejected_spans,
            error_message: "one is too many".into(),
        });
        Ok(ExportTraceServiceResponse { partial_success })
    }
}

#[tonic::async_trait]
impl TraceService for Received {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let headers = texts(&request.metadata().clone().into_headers());
        let answer = self.answer(request.into_inner(), headers).await;
        answer.map(Response::new).map_err(|(code, wait)| match wait {
            Some(seconds) => {
                Status::with_details(code, "not now", retry_info(code, seconds).into())
            }
            None => Status::new(code, "not now"),
        })
    }
}

/// The code of a refusal, and the seconds that the receiver asks to wait.
type Refusal = (Code, Option<u64>);

/// A `google.rpc.Status` with a `google.rpc.RetryInfo`, byte by byte.
fn retry_info(code: Code, seconds: u64) -> Vec<u8> {
    let field =
        |tag: u8, bytes: &[u8]| [&[tag, u8::try_from(bytes.len()).unwrap()], bytes].concat();
    let mut delay = vec![0x08];
    let mut left = seconds;
    while left > 0x7f {
        delay.push(u8::try_from(left & 0x7f).unwrap() | 0x80);
        left >>= 7;
    }
    delay.push(u8::try_from(left).unwrap());
    let name = field(0x0a, b"type.googleapis.com/google.rpc.RetryInfo");
    let any = [name, field(0x12, &field(0x0a, &delay))].concat();
    [&[0x08, u8::try_from(code as i32).unwrap()][..], &field(0x1a, &any)].concat()
}

async fn over_http(
    State(received): State<Arc<Received>>,
    headers: HeaderMap,
    body: Bytes,
) -> axum::response::Response {
    let request = ExportTraceServiceRequest::decode(body).unwrap();
    match received.answer(request, texts(&headers)).await {
        Ok(answer) => {
            ([("content-type", "application/x-protobuf")], answer.encode_to_vec()).into_response()
        }
        Err((code, wait)) => {
            let status = match code {
                Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
                Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
                _ => StatusCode::BAD_REQUEST,
            };
            match wait {
                Some(seconds) => (status, [("retry-after", seconds.to_string())]).into_response(),
                None => status.into_response(),
            }
        }
    }
}

fn texts(headers: &HeaderMap) -> Vec<(String, String)> {
    let text =
        |value: &axum::http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
}
