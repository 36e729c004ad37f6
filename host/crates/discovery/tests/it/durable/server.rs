//! The whole directory: a server is killed while clients change it over HTTP, and a server whose disk
//! fails goes on answering.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Stdio};

use plugbay_discovery::{ApiSettings, LiveDirectory, LiveSettings, router};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use super::*;

/// How often the server is killed.
const KILLS: u32 = 8;
/// Clients that change the directory at the same time.
const CLIENTS: u64 = 8;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "is the child of the tests below"]
async fn child_serves() {
    let file = PathBuf::from(std::env::var_os(FOLDER).unwrap()).join("directory.db");
    let store = SqliteStore::open(&file).unwrap();
    let directory = LiveDirectory::open(LiveSettings::default(), Box::new(store)).unwrap();
    let _tasks = directory.start();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let line = format!("address {}\n", listener.local_addr().unwrap());
    io::stdout().write_all(line.as_bytes()).unwrap();
    axum::serve(listener, router(directory, ApiSettings::default())).await.unwrap();
}

/// A server in a process of its own, which is killed when this is dropped.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Server {
    fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let address = lines
            .map(Result::unwrap)
            .find_map(|line| Some(line.strip_prefix("address ")?.parse().unwrap()));
        Self { child, address: address.expect("the server says where it listens") }
    }

    async fn index(&self) -> u64 {
        let (head, _) = request(self.address, "GET", "/services/web", "").await.unwrap();
        let index = head.lines().find_map(|line| line.strip_prefix("plugbay-index: "));
        index.unwrap().trim().parse().unwrap()
    }

    /// The ports of all endpoints.
    async fn ports(&self) -> BTreeSet<u64> {
        let (_, found) = request(self.address, "GET", "/services/web", "").await.unwrap();
        found.as_array().unwrap().iter().map(|it| it["port"].as_u64().unwrap()).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// The head of an answer, and its body.
async fn request(
    address: SocketAddr,
    method: &str,
    path: &str,
    body: &str,
) -> io::Result<(String, Value)> {
    let mut connection = TcpStream::connect(address).await?;
    let length = body.len();
    let head = format!("{method} {path} HTTP/1.1\r\nHost: directory\r\nConnection: close\r\n");
    let whole = format!("{head}Content-Length: {length}\r\n\r\n{body}");
    connection.write_all(whole.as_bytes()).await?;
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::UnexpectedEof)?;
    if !body.is_empty() && serde_json::from_str::<Value>(body).is_err() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((head.to_owned(), serde_json::from_str(body).unwrap_or_default()))
}

fn registration(port: u64) -> String {
    json!({"name": "web", "host": "10.0.0.1", "port": port, "ttl": 600}).to_string()
}

/// What a client knows of its endpoints, by port.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Known {
    /// It was told that the endpoint is there.
    There,
    /// It was told that the endpoint is gone.
    Gone,
    /// It asked for a change, and the server died.
    Asked,
}

/// Registers endpoints, and deregisters every third, until the server is dead.
async fn change(address: SocketAddr, mut port: u64) -> HashMap<u64, Known> {
    let mut known = HashMap::new();
    loop {
        known.insert(port, Known::Asked);
        let answer = request(address, "POST", "/services", &registration(port)).await;
        let Ok((head, body)) = answer else { return known };
        assert!(head.starts_with("HTTP/1.1 201 "), "{head} {body}");
        known.insert(port, Known::There);
        if port.is_multiple_of(3) {
            known.insert(port, Known::Asked);
            let path = format!("/services/web/{}", body["id"].as_str().unwrap());
            let Ok((head, _)) = request(address, "DELETE", &path, "").await else { return known };
            assert!(head.starts_with("HTTP/1.1 204 "), "{head}");
            known.insert(port, Known::Gone);
        }
        port += CLIENTS;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_when_a_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Server::start(child("durable::server::child_serves", folder.path()));
    let mut server = start();
    let mut known = HashMap::new();
    let mut next = 1;
    for round in 0..KILLS {
        let mut clients = JoinSet::new();
        for client in 0..CLIENTS {
            clients.spawn(change(server.address, next + client));
        }
        let index = server.index().await;
        let ended = tokio::time::timeout(
            Duration::from_millis(fastrand::u64(20..300)),
            clients.join_next(),
        );
        assert!(ended.await.is_err(), "no client ends before the server");
        drop(server);
        for client in clients.join_all().await {
            known.extend(client);
        }
        next = known.keys().max().unwrap() + 1;
        server = start();
        assert!(server.index().await >= index, "round {round}");
        let found = server.ports().await;
        for (port, known) in &mut known {
            let there = found.contains(port);
            let right = match known {
                Known::There => there,
                Known::Gone => !there,
                Known::Asked => true,
            };
            assert!(right, "round {round}: port {port} is {known:?}, and is there: {there}");
            *known = if there { Known::There } else { Known::Gone };
        }
        assert!(found.iter().all(|port| known.contains_key(port)));
    }
    println!("{} changed endpoints in {KILLS} rounds", known.len());
}

/// The `LD_PRELOAD` of `faults.rs`, under the whole server.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_whose_disk_is_full_refuses_changes_and_goes_on_answering() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = child("durable::server::child_serves", &folder.path().join("disk"));
    let Some(control) = super::faults::preload(&mut command, folder.path()) else { return };
    let server = Server::start(command);
    let call = |method: &'static str, path: String, body: String| async move {
        let (head, body) = request(server.address, method, &path, &body).await.unwrap();
        (head.split(' ').nth(1).unwrap().parse::<u16>().unwrap(), body)
    };
    let register = |port| call("POST", "/services".to_owned(), registration(port));
    let (status, body) = register(1).await;
    assert_eq!(status, 201);
    let path = format!("/services/web/{}", body["id"].as_str().unwrap());
    for fault in ["full", "write", "sync", "read-only"] {
        std::fs::write(&control, fault).unwrap();
        let (status, problem) = register(2).await;
        assert_eq!((status, &problem["code"]), (503, &json!("unavailable")), "{fault}");
        assert_eq!(call("DELETE", path.clone(), String::new()).await.0, 503, "{fault}");
        assert_eq!(server.ports().await, BTreeSet::from([1]), "{fault}");
        let beat = call("PUT", format!("{path}/heartbeat"), String::new()).await;
        assert_eq!(beat.0, 200, "{fault}");
        std::fs::remove_file(&control).unwrap();
        // The disk is back, and nobody did anything.
        let (status, body) = register(2).await;
        assert_eq!(status, 201, "{fault}: {body}");
        let other = format!("/services/web/{}", body["id"].as_str().unwrap());
        assert_eq!(call("DELETE", other, String::new()).await.0, 204, "{fault}");
    }
}
