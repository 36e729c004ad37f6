//! What the admin plane offers to the dashboard: its files, and the figures, lines and trial requests that it shows.
//! `tests/browser` has the tests of the page itself.

use std::process::Command;

use axum::body::Body;
use axum::http::{Request, header};
use axum::{Router, body};
use plugbay::Host;
use plugbay_discovery::{LiveDirectory, LiveSettings};
use plugbay_fixtures::{Behaviour, ErrorKind, Export, Guest};
use plugbay_server::log::{LogFormat, LogLayer, LogTail};
use plugbay_server::{AdminPlane, DirectoryServer, DirectorySettings};
use serde_json::json;
use tower::ServiceExt as _;
use tracing_subscriber::layer::SubscriberExt as _;

use super::support::{Serving, ask, host};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_and_its_modules_are_served_with_a_policy_and_are_not_sent_twice() {
    let serving = host().serve().await;
    let page = serving.admin_get("/").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
    let policy = page.header("content-security-policy").unwrap().to_owned();
    for rule in [
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self' data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    ] {
        assert!(policy.split("; ").any(|it| it == rule), "{rule} in {policy}");
    }
    let script = serving.admin_get("/ui/app/main.js").await;
    assert_eq!(script.header("content-type"), Some("text/javascript; charset=utf-8"));
    assert_eq!(script.header("x-content-type-options"), Some("nosniff"));
    let tag = script.header("etag").unwrap();
    for known in [tag, &format!("\"other\", W/{tag}"), "*"] {
        let fields = [("if-none-match", known)];
        let again = ask(serving.admin(), "GET", "/ui/app/main.js", &fields, Vec::new()).await;
        assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
    }
    let fields = [("accept-encoding", "br, gzip")];
    let packed = ask(serving.admin(), "GET", "/ui/app/main.js", &fields, Vec::new()).await;
    assert_eq!(packed.header("content-encoding"), Some("gzip"));
    assert!(packed.body.len() < script.body.len() / 2);
    for missing in ["/ui/nothing.js", "/ui/../Cargo.toml", "/ui/vendor/vendor.toml"] {
        assert_eq!(serving.admin_get(missing).await.status, 404, "{missing}");
    }
    // The policy of everything else stays as strict as it was.
    let status = serving.admin_get("/v1/status").await;
    let policy = status.header("content-security-policy");
    assert_eq!(policy, Some("default-src 'none'; frame-ancestors 'none'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn below_a_prefix_the_page_finds_its_files() {
    let serving = host().serve().await;
    let plane = AdminPlane::new(serving.server.host());
    let app: Router = Router::new().nest("/admin", plane.router());
    let get = async |path: &str| {
        let request = Request::get(path).header(header::HOST, "localhost");
        app.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let moved = get("/admin").await;
    assert_eq!(
        (moved.status().as_u16(), &moved.headers()["location"]),
        (308, &"admin/ui/".parse().unwrap())
    );
    let page = get("/admin/ui/").await;
    assert_eq!(page.status(), 200);
    let page = body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
    // Relative to the folder of the page.
    assert!(String::from_utf8_lossy(&page).contains("src=\"app/main.js\""));
    assert_eq!(get("/admin/ui/app/main.js").await.status(), 200);
    plane.close();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_figures_count_calls_failures_and_times() {
    let bad = Behaviour::Error(ErrorKind::Internal, "no".into());
    let serving = host()
        .plugin("good.wasm", &Guest::handler("good"))
        .plugin("bad.wasm", &Guest::handler("bad").on(Export::Handle, bad))
        .file("broken.wasm", b"no plugin")
        .serve()
        .await;
    for _ in 0..3 {
        assert_eq!(serving.get("/good").await.status, 200);
    }
    assert_eq!(serving.get("/bad").await.status, 500);
    let figures = serving.admin_get("/v1/figures").await.json();
    assert_eq!((&figures["generation"], &figures["rejected"]), (&json!(1), &json!(1)));
    let plugins = figures["plugins"].as_array().unwrap();
    let [bad, good] = &plugins[..] else { panic!("{figures}") };
    assert_eq!(
        (&good["name"], &good["answered"], &good["failed"]),
        (&json!("good"), &json!(3), &json!(0))
    );
    assert_eq!(
        (&bad["name"], &bad["answered"], &bad["failed"]),
        (&json!("bad"), &json!(0), &json!(1))
    );
    let bounds = figures["bounds"].as_array().unwrap().len();
    let durations = good["durations"].as_array().unwrap();
    assert_eq!(durations.len(), bounds + 1);
    assert_eq!(durations.iter().map(|it| it.as_u64().unwrap()).sum::<u64>(), 3);
    assert!(good["memory"].as_u64() > Some(0), "{good}");
    // The same process answers the same, by which a reader knows it.
    let again = serving.admin_get("/v1/figures").await.json();
    assert_eq!(again["host_started_at"], figures["host_started_at"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_latest_lines_of_the_log_are_read_by_plugin_and_number() {
    let serving = host().serve().await;
    let missing = serving.admin_get("/v1/logs").await;
    assert_eq!((missing.status, &*missing.code()), (404, "not-found"), "this test keeps none yet");

    let tail = LogTail::default();
    let layer = LogLayer::new(LogFormat::Text, std::io::sink).tail(tail.clone());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), || {
        for number in 0..5 {
            tracing::info!(plugin = if number % 2 == 0 { "a" } else { "b" }, number, "said");
        }
    });
    let plane = AdminPlane::new(serving.server.host()).logs(tail);
    let get = async |path: &str| {
        let request = Request::get(path).header(header::HOST, "localhost");
        let answer = plane.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let bytes = body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        (status, serde_json::from_slice::<serde_json::Value>(&bytes).unwrap())
    };
    let (_, all) = get("/v1/logs").await;
    assert_eq!((all["lines"].as_array().unwrap().len(), &all["after"]), (5, &json!(5)));
    let (_, first) = get("/v1/logs?plugin=a&after=0&limit=2").await;
    assert_eq!((&first["lines"][1]["fields"], &first["after"]), (&json!("number=2"), &json!(3)));
    let (_, rest) = get("/v1/logs?plugin=a&after=3&limit=2").await;
    assert_eq!((&rest["lines"][0]["seq"], &rest["after"]), (&json!(5), &json!(5)));
    let (_, none) = get("/v1/logs?plugin=a&after=5").await;
    assert_eq!(none, json!({ "lines": [], "after": 5 }));
    for wrong in ["?after=-1", "?limit=many", "?plugins=a"] {
        assert_eq!(get(&format!("/v1/logs{wrong}")).await.0, 400, "{wrong}");
    }
    plane.close();
}

async fn try_route(serving: &Serving, request: serde_json::Value) -> super::support::Answer {
    let fields = [("content-type", "application/json")];
    let body = request.to_string().into_bytes();
    ask(serving.admin(), "POST", "/v1/routes/test", &fields, body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_request_goes_through_the_data_plane() {
    let serving = host().plugin("echo.wasm", &Guest::handler("echo").stamp("!")).serve().await;
    let asked = json!({
        "method": "POST", "path": "/echo?a=b", "body": "hi", "headers": [{ "name": "x-request-id", "value": "trial-1" }],
    });
    let answer = try_route(&serving, asked).await.json();
    assert_eq!(
        (&answer["status"], &answer["body"], &answer["size"]),
        (&json!(200), &json!("hi!"), &json!(3))
    );
    assert!(
        answer["headers"]
            .as_array()
            .unwrap()
            .contains(&json!({ "name": "x-request-id", "value": "trial-1" })),
        "{answer}"
    );
    let missed = try_route(&serving, json!({ "method": "GET", "path": "/nothing" })).await;
    assert_eq!((missed.status, &missed.json()["status"]), (200, &json!(404)));
    for wrong in [
        json!({ "method": "GET", "path": "no/slash" }),
        json!({ "method": "GET", "path": "http://elsewhere/" }),
        json!({ "method": "G T", "path": "/echo" }),
        json!({ "method": "GET", "path": "/echo", "headers": [{ "name": "a b", "value": "c" }] }),
        json!({ "method": "GET", "path": "/echo", "more": 1 }),
        json!([]),
    ] {
        let answer = try_route(&serving, wrong.clone()).await;
        assert_eq!((answer.status, &*answer.code()), (400, "bad-request"), "{wrong}");
    }
    let app = AdminPlane::new(serving.server.host());
    let request = Request::post("/v1/routes/test").header(header::HOST, "localhost");
    let request = request.header(header::CONTENT_TYPE, "application/json");
    let request = request.body(Body::from(r#"{"method":"GET","path":"/echo"}"#)).unwrap();
    assert_eq!(app.router().oneshot(request).await.unwrap().status(), 404);
    app.close();
}

/// The commands of `ui/app/commands.js`, by view.
fn commands() -> Vec<(String, String)> {
    let text = include_str!("../../ui/app/commands.js");
    let lines = text.lines().filter_map(|line| {
        let (view, rest) = line.trim().split_once(": \"")?;
        Some((view.to_owned(), rest.strip_suffix("\",")?.to_owned()))
    });
    lines.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_that_the_dashboard_shows_runs() {
    let serving = host().plugin("echo.wasm", &Guest::handler("echo")).serve().await;
    serving.deploy("echo.wasm", &Guest::handler("echo").version("2.0.0"));
    assert_eq!(serving.reload().await.status, 200);
    let admin = format!("admin.listen={}", serving.admin());
    let settings = DirectorySettings {
        listen: vec!["127.0.0.1:0".parse().unwrap()],
        ..DirectorySettings::default()
    };
    let directory = LiveDirectory::in_memory(LiveSettings::default());
    let directory = DirectoryServer::bind(directory, &settings).unwrap();
    let at = format!("http://{}", directory.addresses()[0]);
    let commands = commands();
    assert!(commands.len() >= 10, "{commands:?}");
    for (view, command) in commands {
        let filled = [
            ("{plugin}", "echo"),
            ("{generation}", "1"),
            ("{capability}", "handler:echo"),
            ("{method}", "POST"),
            ("{path}", "/echo"),
            ("{directory}", &*at),
        ];
        let line = filled.iter().fold(command, |line, (name, value)| line.replace(name, value));
        let mut words = line.split(' ');
        assert_eq!(words.next(), Some("plugbay"), "{view}: {line}");
        let words: Vec<String> = words.map(str::to_owned).collect();
        let mut arguments = serving.setup.arguments();
        arguments.extend(["--set".to_owned(), admin.clone()]);
        arguments.extend([
            "--set".to_owned(),
            format!("host.plugins={}", serving.setup.plugins().display()),
        ]);
        let run = move || {
            Command::new(env!("CARGO_BIN_EXE_plugbay"))
                .args(words)
                .args(arguments)
                .output()
                .unwrap()
        };
        let output = tokio::task::spawn_blocking(run).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{view}: {line}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_of_the_stream_has_its_sentence() {
    let setup = host().plugin("echo.wasm", &Guest::codec("echo"));
    let built = Host::builder().layers(setup.layers()).build().await.unwrap();
    let plane = AdminPlane::new(&built);
    let request = Request::get("/v1/events").header(header::HOST, "localhost");
    let request = request.header("last-event-id", "0").body(Body::empty()).unwrap();
    let stream = plane.router().oneshot(request).await.unwrap();
    std::fs::write(setup.plugins().join("next.wasm"), Guest::codec("next").build()).unwrap();
    built.reload().await;
    // The events wait in the stream; its end is the end of the plane.
    let events = plane.clone();
    let reader = tokio::spawn(async move { body::to_bytes(stream.into_body(), 1 << 20).await });
    super::support::until("an event", || async {
        let request = Request::get("/v1/generations").header(header::HOST, "localhost");
        let answer = events.router().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let bytes = body::to_bytes(answer.into_body(), 1 << 20).await.unwrap();
        String::from_utf8_lossy(&bytes).contains("\"published\"")
    })
    .await;
    plane.close();
    let text = String::from_utf8(reader.await.unwrap().unwrap().to_vec()).unwrap();
    assert!(text.contains("\"text\":\"loaded next@1.0.0 from "), "{text}");
}
