//! What is under load, and how its requests look.

use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use hyper::Method;
use plugbay_discovery::{ApiSettings, LiveDirectory, LiveSettings, SqliteStore, router};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::client::{Call, Connection};

/// The length of all leases, in seconds: none ends while the load lasts.
const TTL: u32 = 60;

/// A process under load.
pub(crate) trait Backend: Send + Sync + 'static {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    fn address(&self) -> SocketAddr;
    fn process(&self) -> u32;

    /// Registers an endpoint with a lease. Returns what a heartbeat needs.
    fn register(
        &self,
        connection: &mut Connection,
        service: &str,
        port: u16,
    ) -> impl Future<Output = String> + Send;

    /// Renews the lease of an endpoint.
    fn heartbeat(&self, registered: &str) -> Call;

    /// Watches a service from now on.
    fn watch(&self, service: &str) -> Call;

    /// Whether a part of a watch's stream has a change.
    fn is_change(&self, part: &[u8]) -> bool;
}

/// A child that ends with its value.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) struct Directory {
    process: Process,
    address: SocketAddr,
    _folder: TempDir,
    name: &'static str,
}

impl Directory {
    /// Starts this program as a directory, with a file or without.
    pub(crate) fn start(with_file: bool) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let file = if with_file { folder.path().join("directory.db") } else { "-".into() };
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        let child = command.arg("serve").arg(file).stdout(Stdio::piped()).spawn();
        let mut child = child.expect("this program starts");
        let mut line = String::new();
        let output = child.stdout.take().expect("a pipe");
        BufReader::new(output).read_line(&mut line).expect("the address");
        let address = line.trim().parse().expect("an address");
        let name = if with_file { "directory" } else { "directory-in-memory" };
        Self { process: Process(child), address, _folder: folder, name }
    }
}

/// The child of [`Directory::start`].
pub(crate) async fn serve(file: &str) {
    let settings = LiveSettings::default();
    let directory = if file == "-" {
        LiveDirectory::in_memory(settings)
    } else {
        let store = SqliteStore::open(Path::new(file)).expect("a file");
        LiveDirectory::open(settings, Box::new(store)).expect("a directory")
    };
    let _tasks = directory.start();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    println!("{}", listener.local_addr().expect("an address"));
    axum::serve(listener, router(directory, ApiSettings::default())).await.expect("served");
}

impl Backend for Directory {
    fn name(&self) -> &'static str {
        self.name
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> u32 {
        self.process.0.id()
    }

    async fn register(&self, connection: &mut Connection, service: &str, port: u16) -> String {
        let body = json!({
            "name": service, "host": "10.0.0.1", "port": port, "ttl": TTL,
            "metadata": {"zone": "a", "version": "1.2.3"}, "tags": ["primary"],
        });
        let answer = connection.call((Method::POST, "/services".into(), body.to_string())).await;
        let id = answer["id"].as_str().expect("an identifier");
        format!("/services/{service}/{id}/heartbeat")
    }

    fn heartbeat(&self, registered: &str) -> Call {
        (Method::PUT, registered.to_owned(), String::new())
    }

    fn watch(&self, service: &str) -> Call {
        (Method::GET, format!("/services/{service}/watch"), String::new())
    }

    fn is_change(&self, part: &[u8]) -> bool {
        part.windows(5).any(|it| it == b"data:")
    }
}

pub(crate) struct Etcd {
    process: Process,
    address: SocketAddr,
    _folder: TempDir,
}

impl Etcd {
    /// Starts etcd. `None` if it is not installed.
    pub(crate) fn start() -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let [client, peer] = [free(), free()];
        let [client_url, peer_url] = [client, peer].map(|address| format!("http://{address}"));
        let mut command = Command::new("etcd");
        command.arg("--data-dir").arg(folder.path()).args(["--log-level", "error"]);
        command.args(["--listen-client-urls", &client_url, "--advertise-client-urls", &client_url]);
        command.args(["--listen-peer-urls", &peer_url, "--initial-advertise-peer-urls", &peer_url]);
        command.args(["--initial-cluster", &format!("default={peer_url}")]);
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while TcpStream::connect(client).is_err() {
            assert!(Instant::now() < deadline, "etcd listens");
            std::thread::yield_now();
        }
        Some(Self { process: Process(child), address: client, _folder: folder })
    }
}

/// An address that nobody listens on.
fn free() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("an address")
}

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

fn post(path: &str, body: &Value) -> Call {
    (Method::POST, path.to_owned(), body.to_string())
}

impl Backend for Etcd {
    fn name(&self) -> &'static str {
        "etcd"
    }

    fn address(&self) -> SocketAddr {
        self.address
    }

    fn process(&self) -> u32 {
        self.process.0.id()
    }

    async fn register(&self, connection: &mut Connection, service: &str, port: u16) -> String {
        let lease = connection.call(post("/v3/lease/grant", &json!({ "TTL": TTL }))).await;
        let lease = lease["ID"].as_str().expect("a lease").to_owned();
        let value = json!({
            "name": service, "host": "10.0.0.1", "port": port,
            "metadata": {"zone": "a", "version": "1.2.3"}, "tags": ["primary"],
        });
        let key = base64(&format!("/services/{service}/10.0.0.1:{port}"));
        let value = base64(&value.to_string());
        let put = json!({ "key": key, "value": value, "lease": lease });
        connection.call(post("/v3/kv/put", &put)).await;
        lease
    }

    fn heartbeat(&self, registered: &str) -> Call {
        post("/v3/lease/keepalive", &json!({ "ID": registered }))
    }

    fn watch(&self, service: &str) -> Call {
        let [from, to] = ['/', '0'].map(|end| base64(&format!("/services/{service}{end}")));
        post("/v3/watch", &json!({"create_request": {"key": from, "range_end": to}}))
    }

    fn is_change(&self, part: &[u8]) -> bool {
        part.windows(8).any(|it| it == b"\"events\"")
    }
}
