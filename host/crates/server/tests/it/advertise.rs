//! `[discovery]` of a host: its handlers as endpoints, in its own directory and in another one, and its DNS zone.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::SocketAddr;
use std::process::Command;

use plugbay_fixtures::Guest;
use rustix::process::Signal;
use serde_json::{Value, json};

use super::directory::{Directory, token};
use super::support::{Setup, ask, deploy, host, until};
use super::tls::Authority;
use super::up::Up;

#[tokio::test(flavor = "multi_thread")]
async fn a_host_advertises_its_handlers_and_takes_them_back_before_it_stops() {
    let setup = host()
        .plugin("echo.wasm", &Guest::handler("echo").route("GET", "/echo"))
        .plugin("other.wasm", &Guest::codec("other"))
        .set("discovery.enabled", "true")
        .set("discovery.listen", "127.0.0.1:0")
        .set("discovery.advertise", "[\"handler:*\"]");
    let up = Up::start(setup);
    let directory = up.serving["listening"]["directory"][0].as_str().unwrap();
    let directory: SocketAddr = directory.parse().unwrap();
    let get = async |path: &str| ask(directory, "GET", path, &[], Vec::new()).await;
    until("the handler is advertised", async || {
        get("/services").await.json() == json!({"echo": 1})
    })
    .await;
    let endpoint = get("/services/echo").await.json()[0].clone();
    assert_eq!(endpoint["port"], up.data.port());
    assert_eq!(endpoint["metadata"], json!({"plugin": "echo", "version": "1.0.0"}));
    deploy(&up.setup.plugins(), "second.wasm", &Guest::handler("second").route("GET", "/second"));
    until("the new handler too", async || {
        get("/services").await.json() == json!({"echo": 1, "second": 1})
    })
    .await;
    let metrics = ask(up.admin, "GET", "/metrics", &[], Vec::new()).await.text();
    let series = "plugbay_directory_instances_by_service{service=\"echo\",status=\"passing\"} 1\n";
    assert!(metrics.contains(series), "{metrics}");
    let watch = tokio::spawn(async move {
        ask(directory, "GET", "/services/echo/watch", &[], Vec::new()).await.text()
    });
    until("the watch is open", async || {
        let metrics = get("/metrics").await.text();
        metrics.contains("plugbay_directory_watchers 2\n")
    })
    .await;
    up.signal(Signal::TERM);
    assert!(watch.await.unwrap().contains("\"reason\":\"deregistered\""));
}

/// A host with a handler that it registers in the directory at this address.
fn registered_at(directory: &str) -> Setup {
    host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("discovery.advertise", "[\"handler:*\"]")
        .set("discovery.directory", &format!("[\"{directory}\"]"))
}

async fn endpoints(directory: SocketAddr, service: &str) -> Vec<Value> {
    let answer = ask(directory, "GET", &format!("/services/{service}"), &[], Vec::new()).await;
    answer.json().as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_registers_in_another_directory_again_after_it_was_away_and_leaves_before_it_stops()
{
    let directory = Directory::start(&[]);
    let address = directory.address;
    let up = Up::start(registered_at(&address.to_string()));
    assert_eq!(up.serving["listening"]["directory"], json!([]), "it has none of its own");
    until("the handler is registered", async || endpoints(address, "echo").await.len() == 1).await;
    let first = endpoints(address, "echo").await[0].clone();
    assert_eq!(first["port"], up.data.port());
    assert_eq!(first["metadata"], json!({"plugin": "echo", "version": "1.0.0"}));

    // In memory: it forgets the endpoint.
    directory.stop();
    let directory = Directory::start_at(&address.to_string(), &[]);
    until("the handler is registered again", async || endpoints(address, "echo").await.len() == 1)
        .await;
    let again = endpoints(address, "echo").await[0].clone();
    assert_eq!(again["id"], first["id"]);

    let watch = tokio::spawn(async move {
        let answer = ask(address, "GET", "/services/echo/watch", &[], Vec::new()).await;
        answer.text()
    });
    until("the watch is open", async || {
        let metrics = ask(address, "GET", "/metrics", &[], Vec::new()).await.text();
        // One is that of the checks.
        metrics.contains("plugbay_directory_watchers 2\n")
    })
    .await;
    let mut draining = super::up::connect(up.data).unwrap();
    let head =
        b"POST /echo HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 4\r\n\r\nha";
    draining.write_all(head).unwrap();
    up.signal(Signal::TERM);
    until("it has left", async || endpoints(address, "echo").await.is_empty()).await;
    // The request that it has is still answered: it left before the drain.
    draining.write_all(b"lf").unwrap();
    let mut answer = String::new();
    draining.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("half"), "{answer}");
    assert_eq!(up.code(), Some(0));
    directory.stop();
    assert!(watch.await.unwrap().contains("\"reason\":\"deregistered\""));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_that_was_killed_takes_its_registration_over() {
    let directory = Directory::start(&[]);
    let address = directory.address;
    let up = Up::start(registered_at(&address.to_string()));
    until("the handler is registered", async || endpoints(address, "echo").await.len() == 1).await;
    let first = endpoints(address, "echo").await[0].clone();
    let data = up.data;
    up.signal(Signal::KILL);
    let setup = up.into_setup_after_a_kill().without("server.listen");
    deploy(&setup.plugins(), "echo.wasm", &Guest::handler("echo").version("2.0.0"));
    // The same port, so that the address is taken in the directory.
    let up = Up::start(setup.set("server.listen", &data.to_string()));
    until("the registration is its own", async || {
        endpoints(address, "echo").await[0]["metadata"]["version"] == "2.0.0"
    })
    .await;
    assert_eq!(endpoints(address, "echo").await[0]["id"], first["id"]);
    up.signal(Signal::TERM);
    assert_eq!(up.code(), Some(0));
    assert!(endpoints(address, "echo").await.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn another_directory_is_asked_by_tls_and_with_a_token() {
    let authority = Authority::new();
    let (certificate, key) = (authority.file("tls.pem"), authority.file("tls.key"));
    authority.issue(&certificate, &key);
    let folder = tempfile::tempdir().unwrap();
    let (secret, tokens) = token(folder.path(), "host", "register:echo,read:*");
    let paths = [&certificate, &key].map(|path| path.to_str().unwrap().to_owned());
    let arguments = ["--tokens", &tokens, "--certificate", &paths[0], "--key", &paths[1]];
    let directory = Directory::start(&arguments);
    let port = directory.address.port();
    let file = folder.path().join("host.token");
    fs::write(&file, format!("{secret}\n")).unwrap();
    let setup =
        || registered_at(&format!("https://localhost:{port}")).set("discovery.ca", &authority.ca());
    let shown = |up: &Up| {
        let mut command = super::cli::clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args(["services", "show", "echo", "--json", "--ca", &authority.ca()]);
        command.args(["--directory", &format!("https://localhost:{port}"), "--token-file"]);
        let output = command.arg(&file).output().unwrap();
        String::from_utf8_lossy(&output.stdout).contains(&up.data.port().to_string())
    };

    let up = Up::start(setup().set("discovery.token_file", file.to_str().unwrap()));
    until("the handler is registered", async || shown(&up)).await;
    let config = ask(up.admin, "GET", "/v1/config", &[], Vec::new()).await.text();
    assert!(!config.contains(&secret), "{config}");
    up.signal(Signal::TERM);
    assert_eq!(up.code(), Some(0));

    let mut command = Command::new(env!("CARGO_BIN_EXE_plugbay"));
    command.env("PLUGBAY_DIRECTORY_TOKEN", &secret);
    let up = Up::start_by(command, setup());
    until("the token may be in the environment", async || shown(&up)).await;
}

#[test]
fn a_token_is_not_sent_where_it_could_be_read() {
    let mut command = super::cli::clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
    command.env("PLUGBAY_DIRECTORY_TOKEN", "plugbay_secret");
    let setup = registered_at("http://directory.example:7072");
    let output = command.arg("up").args(setup.arguments()).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("expected https:// for http://directory.example:7072"), "{said}");
    assert!(!said.contains("plugbay_secret"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_directory_of_a_host_answers_dig() {
    let setup = host()
        .plugin("echo.wasm", &Guest::handler("echo").route("GET", "/echo"))
        .set("discovery.enabled", "true")
        .set("discovery.listen", "127.0.0.1:0")
        .set("discovery.dns", "127.0.0.1:0")
        .set("discovery.zone", "shop.example")
        .set("discovery.advertise", "[\"handler:*\"]");
    let up = Up::start(setup);
    let dns = up.serving["listening"]["dns"].as_str().unwrap();
    let dns: SocketAddr = dns.parse().unwrap();
    let dig = |question: &str, more: &[&str]| {
        let mut dig = Command::new("dig");
        dig.args(["@127.0.0.1", "-p", &dns.port().to_string(), "+short", "+tries=1", "+time=10"]);
        let output = dig.args(question.split(' ')).args(more).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    until("the handler has an address", async || {
        dig("echo.service.shop.example A", &[]) == "127.0.0.1\n"
    })
    .await;
    let place = dig("_echo._tcp.service.shop.example SRV", &["+tcp"]);
    assert!(place.starts_with(&format!("0 1 {} ", up.data.port())), "{place}");
    up.signal(Signal::TERM);
    assert_eq!(up.code(), Some(0));
}
