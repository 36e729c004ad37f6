//! A route of a plugin that is known and does not serve is answered with 503, and says which plugin and why.

use std::time::Duration;

use plugbay_fixtures::{Behaviour, ErrorKind, Export, Guest};
use serde_json::Value;

use super::support::{Answer, SOON, Serving, ask, host, until};

/// The code of a 503, after checking what all of them have.
fn unavailable(answer: &Answer, plugin: &str, wait: &str) -> String {
    assert_eq!(answer.status, 503, "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some(wait), "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["plugin"], plugin, "{answer:?}");
    assert!(problem["detail"].as_str().unwrap().contains(plugin), "{answer:?}");
    answer.code()
}

/// The state of each route, as the admin plane lists them.
async fn states(serving: &Serving) -> Vec<(String, String)> {
    let status = serving.admin_get("/v1/status").await.json();
    let text = |route: &Value, key: &str| route[key].as_str().unwrap().to_owned();
    let routes = status["routes"].as_array().unwrap().iter();
    routes.map(|route| (text(route, "path"), text(route, "state"))).collect()
}

async fn act(serving: &Serving, path: &str) -> Answer {
    ask(serving.admin(), "POST", path, &[], Vec::new()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disabled_plugin_is_not_a_missing_route() {
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .plugin("off.wasm", &Guest::handler("off"))
        .toml("[plugins.off]\nenabled = false\n")
        .serve()
        .await;
    // It was described, though it never ran.
    assert_eq!(unavailable(&serving.get("/off").await, "off@1.0.0", "60"), "disabled");
    assert_eq!(act(&serving, "/v1/plugins/echo/disable").await.status, 200);
    assert_eq!(unavailable(&serving.get("/echo").await, "echo@1.0.0", "60"), "disabled");
    assert_eq!(serving.send("DELETE", "/echo", &[], "").await.status, 404, "no such route");
    assert_eq!(serving.get("/never-described").await.code(), "not-found");
    let disabled = |path: &str| (path.to_owned(), "disabled".to_owned());
    assert_eq!(states(&serving).await, [disabled("/echo"), disabled("/off")]);
    assert_eq!(act(&serving, "/v1/plugins/echo/enable").await.status, 200);
    assert_eq!(serving.get("/echo").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_plugin_says_so_on_its_own_and_on_configured_routes() {
    let broken = Guest::handler("broken")
        .on(Export::Init, Behaviour::Error(ErrorKind::Unavailable, "no".into()));
    let serving = host()
        .plugin("broken.wasm", &broken)
        .toml("[[routes]]\npath = \"/mine\"\nhandler = \"broken\"\n[[routes]]\npath = \"/none\"\nhandler = \"none\"\n")
        .serve()
        .await;
    for path in ["/broken", "/mine"] {
        let answer = serving.get(path).await;
        assert_eq!(unavailable(&answer, "broken@1.0.0", "60"), "rejected", "{path}");
        assert!(answer.json()["detail"].as_str().unwrap().contains("init"), "{answer:?}");
    }
    assert_eq!(serving.get("/none").await.code(), "unavailable", "no plugin is known to have it");
    let states = states(&serving).await;
    let states: Vec<_> = states.iter().map(|(path, state)| (&**path, &**state)).collect();
    assert_eq!(states, [("/broken", "rejected"), ("/mine", "rejected"), ("/none", "unknown")]);
    // Whatever serves in its place is served.
    serving.deploy("broken.wasm", &Guest::handler("broken"));
    serving.reload().await;
    assert_eq!(serving.get("/broken").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_plugin_drains_before_its_route_is_gone() {
    let slow = Guest::handler("slow").on(Export::Handle, Behaviour::Wait(Duration::from_secs(2)));
    let serving = host().plugin("slow.wasm", &slow).serve().await;
    let data = serving.data();
    let in_flight =
        tokio::spawn(async move { ask(data, "GET", "/slow", &[], Vec::new()).await.status });
    let serving = &serving;
    until("the call began", || async {
        serving.admin_get("/v1/plugins/slow").await.json()["leases"] != 0
    })
    .await;
    std::fs::remove_file(serving.setup.plugins().join("slow.wasm")).unwrap();
    serving.reload().await;
    assert_eq!(unavailable(&serving.get("/slow").await, "slow@1.0.0", "5"), "draining");
    assert_eq!(in_flight.await.unwrap(), 200);
    until("the route is gone", || async { serving.get("/slow").await.status == 404 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_that_starts_is_told() {
    let serving = host().plugin("echo.wasm", &Guest::handler("echo")).serve().await;
    let late = Guest::handler("late").on(Export::Init, Behaviour::Wait(Duration::from_secs(3)));
    serving.deploy("late.wasm", &late);
    let serving = &serving;
    let mut seen = Vec::new();
    let end = std::time::Instant::now() + SOON;
    while seen.last() != Some(&200) && std::time::Instant::now() < end {
        let answer = serving.get("/late").await;
        if answer.status == 503 {
            assert_eq!(unavailable(&answer, "late@1.0.0", "1"), "starting");
        }
        seen.push(answer.status);
        seen.dedup();
        assert_eq!(serving.get("/echo").await.status, 200, "the others serve");
    }
    assert_eq!(seen, [404, 503, 200]);
}
