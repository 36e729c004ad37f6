//! H6: patterns, methods, and the errors for missing ones.

use plugbay_fixtures::{Behaviour, ErrorKind, Export, Guest};

use super::support::{host, until};

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_routed_by_pattern_and_method() {
    let things = Guest::handler("things")
        .stamp("things")
        .route("GET", "/things")
        .route("POST", "/things")
        .route("GET", "/things/{id}")
        .route("GET", "/things/new")
        .route("DELETE", "/things/{id}");
    let files = Guest::handler("files").stamp("files").route("GET", "/files/{*rest}");
    let any = Guest::handler("any").stamp("any").route("", "/any");
    let own = Guest::handler("own")
        .stamp("own")
        .route("HEAD", "/own")
        .route("OPTIONS", "/own")
        .route("GREET", "/own");
    let serving = host()
        .plugin("things.wasm", &things)
        .plugin("files.wasm", &files)
        .plugin("any.wasm", &any)
        .plugin("own.wasm", &own)
        .serve()
        .await;
    let cases = [
        // method, path, status, body or Allow
        ("GET", "/things", 200, "things"),
        ("POST", "/things", 200, "things"),
        ("GET", "/things/1", 200, "things"),
        ("GET", "/things/new", 200, "things"),
        ("DELETE", "/things/1", 200, "things"),
        ("GET", "/things/1?x=/../", 200, "things"),
        ("GET", "/things/%2Fetc", 200, "things"),
        ("GET", "/files/a/b/c.txt", 200, "files"),
        ("GREET", "/any", 200, "any"),
        ("OPTIONS", "/any", 200, "any"),
        ("GREET", "/own", 200, "own"),
        ("OPTIONS", "/own", 200, "own"),
        ("HEAD", "/things", 200, ""),
        ("HEAD", "/any", 200, ""),
        ("HEAD", "/own", 200, ""),
        ("PUT", "/things", 405, "GET, HEAD, OPTIONS, POST"),
        ("POST", "/things/1", 405, "DELETE, GET, HEAD, OPTIONS"),
        ("DELETE", "/things/new", 405, "GET, HEAD, OPTIONS"),
        ("HEAD", "/v1/codecs/x/encode", 405, "OPTIONS, POST"),
        ("DELETE", "/v1/codecs", 405, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/things", 204, "GET, HEAD, OPTIONS, POST"),
        ("OPTIONS", "/v1/codecs", 204, "GET, HEAD, OPTIONS"),
        ("OPTIONS", "/v1/codecs/x/decode", 204, "OPTIONS, POST"),
        ("OPTIONS", "/none", 404, "not-found"),
        ("GET", "/", 404, "not-found"),
        ("GET", "/things/", 404, "not-found"),
        ("GET", "/things/1/2", 404, "not-found"),
        ("GET", "/files", 404, "not-found"),
        ("GET", "/THINGS", 404, "not-found"),
        ("GET", "/v1/nothing", 404, "not-found"),
        ("GET", "/v1/codecs/", 404, "not-found"),
    ];
    for (method, path, status, expected) in cases {
        let answer = serving.send(method, path, &[], "").await;
        let case = format!("{method} {path}: {answer:?}");
        assert_eq!(answer.status, status, "{case}");
        match status {
            200 => assert_eq!(answer.text(), expected, "{case}"),
            404 => assert_eq!(answer.code(), expected, "{case}"),
            405 if method == "HEAD" => assert_eq!(answer.header("allow"), Some(expected), "{case}"),
            405 => {
                assert_eq!(answer.header("allow"), Some(expected), "{case}");
                assert_eq!(answer.code(), "method-not-allowed", "{case}");
            }
            _ => {
                assert_eq!(answer.header("allow"), Some(expected), "{case}");
                assert!(answer.body.is_empty(), "{case}");
            }
        }
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{case}");
        assert!(answer.header("x-request-id").is_some(), "{case}");
    }
    // The answer to HEAD has the header of the answer to GET.
    let head = serving.send("HEAD", "/things", &[], "").await;
    assert_eq!(head.header("content-length"), Some("6"));
}

#[cfg(feature = "bundled")]
#[tokio::test(flavor = "multi_thread")]
async fn a_linked_handler_sees_decoded_parameters() {
    let serving = host().bundled().serve().await;
    assert_eq!(serving.get("/hello/Ada%20L").await.text(), "Hello, Ada L!");
    let json = serving.send("GET", "/hello/Ada", &[("accept", "application/json")], "").await;
    assert_eq!(json.json()["name"], "Ada");
    assert_eq!(json.header("vary"), Some("accept"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_messages_about_the_request_reach_the_client() {
    let failing = |name: &str, behaviour| Guest::handler(name).on(Export::Handle, behaviour);
    let error = |kind| Behaviour::Error(kind, "said by the plugin".into());
    let serving = host()
        .plugin("a.wasm", &failing("invalid", error(ErrorKind::InvalidInput)))
        .plugin("b.wasm", &failing("unsupported", error(ErrorKind::Unsupported)))
        .plugin("c.wasm", &failing("unavailable", error(ErrorKind::Unavailable)))
        .plugin("d.wasm", &failing("internal", error(ErrorKind::Internal)))
        .plugin("e.wasm", &failing("trap", Behaviour::Trap))
        .plugin("f.wasm", &failing("status", Behaviour::InvalidStatus(999)))
        .plugin("g.wasm", &failing("spin", Behaviour::Spin))
        .plugin("h.wasm", &failing("large", Behaviour::Output(2 << 20)))
        .plugin("i.wasm", &Guest::handler("name").header("a b", "1"))
        .plugin("j.wasm", &Guest::handler("value").header("a", "1\r\nset-cookie: 2"))
        .toml("[[routes]]\npath = \"/absent\"\nhandler = \"absent\"\n")
        .set("defaults.cpu", "100ms")
        .set("defaults.output", "1MiB")
        .serve()
        .await;
    let cases = [
        ("/invalid", 400, "invalid-input", true),
        ("/unsupported", 415, "unsupported", true),
        ("/unavailable", 503, "unavailable", true),
        ("/internal", 500, "internal", false),
        ("/trap", 502, "trap", false),
        ("/status", 502, "contract", false),
        ("/spin", 502, "cpu", false),
        ("/large", 502, "output", false),
        ("/name", 502, "contract", false),
        ("/value", 502, "contract", false),
        ("/absent", 503, "unavailable", false),
    ];
    for (path, status, code, told) in cases {
        let answer = serving.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}: {answer:?}");
        assert_eq!(answer.text().contains("said by the plugin"), told, "{path}: {answer:?}");
        assert!(!answer.text().contains("fixture_"), "a backtrace: {path}: {answer:?}");
        assert_eq!(answer.header("retry-after").is_some(), status == 503, "{path}: {answer:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let trapped = serving.get("/trap").await.json();
    assert_eq!(trapped["plugin"], "trap@1.0.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_of_the_connection_are_not_passed_on() {
    let guest = Guest::handler("hop")
        .header("connection", "x-private")
        .header("x-private", "1")
        .header("keep-alive", "timeout=1000")
        .header("transfer-encoding", "chunked")
        .header("content-length", "1")
        .header("x-public", "2")
        .stamp("hop");
    let serving = host().plugin("hop.wasm", &guest).serve().await;
    let answer = serving.get("/hop").await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "hop"), "{answer:?}");
    for gone in ["x-private", "keep-alive", "transfer-encoding"] {
        assert_eq!(answer.header(gone), None, "{answer:?}");
    }
    assert_eq!(answer.header("content-length"), Some("3"));
    assert_eq!(answer.header("x-public"), Some("2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn request_ids_are_kept_or_created() {
    let serving = host().serve().await;
    let id = |id: &'static str| {
        let serving = &serving;
        async move {
            let answer = serving.send("GET", "/", &[("x-request-id", id)], "").await;
            answer.header("x-request-id").unwrap().to_owned()
        }
    };
    assert_eq!(id("abc-123").await, "abc-123");
    assert_ne!(id("has blanks").await, "has blanks");
    assert_ne!(serving.get("/").await.header("x-request-id"), None);
}

/// A swap under load: every answer is complete, and of the old or the new version.
#[tokio::test(flavor = "multi_thread")]
async fn a_swap_of_the_router_under_load_loses_no_request() {
    let version = |n: u32| {
        Guest::handler("swap")
            .version(&format!("{n}.0.0"))
            .stamp(format!("v{n}"))
            .route("GET", &format!("/only/{n}"))
            .route("GET", "/swap")
    };
    let serving = host().plugin("swap.wasm", &version(1)).serve().await;
    let data = serving.data();
    let done = tokio_util::sync::CancellationToken::new();
    let clients: Vec<_> = (0..4)
        .map(|_| {
            let done = done.clone();
            tokio::spawn(async move {
                let mut answers = 0_u32;
                while !done.is_cancelled() {
                    let answer = super::support::ask(data, "GET", "/swap", &[], vec![]).await;
                    assert_eq!(answer.status, 200, "{answer:?}");
                    assert!(answer.text().starts_with('v'), "{answer:?}");
                    answers += 1;
                }
                answers
            })
        })
        .collect();
    for n in 2..6 {
        serving.deploy("swap.wasm", &version(n));
        until("the new version serves", || async {
            serving.get(&format!("/only/{n}")).await.status == 200
        })
        .await;
        assert_eq!(serving.get(&format!("/only/{}", n - 1)).await.status, 404);
    }
    done.cancel();
    for client in clients {
        assert!(client.await.unwrap() > 0);
    }
}
