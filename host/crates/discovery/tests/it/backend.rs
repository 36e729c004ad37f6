//! Endpoints that are checked: their answers are what the test sets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, post};
use http_body_util::{BodyExt as _, Full};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

/// A server whose `/health` answers with the status that is set; 0 is no answer at all.
pub(crate) struct Backend {
    pub(crate) port: u16,
    state: Arc<Shared>,
    _server: JoinSet<()>,
}

struct Shared {
    status: AtomicU16,
    requests: AtomicUsize,
}

impl Backend {
    pub(crate) async fn new(status: u16) -> Self {
        let state = Arc::new(Shared { status: status.into(), requests: AtomicUsize::new(0) });
        let app = Router::new()
            .route("/health", any(health))
            .route("/grpc.health.v1.Health/Check", post(grpc))
            .with_state(Arc::clone(&state));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut server = JoinSet::new();
        server.spawn(serve(listener, app));
        Self { port, state, _server: server }
    }

    pub(crate) fn set(&self, status: u16) {
        self.state.status.store(status, Ordering::Relaxed);
    }

    pub(crate) fn requests(&self) -> usize {
        self.state.requests.load(Ordering::Relaxed)
    }
}

/// HTTP/1 and HTTP/2 on one port.
async fn serve(listener: TcpListener, app: Router) {
    use hyper_util::rt::{TokioExecutor, TokioIo};
    use hyper_util::service::TowerToHyperService;

    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(app.clone());
        connections.spawn(async move {
            let mut begin = [0; 3];
            let read = stream.peek(&mut begin).await.unwrap_or(0);
            // The preface of HTTP/2 (RFC 9113, section 3.4).
            if begin[..read] == *b"PRI" {
                let builder = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            } else {
                let builder = hyper::server::conn::http1::Builder::new();
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            }
        });
    }
}

async fn health(State(state): State<Arc<Shared>>) -> Response {
    state.requests.fetch_add(1, Ordering::Relaxed);
    match state.status.load(Ordering::Relaxed) {
        0 => std::future::pending().await,
        302 => (StatusCode::FOUND, [("location", "/elsewhere")]).into_response(),
        status => StatusCode::from_u16(status).unwrap().into_response(),
    }
}

/// `SERVING` for status 200, `NOT_SERVING` for 503, and the error `NOT_FOUND` otherwise.
async fn grpc(State(state): State<Arc<Shared>>, headers: HeaderMap, body: Body) -> Response {
    state.requests.fetch_add(1, Ordering::Relaxed);
    assert_eq!(headers["content-type"], "application/grpc");
    let request = body.collect().await.unwrap().to_bytes();
    assert_eq!(&request[..], b"\0\0\0\0\x06\x0a\x04shop");
    let answer = |serving: u8| {
        let frame = vec![0, 0, 0, 0, 2, 8, serving];
        let trailers = async {
            Some(Ok(HeaderMap::from_iter([("grpc-status".parse().unwrap(), "0".parse().unwrap())])))
        };
        let body = Body::new(Full::from(frame).with_trailers(trailers));
        ([("content-type", "application/grpc")], body).into_response()
    };
    match state.status.load(Ordering::Relaxed) {
        200 => answer(1),
        503 => answer(2),
        _ => [("content-type", "application/grpc"), ("grpc-status", "5")].into_response(),
    }
}
