//! The zone, asked by programs that know nothing of it: `dig`, and `curl` by way of the C library.

use std::net::SocketAddr;
use std::process::{Command, Output};
use std::sync::Arc;
use std::time::Duration;

use plugbay_discovery::dns::{DnsServer, Responder, Zone};
use plugbay_discovery::{Actor, EndpointId, LiveDirectory, LiveSettings, Registration};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A directory whose zone is served.
struct Served {
    directory: LiveDirectory,
    address: SocketAddr,
    _stop: oneshot::Sender<()>,
}

impl Served {
    async fn on(address: &str) -> Self {
        let directory = LiveDirectory::in_memory(LiveSettings::default());
        let zone = Zone::new("plugbay").unwrap();
        let responder = Arc::new(Responder::new(zone, Duration::from_secs(5), directory.clone()));
        let server = DnsServer::bind(address.parse().unwrap()).await.unwrap();
        let address = server.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        tokio::spawn(server.serve(responder, async {
            let _ = stopped.await;
        }));
        Self { directory, address, _stop: stop }
    }

    async fn register(&self, json: &str) -> EndpointId {
        let registration = Registration::from_json(json.as_bytes()).unwrap();
        self.directory.register(registration, Actor::anyone()).await.unwrap().id
    }

    /// What `dig` prints, with these arguments in front of a line that ends in `+short` or not.
    async fn dig(&self, arguments: &str) -> String {
        let mut dig = Command::new("dig");
        dig.arg(format!("@{}", self.address.ip())).args(["-p", &self.address.port().to_string()]);
        dig.args(["+tries=1", "+time=10"]).args(arguments.split_whitespace());
        let output = run(dig).await;
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "dig {arguments}: {text}");
        text
    }
}

/// Runs a program while the server of this test goes on.
async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().expect("the program is installed"))
        .await
        .unwrap()
}

#[tokio::test]
async fn dig_finds_the_endpoints_of_a_service() {
    let served = Served::on("127.0.0.1:0").await;
    let four =
        served.register(r#"{"name": "web", "host": "10.0.0.1", "port": 8080, "ttl": 60}"#).await;
    served.register(r#"{"name": "web", "host": "2001:db8::1", "port": 8081, "ttl": 60}"#).await;
    assert_eq!(served.dig("+short web.service.plugbay A").await, "10.0.0.1\n");
    assert_eq!(served.dig("+short web.service.plugbay AAAA").await, "2001:db8::1\n");
    let srv = served.dig("+short _web._tcp.service.plugbay SRV").await;
    assert!(srv.contains(&format!("0 1 8080 {four}.web.service.plugbay.\n")), "{srv}");
    assert_eq!(srv.lines().count(), 2, "{srv}");
    // The target of an SRV record has an address.
    assert_eq!(served.dig(&format!("+short {four}.web.service.plugbay A")).await, "10.0.0.1\n");
    let answer = served.dig("WEB.service.plugbay A").await;
    assert!(answer.contains("status: NOERROR") && answer.contains("flags: qr aa rd;"), "{answer}");
    assert!(answer.contains("WEB.service.plugbay.\t5\tIN\tA\t10.0.0.1"), "{answer}");
}

#[tokio::test]
async fn dig_is_told_what_is_not_there() {
    let served = Served::on("127.0.0.1:0").await;
    served.register(r#"{"name": "web", "host": "10.0.0.1", "port": 8080}"#).await;
    for (question, status) in [
        ("web.service.plugbay AAAA", "NOERROR"),
        ("none.service.plugbay A", "NXDOMAIN"),
        ("example.com A", "REFUSED"),
        ("+noednsnegotiation +edns=1 web.service.plugbay A", "BADVERS"),
    ] {
        let answer = served.dig(question).await;
        assert!(answer.contains(&format!("status: {status}")), "{question}: {answer}");
        assert!(answer.contains("ANSWER: 0"), "{question}: {answer}");
        let soa = answer.contains("SOA\tns.plugbay. hostmaster.plugbay.");
        assert_eq!(soa, ["NOERROR", "NXDOMAIN"].contains(&status), "{question}: {answer}");
    }
}

#[tokio::test]
async fn dig_comes_again_over_tcp_for_a_long_answer() {
    let served = Served::on("[::1]:0").await;
    for last in 1..=100 {
        let json = format!(r#"{{"name": "web", "host": "10.0.0.{last}", "port": 8080}}"#);
        served.register(&json).await;
    }
    let cut = served.dig("+ignore web.service.plugbay A").await;
    assert!(cut.contains("flags: qr aa tc rd;") && cut.contains("ANSWER: 0"), "{cut}");
    let whole = served.dig("web.service.plugbay A").await;
    assert!(whole.contains("Truncated, retrying in TCP mode"), "{whole}");
    assert!(whole.contains("ANSWER: 100"), "{whole}");
    // Answers without EDNS have 512 bytes at most.
    let plain = served.dig("+noedns +ignore web.service.plugbay A").await;
    assert!(
        plain.contains("flags: qr aa tc rd;") && !plain.contains("OPT PSEUDOSECTION"),
        "{plain}"
    );
    let first = || async {
        let all = served.dig("+short +tcp web.service.plugbay A").await;
        all.lines().next().unwrap().to_owned()
    };
    assert_ne!(first().await, first().await, "the order is rotated");
}

#[tokio::test]
async fn an_endpoint_is_not_found_after_its_lease_or_while_it_is_critical() {
    let served = Served::on("127.0.0.1:0").await;
    let id =
        served.register(r#"{"name": "web", "host": "10.0.0.1", "port": 8080, "ttl": 2}"#).await;
    let answer = served.dig("web.service.plugbay A").await;
    assert!(answer.contains("\t1\tIN\tA\t10.0.0.1"), "below what is left of 2 s: {answer}");
    let report = |status| serde_json::from_value(serde_json::json!({ "status": status })).unwrap();
    let service = "web";
    let beat = |status| {
        served.directory.heartbeat(service, id, &Actor::anyone(), Some(report(status))).unwrap();
    };
    beat("critical");
    let answer = served.dig("web.service.plugbay A").await;
    assert!(answer.contains("status: NOERROR") && answer.contains("ANSWER: 0"), "{answer}");
    beat("passing");
    assert_eq!(served.dig("+short web.service.plugbay A").await, "10.0.0.1\n");
    // No task sweeps this directory: the lease alone decides.
    let deadline = tokio::time::Instant::now() + Duration::from_secs(60);
    while !served.dig("web.service.plugbay A").await.contains("status: NXDOMAIN") {
        assert!(tokio::time::Instant::now() < deadline, "the lease ends");
    }
}

/// Connections that send nothing keep no other from being answered for long, and many requests of one
/// connection are answered in order.
#[tokio::test]
async fn connections_are_bounded() {
    let served = Served::on("127.0.0.1:0").await;
    served.register(r#"{"name": "web", "host": "10.0.0.1", "port": 8080}"#).await;
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(TcpStream::connect(served.address).await.unwrap());
    }
    // More than the places: this one waits until idle ones are closed.
    assert_eq!(served.dig("+short +tcp web.service.plugbay A").await, "10.0.0.1\n");
    let mut end = [0];
    assert_eq!(idle[0].read(&mut end).await.unwrap_or(0), 0, "an idle connection is closed");
    let mut long = TcpStream::connect(served.address).await.unwrap();
    long.write_all(&5000_u16.to_be_bytes()).await.unwrap();
    assert_eq!(long.read(&mut end).await.unwrap_or(0), 0, "a request that is too long ends it");
}

/// A program that knows nothing of the directory finds a service by its name: `curl`, whose C library
/// asks the name server of `/etc/resolv.conf`. That is at port 53 always, so this test has a network
/// and a file of its own.
#[cfg(target_os = "linux")]
#[test]
fn curl_finds_a_service_by_its_name() {
    let folder = tempfile::tempdir().unwrap();
    let resolv = folder.path().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 127.0.0.1\noptions timeout:5\n").unwrap();
    let mut unshare = Command::new("unshare");
    let setup = "ip link set lo up; mount --bind \"$1\" /etc/resolv.conf; shift; exec \"$@\"";
    unshare.args(["--net", "--mount", "--propagation", "private", "sh", "-ec", setup, "sh"]);
    unshare.arg(&resolv);
    match Command::new(unshare.get_program()).args(unshare.get_args()).arg("true").output() {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            return eprintln!("skipped: {}", String::from_utf8_lossy(&output.stderr));
        }
        Err(error) => return eprintln!("skipped: unshare: {error}"),
    }
    unshare.arg(std::env::current_exe().unwrap());
    let output = unshare.args(["--exact", "dns::child_with_curl", "--ignored"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[cfg(target_os = "linux")]
#[tokio::test]
#[ignore = "is the child of the test above"]
async fn child_with_curl() {
    let served = Served::on("127.0.0.1:53").await;
    let listener = TcpListener::bind("127.0.0.2:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let json = format!(r#"{{"name": "web", "host": "127.0.0.2", "port": {port}}}"#);
    served.register(&json).await;
    tokio::spawn(async move {
        loop {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut request = [0; 4096];
            let length = connection.read(&mut request).await.unwrap();
            let body =
                String::from_utf8_lossy(&request[..length]).contains("Host: web.service.plugbay");
            let head = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 4\r\n\r\n";
            let answer = format!("{head}{body}");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--noproxy", "*", "--max-time", "30"]);
    curl.arg(format!("http://web.service.plugbay:{port}/"));
    let output = run(curl).await;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "true");
    let mut unknown = Command::new("curl");
    unknown.args(["--silent", "--noproxy", "*", "http://none.service.plugbay/"]);
    // "Couldn't resolve host."
    assert_eq!(run(unknown).await.status.code(), Some(6));
}
