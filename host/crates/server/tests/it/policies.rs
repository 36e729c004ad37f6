//! What the configuration says about a route and about the clients of the plane.

use plugbay_fixtures::{Behaviour, Export, Guest};

use super::support::{Serving, ask, host, raw};

/// A host with a handler that answers with its request's body, and this configuration.
async fn with(toml: &str) -> Serving {
    host().plugin("echo.wasm", &Guest::handler("echo")).toml(toml).serve().await
}

const ROUTE: &str = "[[routes]]\npath = \"/mine\"\nhandler = \"echo\"\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_route_has_its_own_bounds_of_bodies_and_time() {
    let spin = Guest::handler("spin").on(Export::Handle, Behaviour::Spin);
    let toml = format!(
        "{ROUTE}max_body = \"1KiB\"\n[[routes]]\npath = \"/spin\"\nhandler = \"spin\"\ntimeout = \"300ms\"\n"
    );
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .plugin("spin.wasm", &spin)
        .toml(&toml)
        .set("defaults.cpu", "20s")
        .serve()
        .await;
    let send = |path: &'static str| serving.send("POST", path, &[], vec![b'x'; 1025]);
    assert_eq!(send("/mine").await.code(), "body-too-large");
    assert_eq!(send("/echo").await.status, 200, "other routes have the bound of the plane");
    assert_eq!(serving.get("/spin").await.code(), "deadline");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_has_a_rate_of_each_client() {
    let serving = with(&format!("{ROUTE}rate = \"3/1h\"\n")).await;
    for left in [2, 1, 0] {
        let answer = serving.get("/mine").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"route\";q=3;w=3600"));
        let limit = answer.header("ratelimit").unwrap();
        assert!(limit.starts_with(&format!("\"route\";r={left};t=")), "{limit}");
    }
    let answer = serving.get("/mine").await;
    assert_eq!((answer.status, &*answer.code()), (429, "rate-limited"));
    assert!(answer.header("ratelimit").unwrap().starts_with("\"route\";r=0;t="), "{answer:?}");
    let wait: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((1100..=1200).contains(&wait), "{wait}");
    assert_eq!(serving.get("/echo").await.header("ratelimit"), None, "other routes have none");
    // A change of the configuration begins to count again; a reload without one does not.
    serving.reload().await;
    assert_eq!(serving.get("/mine").await.status, 429);
    let file = serving.setup.plugins().parent().unwrap().join("config.toml");
    std::fs::write(file, format!("[server]\nrate = \"5/1h\"\n{ROUTE}rate = \"4/1h\"\n")).unwrap();
    serving.reload().await;
    let answer = serving.get("/mine").await;
    assert_eq!(
        answer.header("ratelimit-policy"),
        Some("\"server\";q=5;w=3600, \"route\";q=4;w=3600")
    );
    for _ in 0..4 {
        assert_eq!(serving.get("/echo").await.status, 200);
    }
    assert_eq!(serving.get("/echo").await.status, 429, "the rate of the plane");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_route_and_the_plane_have_lists_of_clients() {
    let serving = with(&format!("{ROUTE}allow = [\"10.0.0.0/8\"]\n")).await;
    assert_eq!(serving.get("/mine").await.code(), "forbidden");
    assert_eq!(serving.get("/echo").await.status, 200);
    let serving = with("[server]\nallow = [\"127.0.0.0/8\"]\n").await;
    assert_eq!(serving.get("/echo").await.status, 200);
    let serving = with("[server]\ndeny = [\"127.0.0.1\"]\n").await;
    for path in ["/echo", "/v1/codecs", "/nowhere"] {
        assert_eq!(serving.get(path).await.code(), "forbidden", "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_of_named_origins_may_use_a_route() {
    let cors = "cors = { origins = [\"https://app.example\"], methods = [\"GET\", \"PUT\"], \
                headers = [\"x-own\"], expose = [\"x-request-id\"], credentials = true }\n";
    let serving = with(&format!("{ROUTE}{cors}")).await;
    let ask = |origin: &'static str| {
        let headers = [
            ("origin", origin),
            ("access-control-request-method", "PUT"),
            ("access-control-request-headers", "x-own"),
        ];
        let serving = &serving;
        async move { serving.send("OPTIONS", "/mine", &headers, "").await }
    };
    let answer = ask("https://app.example").await;
    assert_eq!((answer.status, answer.body.len()), (204, 0), "{answer:?}");
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(answer.header("access-control-allow-methods"), Some("GET,PUT"));
    assert_eq!(answer.header("access-control-allow-headers"), Some("x-own"));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-max-age"), Some("300"));
    let foreign = ask("https://other.example").await;
    assert_eq!(foreign.header("access-control-allow-origin"), None, "{foreign:?}");
    // The answer itself, and that of a failure.
    for (body, status) in [("hi", 200), ("", 200)] {
        let answer =
            serving.send("POST", "/mine", &[("origin", "https://app.example")], body).await;
        assert_eq!((answer.status, answer.text().as_str()), (status, body));
        assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
        assert_eq!(answer.header("access-control-expose-headers"), Some("x-request-id"));
        assert!(answer.header("vary").unwrap().contains("origin"), "{answer:?}");
    }
    // Other routes are closed to other origins.
    let headers = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
    let other = serving.send("OPTIONS", "/echo", &headers, "").await;
    assert_eq!(other.header("access-control-allow-origin"), None, "{other:?}");
    assert_eq!(other.header("allow"), Some("GET, HEAD, OPTIONS, POST"), "{other:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_compressed_for_those_who_accept_it() {
    let coded = Guest::handler("coded").header("content-encoding", "br").header("etag", "\"1\"");
    let events = Guest::handler("events").header("content-type", "text/event-stream");
    let tagged = Guest::handler("tagged").header("etag", "\"1\"");
    let serving = host()
        .plugin("a.wasm", &coded)
        .plugin("b.wasm", &events)
        .plugin("c.wasm", &tagged)
        .set("server.compression", "true")
        .serve()
        .await;
    let text = "compress me, ".repeat(1000);
    let send = |path: &'static str, accept: &'static str, body: String| {
        let serving = &serving;
        async move { serving.send("POST", path, &[("accept-encoding", accept)], body).await }
    };
    let answer = send("/tagged", "gzip", text.clone()).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"), "{answer:?}");
    assert!(answer.body.starts_with(&[0x1f, 0x8b]) && answer.body.len() < 500, "{answer:?}");
    assert_eq!(answer.header("vary"), Some("accept-encoding"));
    assert_eq!(answer.header("etag"), Some("W/\"1\""), "other bytes than those of the tag");
    let plain = send("/tagged", "identity", text.clone()).await;
    assert_eq!((plain.header("content-encoding"), plain.text() == text), (None, true));
    assert_eq!(plain.header("vary"), Some("accept-encoding"), "{:?}", plain.header("vary"));
    let small = send("/tagged", "gzip", "small".into()).await;
    assert_eq!((small.header("content-encoding"), small.text().as_str()), (None, "small"));
    assert_eq!(send("/events", "gzip", text.clone()).await.header("content-encoding"), None);
    assert_eq!(send("/coded", "gzip", text.clone()).await.header("content-encoding"), Some("br"));
    let off = with("").await;
    let answer = off.send("POST", "/echo", &[("accept-encoding", "gzip")], text).await;
    assert_eq!((answer.header("content-encoding"), answer.header("vary")), (None, None));
}

/// The client of a request counts for lists and rates, as far as it is named by a trusted proxy.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_is_named_by_trusted_proxies_only() {
    let list = "allow = [\"192.0.2.0/24\"]\nrate = \"2/1h\"\n";
    let serving =
        with(&format!("[server]\ntrusted_proxies = [\"127.0.0.0/8\"]\n{ROUTE}{list}")).await;
    let from = |name: &'static str, value: &'static str| {
        let data = serving.data();
        async move { ask(data, "GET", "/mine", &[(name, value)], Vec::new()).await }
    };
    assert_eq!(from("x-forwarded-for", "192.0.2.1").await.status, 200);
    assert_eq!(from("forwarded", "for=192.0.2.1;proto=https").await.status, 200);
    assert_eq!(from("x-forwarded-for", "192.0.2.1").await.status, 429, "it is the same client");
    assert_eq!(from("x-forwarded-for", "192.0.2.2").await.status, 200, "and this is another");
    // What the client wrote itself stands before what the proxy added.
    assert_eq!(from("x-forwarded-for", "192.0.2.3, 198.51.100.1").await.status, 403);
    assert_eq!(from("forwarded", "for=192.0.2.3, for=198.51.100.1").await.status, 403);
    assert_eq!(from("x-forwarded-for", "198.51.100.1, 192.0.2.3").await.status, 200);
    assert_eq!(serving.get("/mine").await.status, 403, "the proxy itself");
    let both = "GET /mine HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 198.51.100.1\r\nforwarded: for=192.0.2.4\r\n\r\n";
    let answer = raw(serving.data(), both.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("\"forwarded\""), "{answer}");
    // Without trusted proxies nobody is believed.
    let serving = with(&format!("{ROUTE}{list}")).await;
    let answer =
        ask(serving.data(), "GET", "/mine", &[("x-forwarded-for", "192.0.2.1")], Vec::new()).await;
    assert_eq!(answer.code(), "forbidden");
}
