//! Who may use the admin plane: tokens and roles.

use std::fs;
use std::path::PathBuf;

use plugbay::Liveness;
use plugbay_server::{BindError, Role, Server, new_token};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::cli::plugbay;
use super::support::{Answer, SOON, Serving, Setup, ask, host, until};

/// A setup with a file of tokens, and the tokens of an operator and a viewer.
struct Tokens {
    folder: tempfile::TempDir,
    operator: String,
    viewer: String,
}

impl Tokens {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tokens");
        let make = |name, role| new_token(&file, name, role).unwrap().reveal().to_owned();
        let (operator, viewer) = (make("ada", Role::Operator), make("bob", Role::Viewer));
        Self { folder, operator, viewer }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tokens")
    }

    fn setup(&self) -> Setup {
        host().set("admin.tokens", self.file().to_str().unwrap())
    }
}

async fn send(serving: &Serving, method: &str, path: &str, token: &str) -> Answer {
    let bearer = format!("Bearer {token}");
    ask(serving.admin(), method, path, &[("authorization", &bearer)], Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_but_the_probes_needs_a_token_and_a_viewer_changes_nothing() {
    let tokens = Tokens::new();
    let serving = tokens.setup().serve().await;
    for path in ["/v1/status", "/v1/session", "/v1/events", "/metrics", "/debug/registry"] {
        let answer = serving.admin_get(path).await;
        assert_eq!((answer.status, &*answer.code()), (401, "unauthenticated"), "{path}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer realm=\"plugbay\""));
        if path != "/v1/events" {
            assert_eq!(send(&serving, "GET", path, &tokens.viewer).await.status, 200, "{path}");
        }
    }
    for probe in ["/livez", "/readyz"] {
        assert_eq!(serving.admin_get(probe).await.status, 200, "{probe}");
    }
    let profile = send(&serving, "GET", "/debug/pprof/profile?seconds=1", &tokens.viewer).await;
    assert_eq!((profile.status, &*profile.code()), (403, "role"));
    for path in ["/v1/reload", "/v1/resume", "/v1/generations/1/rollback"] {
        let refused = send(&serving, "POST", path, &tokens.viewer).await;
        assert_eq!((refused.status, &*refused.code()), (403, "role"), "{path}");
        assert!(refused.header("www-authenticate").unwrap().contains("insufficient_scope"));
        assert!(refused.text().contains("bob is a viewer"), "{}", refused.text());
        let allowed = send(&serving, "POST", path, &tokens.operator).await;
        assert!(![401, 403].contains(&allowed.status), "{path}: {allowed:?}");
        assert_eq!(ask(serving.admin(), "POST", path, &[], Vec::new()).await.status, 401);
    }
    let hash = fs::read_to_string(tokens.file()).unwrap();
    let hash = hash.split_whitespace().nth(2).unwrap();
    for wrong in ["plugbay_", hash, &tokens.operator[1..]] {
        let answer = send(&serving, "GET", "/v1/status", wrong).await;
        assert_eq!(answer.status, 401, "{wrong}");
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"));
    }
    let in_query = format!("/v1/status?access_token={}", tokens.operator);
    assert_eq!(serving.admin_get(&in_query).await.status, 401);
    // A page has no token, so that the plane may be reached by any name; but not from another origin.
    let bearer = format!("Bearer {}", tokens.viewer);
    let named = |more: &'static [(&str, &str)]| {
        let fields = [&[("host", "plug1.example"), ("authorization", &*bearer)], more].concat();
        let address = serving.admin();
        async move { ask(address, "GET", "/v1/status", &fields, Vec::new()).await.status }
    };
    assert_eq!(named(&[]).await, 200);
    assert_eq!(named(&[("origin", "https://evil.example")]).await, 403);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_says_who_the_client_is() {
    let tokens = Tokens::new();
    let serving = tokens.setup().set("admin.metrics", "open").serve().await;
    let session = send(&serving, "GET", "/v1/session", &tokens.viewer).await.json();
    assert_eq!(session, serde_json::json!({ "name": "bob", "role": "viewer", "open": false }));
    assert_eq!(serving.admin_get("/metrics").await.status, 200, "for everyone");
    assert_eq!(serving.admin_get("/v1/status").await.status, 401);
    let open = host().serve().await.admin_get("/v1/session").await.json();
    assert_eq!(open, serde_json::json!({ "name": "anonymous", "role": "operator", "open": true }));
}

#[tokio::test(flavor = "multi_thread")]
async fn new_and_removed_tokens_take_effect_while_the_host_serves() {
    let tokens = Tokens::new();
    let serving = tokens.setup().serve().await;
    let eve = new_token(&tokens.file(), "eve", Role::Viewer).unwrap();
    let status = |token: String| {
        let serving = &serving;
        async move { send(serving, "GET", "/v1/session", &token).await.status }
    };
    until("eve is known", || async { status(eve.reveal().to_owned()).await == 200 }).await;
    let text = fs::read_to_string(tokens.file()).unwrap();
    // A file with a mistake changes nothing.
    fs::write(tokens.file(), "ada operator oops\n").unwrap();
    let metrics = || send(&serving, "GET", "/metrics", &tokens.viewer);
    until("the mistake is told", || async {
        metrics().await.text().contains("plugbay_admin_tokens_is_current 0")
    })
    .await;
    assert_eq!(status(tokens.operator.clone()).await, 200);
    let without_ada = text.split_inclusive('\n').filter(|line| !line.starts_with("ada "));
    let without_ada: String = without_ada.collect();
    fs::write(tokens.file(), without_ada).unwrap();
    until("ada is gone", || async { status(tokens.operator.clone()).await == 401 }).await;
    assert_eq!(status(tokens.viewer.clone()).await, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_events_ends_when_its_token_is_revoked() {
    let tokens = Tokens::new();
    let serving = tokens.setup().serve().await;
    let mut stream = TcpStream::connect(serving.admin()).await.unwrap();
    let head = format!(
        "GET /v1/events HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {}\r\n\r\n",
        tokens.viewer
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    let text = fs::read_to_string(tokens.file()).unwrap();
    fs::write(tokens.file(), text.lines().next().unwrap()).unwrap();
    until("bob is gone", || async {
        send(&serving, "GET", "/v1/session", &tokens.viewer).await.status == 401
    })
    .await;
    serving.deploy("echo.wasm", &plugbay_fixtures::Guest::codec("echo"));
    // The end of the body, and not of the connection.
    let mut rest = String::new();
    let ending = async {
        while !rest.ends_with("0\r\n\r\n") {
            let mut bytes = [0; 1024];
            let read = stream.read(&mut bytes).await.unwrap();
            assert!(read > 0, "{rest}");
            rest.push_str(str::from_utf8(&bytes[..read]).unwrap());
        }
    };
    tokio::time::timeout(SOON, ending).await.expect("an end");
    assert!(!rest.contains("data:"), "{rest}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_tokens_are_limited_and_right_ones_are_not() {
    let tokens = Tokens::new();
    let serving = tokens.setup().serve().await;
    let mut limited = 0;
    for _ in 0..20 {
        let answer = send(&serving, "GET", "/v1/status", "plugbay_guess").await;
        if answer.status == 429 {
            assert_eq!(answer.code(), "rate-limited");
            assert!(answer.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
            limited += 1;
        }
    }
    // One more may be allowed while the test runs.
    assert!((8..=10).contains(&limited), "{limited}");
    // Who shares an address with such a client is not locked out.
    assert_eq!(send(&serving, "GET", "/v1/status", &tokens.viewer).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_tokens_a_server_does_not_start() {
    let folder = tempfile::tempdir().unwrap();
    let setup = host().set("admin.tokens", folder.path().join("none").to_str().unwrap());
    let config = setup.layers().load().unwrap();
    let Err(error) = Server::bind(&config, Liveness::default()) else { panic!("it starts") };
    assert!(matches!(error, BindError::Tokens(_)), "{error}");
    assert!(error.hint().contains("plugbay token new"), "{}", error.hint());
    let arguments = setup.arguments();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let output = plugbay(&[&["up"], &*arguments].concat()).output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("cannot read") && text.contains("plugbay token new"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_makes_tokens_and_uses_them() {
    let tokens = Tokens::new();
    let serving = tokens.setup().serve().await;
    let file = tokens.file();
    let file = file.to_str().unwrap();
    let made = plugbay(&["token", "new", "eve", "--role", "viewer", "--file", file]).unwrap();
    let eve = String::from_utf8(made.stdout).unwrap();
    assert!(eve.starts_with("plugbay_") && eve.ends_with('\n') && eve.lines().count() == 1);
    assert!(!fs::read_to_string(file).unwrap().contains(eve.trim()), "only its hash");
    let again = plugbay(&["token", "new", "eve", "--role", "viewer", "--file", file]).output();
    assert_eq!(again.unwrap().status.code(), Some(2));

    let held = tokens.folder.path().join("eve.token");
    fs::write(&held, &eve).unwrap();
    let held = held.to_str().unwrap();
    let admin = serving.admin().to_string();
    let run = |arguments: &[&str], variable: Option<&str>| {
        let mut command = plugbay(&[arguments, &["--host", &admin]].concat());
        if let Some(token) = variable {
            command.env("PLUGBAY_TOKEN", token);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), text)
    };
    until("eve is known", || async { run(&["status", "--token-file", held], None).0 == 0 }).await;
    let (code, text) = run(&["status"], None);
    assert_eq!(code, 1);
    assert!(text.contains("expected a token") && text.contains("--token-file FILE"), "{text}");
    let (code, text) = run(&["reload", "--token-file", held], None);
    assert_eq!(code, 1);
    assert!(text.contains("eve is a viewer") && text.contains("an operator"), "{text}");
    assert_eq!(run(&["reload"], Some(&tokens.operator)).0, 0);
    let (code, text) = run(&["status"], Some("two words"));
    assert_eq!(code, 2);
    assert!(text.contains("PLUGBAY_TOKEN") && !text.contains("two words"), "{text}");
    // A token is not sent to another machine in the clear.
    let mut command = plugbay(&["status", "--host", "http://192.0.2.1:7071"]);
    let output = command.env("PLUGBAY_TOKEN", &tokens.operator).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr).unwrap().contains("expected https://"));
}

/// A Unix socket is for its owner alone; where there are tokens, they are needed there too.
#[cfg(unix)]
#[test]
fn tokens_are_needed_on_unix_sockets_too() {
    let tokens = Tokens::new();
    let socket = tokens.folder.path().join("admin.sock");
    let listen = format!("unix:{}", socket.display());
    let up = super::up::Up::start(
        tokens.setup().set("admin.listen", &format!("[\"127.0.0.1:0\", \"{listen}\"]")),
    );
    let run = |token: Option<&str>| {
        let mut command = plugbay(&["status", "--host", &listen]);
        if let Some(token) = token {
            command.env("PLUGBAY_TOKEN", token);
        }
        command.output().unwrap().status.code()
    };
    assert_eq!(run(None), Some(1));
    assert_eq!(run(Some(&tokens.viewer)), Some(0));
    drop(up);
}
