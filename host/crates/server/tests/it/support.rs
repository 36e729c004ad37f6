//! A server in its own folder, and a client.
//!
//! `host().plugin("echo.wasm", &Guest::handler("echo")).serve().await.get("/echo").await`

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{HeaderValue, Request, header};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use plugbay::config::{Layers, ListenAddress};
use plugbay::worker::{self, Bounds, CompilerCommand, WorkerCommand};
use plugbay::{Config, Host, Liveness};
use plugbay_fixtures::Guest;
use plugbay_server::{Exporter, Listening, Server, span_exporter};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Mutex, MutexGuard};

/// The longest time that a test waits for a condition.
pub(crate) const SOON: Duration = Duration::from_mins(1);

/// Prevents other tests of this process from mapping libraries until it is dropped, because
/// `host.mapped` bounds the whole process.
pub(crate) async fn mapping_alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::const_new(());
    ALONE.lock().await
}

/// The setup of a host in its own folder, without the bundled plugins.
pub(crate) fn host() -> Setup {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    std::fs::write(folder.path().join("config.toml"), "").unwrap();
    let set = [
        ("server.listen", "127.0.0.1:0"),
        ("admin.listen", "127.0.0.1:0"),
        ("host.linked", "false"),
        ("host.debounce", "10ms"),
    ];
    let set = set.map(|(key, value)| (key.to_owned(), value.to_owned())).to_vec();
    Setup { folder, set, compiling: Bounds::default() }
}

pub(crate) struct Setup {
    folder: TempDir,
    set: Vec<(String, String)>,
    compiling: Bounds,
}

impl Setup {
    pub(crate) fn plugin(self, file: &str, guest: &Guest) -> Self {
        self.file(file, &guest.build())
    }

    pub(crate) fn file(self, file: &str, bytes: &[u8]) -> Self {
        std::fs::write(self.plugins().join(file), bytes).unwrap();
        self
    }

    pub(crate) fn toml(self, text: &str) -> Self {
        std::fs::write(self.folder.path().join("config.toml"), text).unwrap();
        self
    }

    pub(crate) fn set(mut self, key: &str, value: &str) -> Self {
        self.set.push((key.to_owned(), value.to_owned()));
        self
    }

    /// Leaves a key to the file.
    pub(crate) fn without(mut self, key: &str) -> Self {
        self.set.retain(|(set, _)| set != key);
        self
    }

    /// Sets the bounds of the compiler.
    pub(crate) fn compiling(mut self, bounds: Bounds) -> Self {
        self.compiling = bounds;
        self
    }

    /// Enables the plugins that are linked into this program.
    pub(crate) fn bundled(self) -> Self {
        self.set("host.linked", "true")
    }

    pub(crate) fn plugins(&self) -> PathBuf {
        self.folder.path().join("plugins")
    }

    pub(crate) fn layers(&self) -> Layers {
        let layers = Config::builder().file(self.folder.path().join("config.toml"));
        self.set.iter().fold(layers, |layers, (key, value)| layers.set(key, value))
    }

    /// The same settings as arguments of the program.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let config = self.folder.path().join("config.toml").display().to_string();
        let set = self.set.iter().flat_map(|(k, v)| ["--set".to_owned(), format!("{k}={v}")]);
        ["--config".to_owned(), config].into_iter().chain(set).collect()
    }

    pub(crate) fn listen(&self, liveness: Liveness) -> Listening {
        Server::bind(&self.layers().load().unwrap(), liveness).unwrap()
    }

    pub(crate) async fn serve(self) -> Serving {
        // The program is the worker, not the test.
        let worker = WorkerCommand {
            program: env!("CARGO_BIN_EXE_plugbay").into(),
            args: vec![worker::ARGUMENT.into()],
        };
        let compiler = CompilerCommand {
            program: env!("CARGO_BIN_EXE_plugbay").into(),
            args: vec![worker::COMPILER_ARGUMENT.into()],
            bounds: self.compiling,
        };
        let builder = Host::builder().layers(self.layers()).worker(worker).compiler(compiler);
        let exporter = span_exporter(&self.layers().load().unwrap().telemetry).unwrap();
        let builder = match &exporter {
            Some(exporter) => builder.spans(exporter.sink()),
            None => builder,
        };
        let listening = self.listen(builder.liveness());
        let host = builder.build().await.unwrap();
        // On a busy machine the first generation may not wait for all plugins.
        while !host.preparing().is_empty() {
            host.reload().await;
        }
        if let Some(exporter) = &exporter {
            host.collectors().register("spans", exporter.collector()).unwrap();
        }
        let server = listening.serve(host).unwrap();
        Serving { setup: self, server, exporter }
    }
}

/// The first port of these addresses.
pub(crate) fn port(addresses: &[ListenAddress]) -> SocketAddr {
    addresses.iter().find_map(ListenAddress::tcp).expect("a port")
}

/// A server that serves.
pub(crate) struct Serving {
    pub(crate) setup: Setup,
    pub(crate) server: Server,
    /// Sends spans, if `[telemetry]` has an endpoint.
    pub(crate) exporter: Option<Exporter>,
}

impl Serving {
    pub(crate) fn data(&self) -> SocketAddr {
        port(self.server.data_addresses())
    }

    pub(crate) fn admin(&self) -> SocketAddr {
        port(self.server.admin_addresses())
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, &[], "").await
    }

    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Vec<u8>>,
    ) -> Answer {
        ask(self.data(), method, path, headers, body.into()).await
    }

    pub(crate) async fn admin_get(&self, path: &str) -> Answer {
        ask(self.admin(), "GET", path, &[], Vec::new()).await
    }

    /// Reloads, and waits for the report.
    pub(crate) async fn reload(&self) -> Answer {
        ask(self.admin(), "POST", "/v1/reload", &[("prefer", "wait=60")], Vec::new()).await
    }

    /// Replaces a file by a rename, as a deployment should.
    pub(crate) fn deploy(&self, file: &str, guest: &Guest) {
        deploy(&self.setup.plugins(), file, guest);
    }
}

pub(crate) fn deploy(plugins: &Path, file: &str, guest: &Guest) {
    let half = plugins.join(format!(".{file}.tmp"));
    std::fs::write(&half, guest.build()).unwrap();
    std::fs::rename(half, plugins.join(file)).unwrap();
}

/// The answer to a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Asserts that the answer is a problem, and returns its stable code.
    pub(crate) fn code(&self) -> String {
        assert_eq!(self.header("content-type"), Some("application/problem+json"), "{self:?}");
        let body = self.json();
        assert_eq!(body["status"], self.status, "{self:?}");
        body["code"].as_str().unwrap().to_owned()
    }
}

/// Sends one request on a new connection.
pub(crate) async fn ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Answer {
    try_ask(address, method, path, headers, body).await.unwrap()
}

pub(crate) async fn try_ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: Vec<u8>,
) -> Result<Answer, Box<dyn std::error::Error>> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "host") {
        let host = HeaderValue::from_str(&address.to_string())?;
        request = request.header(header::HOST, host);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Body::from(body))?;
    let response = sender.send_request(request).await?;
    let status = response.status().as_u16();
    let headers = response.headers().iter();
    let headers = headers
        .map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        })
        .collect();
    let body = response.into_body().collect().await?.to_bytes().to_vec();
    Ok(Answer { status, headers, body })
}

/// Sends raw bytes, and reads until the server closes the connection.
pub(crate) async fn raw(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may close the connection while the test still writes.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// An address that is bound, but has no listener.
pub(crate) fn unused_address() -> (socket2::Socket, SocketAddr) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    (socket, address)
}

/// Waits until `done` returns true.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut done: impl FnMut() -> F) {
    let end = Instant::now() + SOON;
    while !done().await {
        assert!(Instant::now() < end, "{what}: not within {SOON:?}");
        tokio::task::yield_now().await;
    }
}

/// Sends a signal, without the program `kill`, which some systems lack.
#[cfg(unix)]
pub(crate) fn signal(pid: u32, signal: rustix::process::Signal) {
    let pid = rustix::process::Pid::from_raw(pid.try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}
