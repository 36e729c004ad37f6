//! A small HTTP client: connections that stay open.

use std::net::SocketAddr;

use axum::body::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// A request: method, path, body.
pub(crate) type Call = (Method, String, String);

pub(crate) struct Connection {
    sender: SendRequest<Full<Bytes>>,
    _driver: JoinSet<()>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.expect("the server listens");
        stream.set_nodelay(true).expect("a socket");
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.expect("HTTP");
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        Self { sender, _driver: driver }
    }

    /// Sends a request, and waits for all of its answer.
    pub(crate) async fn call(&mut self, call: Call) -> Value {
        let body = self.stream(call).await.collect().await.expect("a body").to_bytes();
        serde_json::from_slice(&body).unwrap_or_default()
    }

    /// Sends a request, and leaves its answer to be read.
    pub(crate) async fn stream(&mut self, (method, path, body): Call) -> Incoming {
        let request = Request::builder().method(method).uri(path).header("host", "load");
        let request = request.body(Full::new(body.into())).expect("a request");
        self.sender.ready().await.expect("an open connection");
        let answer = self.sender.send_request(request).await.expect("an answer");
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.into_body()
    }
}
