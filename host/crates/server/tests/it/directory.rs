//! `plugbay directory`, `plugbay services`, and the directory of a host.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use rustix::process::Signal;
use serde_json::{Value, json};

use super::cli::clean;
use super::support::{ask, until};
use super::up::Program;

pub(crate) fn plugbay() -> Command {
    clean(Command::new(env!("CARGO_BIN_EXE_plugbay")))
}

/// A running `plugbay directory`.
pub(crate) struct Directory {
    program: Program,
    pub(crate) address: SocketAddr,
    /// What it said when it began to serve.
    pub(crate) serving: Value,
}

impl Directory {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0", arguments)
    }

    pub(crate) fn start_at(address: &str, arguments: &[&str]) -> Self {
        let mut command = plugbay();
        command.args(["directory", "--json", "--listen", address]).args(arguments);
        let mut program = Program::start(command);
        let line = program.line().expect("the directory serves");
        let serving: Value = serde_json::from_str(&line).unwrap();
        let address = serving["directory"][0].as_str().unwrap().parse().unwrap();
        Self { program, address, serving }
    }

    pub(crate) fn stop(mut self) {
        self.program.signal(Signal::TERM);
        assert_eq!(self.program.code(), Some(0));
    }

    /// Runs `plugbay services`.
    fn services(&self, arguments: &[&str]) -> Output {
        let mut command = plugbay();
        command.env("PLUGBAY_DIRECTORY", format!("http://{}", self.address));
        command.arg("services").args(arguments).output().unwrap()
    }

    pub(crate) fn said(&self, arguments: &[&str]) -> String {
        let output = self.services(arguments);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }
}

#[test]
fn services_are_registered_listed_shown_watched_and_removed() {
    let directory = Directory::start(&[]);
    let registered = ["register", "web", "127.0.0.1", "8080", "--tag", "v2", "--meta", "zone=a"];
    let id = directory.said(&registered);
    assert_eq!(directory.said(&["list", "--json"]), "{\n  \"web\": 1\n}");
    assert_eq!(directory.said(&["list"]), "SERVICE  ENDPOINTS\nweb      1");
    let shown: Value = serde_json::from_str(&directory.said(&["show", "web", "--json"])).unwrap();
    assert_eq!((&shown[0]["id"], &shown[0]["metadata"]["zone"]), (&json!(id), &json!("a")));
    assert!(directory.said(&["show", "web", "--tag", "v2"]).contains("127.0.0.1:8080  passing"));
    assert_eq!(directory.services(&["show", "none"]).status.code(), Some(1));

    let mut command = plugbay();
    command.env("PLUGBAY_DIRECTORY", format!("http://{}", directory.address));
    command.args(["services", "watch", "web", "--json"]);
    let mut watch = Program::start(command);
    let mut event = || serde_json::from_str::<Value>(&watch.line().unwrap()).unwrap();
    assert_eq!(event()["endpoints"][0]["id"], json!(id));
    let twice = directory.services(&registered);
    assert_eq!(twice.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&twice.stderr).contains(&id), "{twice:?}");
    directory.said(&["deregister", "web", &id]);
    assert_eq!(event()["type"], "deregister");
    let wrong = directory.services(&["register", "web", "127.0.0.1", "1", "--ttl", "soon"]);
    assert_eq!(wrong.status.code(), Some(2), "{wrong:?}");
    directory.stop();
}

#[test]
fn a_kept_endpoint_is_there_until_the_command_ends() {
    let directory = Directory::start(&[]);
    let mut command = plugbay();
    command.env("PLUGBAY_DIRECTORY", format!("http://{}", directory.address));
    command.args(["services", "register", "web", "127.0.0.1", "1", "--ttl", "300ms", "--keep"]);
    let mut kept = Program::start(command);
    let id = kept.line().unwrap().trim().to_owned();
    let mut command = plugbay();
    command.env("PLUGBAY_DIRECTORY", format!("http://{}", directory.address));
    command.args(["services", "register", "web", "127.0.0.1", "2", "--ttl", "900ms"]);
    assert!(command.output().unwrap().status.success());
    // By the time that the second has expired, so would the first have, thrice.
    let mut endpoints = 2;
    while endpoints == 2 {
        let shown: Value =
            serde_json::from_str(&directory.said(&["show", "web", "--json"])).unwrap();
        endpoints = shown.as_array().unwrap().len();
        assert_eq!(shown[0]["id"], json!(id));
    }
    kept.signal(Signal::TERM);
    assert_eq!(kept.code(), Some(0));
    assert_eq!(directory.said(&["list", "--json"]), "{}");
}

#[test]
fn a_file_keeps_the_endpoints_across_restarts() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory.db");
    let data = ["--data", file.to_str().unwrap()];
    let directory = Directory::start(&data);
    let id = directory.said(&["register", "web", "127.0.0.1", "1"]);
    let mut second = plugbay();
    second.args(["directory", "--listen", "127.0.0.1:0"]).args(data);
    let second = second.output().unwrap();
    assert_eq!(second.status.code(), Some(1), "one process at a time has the file: {second:?}");
    directory.stop();
    let directory = Directory::start(&data);
    let shown: Value = serde_json::from_str(&directory.said(&["show", "web", "--json"])).unwrap();
    assert_eq!(shown[0]["id"], json!(id));
}

#[test]
fn beyond_this_machine_it_needs_tokens_and_tls() {
    let folder = tempfile::tempdir().unwrap();
    let tokens = token(folder.path(), "web", "register:web-*").1;
    for more in [vec![], vec!["--tokens", tokens.as_str()]] {
        let mut command = plugbay();
        command.args(["directory", "--listen", "0.0.0.0:0"]).args(&more);
        let refused = command.output().unwrap();
        assert_eq!(refused.status.code(), Some(1), "{refused:?}");
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(said.contains("expected tokens and TLS for a directory at 0.0.0.0:0"), "{said}");
    }
}

/// Makes a token, and returns it and the path of the file of hashes.
pub(crate) fn token(folder: &Path, name: &str, grants: &str) -> (String, String) {
    let file = folder.join("tokens").display().to_string();
    let mut command = plugbay();
    command.args(["token", "new", name, "--grants", grants, "--file", &file]);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    (String::from_utf8(output.stdout).unwrap().trim().to_owned(), file)
}

#[tokio::test]
async fn tokens_are_scoped_by_service() {
    let folder = tempfile::tempdir().unwrap();
    let (web, file) = token(folder.path(), "web", "register:web-*");
    let directory = Directory::start(&["--tokens", &file]);
    let post = async |token: Option<&str>, name: &str| {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<_> = bearer.iter().map(|it| ("authorization", it.as_str())).collect();
        let body = json!({"name": name, "host": "h", "port": 1}).to_string().into_bytes();
        ask(directory.address, "POST", "/services", &headers, body).await.status
    };
    assert_eq!(post(None, "web-1").await, 401);
    assert_eq!(post(Some("plugbay_wrong"), "web-1").await, 401);
    assert_eq!(post(Some(&web), "db").await, 403);
    assert_eq!(post(Some(&web), "web-1").await, 201);
    // The file is read again while the directory runs.
    let (other, _) = token(folder.path(), "db", "register:db");
    until("the new token is accepted", async || post(Some(&other), "db").await == 201).await;
    let bad = std::fs::read_to_string(&file).unwrap().contains(&web);
    assert!(!bad, "the file has hashes only");
}

#[tokio::test]
async fn a_token_that_asks_too_often_is_told_when_to_come_again() {
    let folder = tempfile::tempdir().unwrap();
    let (web, file) = token(folder.path(), "web", "register:web,read:*");
    let (other, _) = token(folder.path(), "other", "read:*");
    let limits = ["--tokens", &file, "--rate", "6/1h", "--change-rate", "2/1h"];
    let directory = Directory::start(&limits);
    let send = async |token: &str, method: &str, port: u16| {
        let bearer = format!("Bearer {token}");
        let headers = [("authorization", bearer.as_str())];
        let body = json!({"name": "web", "host": "h", "port": port}).to_string().into_bytes();
        ask(directory.address, method, "/services", &headers, body).await
    };
    for left in [1, 0] {
        let answer = send(&web, "POST", left + 1).await;
        assert_eq!(answer.status, 201);
        let policy = "\"requests\";q=6;w=3600, \"changes\";q=2;w=3600";
        assert_eq!(answer.header("ratelimit-policy"), Some(policy));
        let limit = answer.header("ratelimit").unwrap();
        assert!(limit.contains(&format!("\"changes\";r={left};t=")), "{limit}");
    }
    let answer = send(&web, "POST", 3).await;
    assert_eq!((answer.status, &*answer.code()), (429, "rate-limited"));
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1700..=1800).contains(&wait), "{wait}");
    assert!(answer.header("ratelimit").unwrap().contains("\"changes\";r=0;t="), "{answer:?}");
    for left in [2, 1, 0] {
        let answer = send(&web, "GET", 0).await;
        assert_eq!((answer.status, answer.json()), (200, json!({"web": 2})));
        let limit = answer.header("ratelimit").unwrap();
        assert!(limit.starts_with(&format!("\"requests\";r={left};t=")), "{limit}");
    }
    assert_eq!(send(&web, "GET", 0).await.status, 429);
    assert_eq!(send(&other, "GET", 0).await.status, 200, "another token");
    let probe = ask(directory.address, "GET", "/livez", &[], Vec::new()).await;
    assert_eq!((probe.status, probe.header("ratelimit")), (200, None));
}

#[tokio::test]
async fn a_page_in_a_browser_cannot_register() {
    let directory = Directory::start(&[]);
    let send = async |headers: &[(&str, &str)]| {
        let body = json!({"name": "web", "host": "h", "port": 1}).to_string().into_bytes();
        ask(directory.address, "POST", "/services", headers, body).await.status
    };
    assert_eq!(send(&[("origin", "http://evil.example")]).await, 403);
    assert_eq!(send(&[("host", "evil.example")]).await, 421);
    assert_eq!(send(&[]).await, 201);
}
