//! A small HTTP client.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// How long a test waits for what should come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

#[derive(Clone, Copy, Debug)]
pub(crate) struct Client(pub(crate) SocketAddr);

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The names of the wrong fields.
    pub(crate) fn wrong_fields(&self) -> Vec<String> {
        assert_eq!(self.status, 400, "{self:?}");
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        let json = self.json();
        let errors = json["errors"].as_array().unwrap();
        errors.iter().map(|error| error["field"].as_str().unwrap().to_owned()).collect()
    }
}

impl Client {
    async fn open(self, request: Request<Full<Bytes>>) -> (JoinSet<()>, hyper::Response<Incoming>) {
        let stream = TcpStream::connect(self.0).await.unwrap();
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(async move {
            let _ = connection.await;
        });
        let answer = timeout(PATIENCE, sender.send_request(request)).await.unwrap().unwrap();
        (driver, answer)
    }

    pub(crate) async fn send(
        self,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "directory");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (_driver, answer) = self.open(request.body(Full::new(body.into())).unwrap()).await;
        let (head, body) = answer.into_parts();
        let body = timeout(PATIENCE, body.collect()).await.unwrap().unwrap().to_bytes();
        Answer { status: head.status, headers: head.headers, body }
    }

    pub(crate) async fn get(self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn post(self, path: &str, body: &Value) -> Answer {
        self.send(Method::POST, path, &[], body.to_string()).await
    }

    pub(crate) async fn put(self, path: &str, body: impl Into<Bytes>) -> Answer {
        self.send(Method::PUT, path, &[], body).await
    }

    pub(crate) async fn delete(self, path: &str) -> Answer {
        self.send(Method::DELETE, path, &[], "").await
    }

    /// Registers an endpoint and returns its identifier.
    pub(crate) async fn register(self, body: &Value) -> String {
        let answer = self.post("/services", body).await;
        assert!(answer.status.is_success(), "{answer:?}");
        answer.json()["id"].as_str().unwrap().to_owned()
    }

    /// The ports of the endpoints of a lookup.
    pub(crate) async fn ports(self, path: &str) -> Vec<u64> {
        let answer = self.get(path).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        json.as_array().unwrap().iter().map(|it| it["port"].as_u64().unwrap()).collect()
    }

    /// Looks until what is found is as wanted.
    pub(crate) async fn until(self, path: &str, wanted: impl Fn(&Answer) -> bool) -> Answer {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let answer = self.get(path).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(tokio::time::Instant::now() < deadline, "still {answer:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Opens a stream of events.
    pub(crate) async fn watch(self, path: &str, headers: &[(&str, &str)]) -> Events {
        let mut request = Request::get(path).header("host", "directory");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (driver, answer) = self.open(request.body(Full::default()).unwrap()).await;
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Events {
            body: answer.into_body(),
            text: String::new(),
            ready: VecDeque::new(),
            _driver: driver,
        }
    }
}

/// A stream of server-sent events.
pub(crate) struct Events {
    body: Incoming,
    text: String,
    ready: VecDeque<Event>,
    _driver: JoinSet<()>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: u64,
    pub(crate) kind: String,
    pub(crate) data: Value,
}

impl Events {
    /// The next event; `None` at the end of the stream.
    pub(crate) async fn next_or_end(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let frame = timeout(PATIENCE, self.body.frame()).await.expect("an event in time")?;
            let Ok(data) = frame.ok()?.into_data() else { continue };
            self.text.push_str(str::from_utf8(&data).unwrap());
            while let Some(end) = self.text.find("\n\n") {
                let block: String = self.text.drain(..end + 2).collect();
                self.ready.extend(parse(&block));
            }
        }
    }

    pub(crate) async fn next(&mut self) -> Event {
        self.next_or_end().await.expect("an event, and not the end")
    }
}

/// Reads one block; one of comments only is no event.
fn parse(block: &str) -> Option<Event> {
    let mut event = Event::default();
    for line in block.lines() {
        match line.split_once(':') {
            Some(("id", value)) => event.id = value.trim().parse().unwrap(),
            Some(("event", value)) => value.trim().clone_into(&mut event.kind),
            Some(("data", value)) => event.data = serde_json::from_str(value).unwrap(),
            _ => {}
        }
    }
    (!event.kind.is_empty()).then_some(event)
}
