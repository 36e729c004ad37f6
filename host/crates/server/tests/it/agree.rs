//! H5: the library, HTTP and the command line agree on every figure.

use std::path::Path;
use std::time::Duration;

use plugbay_fixtures::{Behaviour, Export, Guest};
use plugbay_server::admin::{names, registry};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;

use super::cli::plugbay;
use super::support::{Serving, host, mapping_alone, until};

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_agrees() {
    let both = Guest::both("both").version("2.1.0").schema(r#"{"type":"object"}"#);
    let serving = host()
        .bundled()
        .plugin("both.wasm", &both)
        .plugin("echo.wasm", &Guest::codec("echo"))
        .file("broken.wasm", &plugbay_fixtures::core_module())
        .file("text.wasm", &plugbay_fixtures::not_wasm())
        .serve()
        .await;
    let library = assert_agreement(&serving).await;
    assert!(library["plugins"].as_array().unwrap().len() >= 2);
    assert_eq!(library["rejected"].as_array().unwrap().len(), 2);
    assert_plugin_agrees(&serving, "both").await;
    assert_plugin_agrees(&serving, "codec:both").await;

    // The data plane lists the same codecs.
    let codecs = serving.get("/v1/codecs").await.json();
    let names: Vec<_> = codecs["codecs"].as_array().unwrap().iter().map(|it| &it["name"]).collect();
    assert_eq!(json!(names), json!(serving.server.host().names("codec")));
}

/// Several providers, a version on trial, a draining version, mapped libraries; and then a
/// rollback.
#[tokio::test(flavor = "multi_thread")]
async fn every_figure_agrees_during_changes() {
    let _alone = mapping_alone().await;
    let shared = |name: &str| Guest::codec(name).capability("codec", "shared");
    let slow =
        Guest::handler("slow").on(Export::Handle, Behaviour::Wait(Duration::from_secs(3600)));
    let mut setup = host()
        .plugin("one.wasm", &shared("one"))
        .plugin("two.wasm", &shared("two"))
        .plugin("tried.wasm", &Guest::codec("tried"))
        .plugin("slow.wasm", &slow)
        .set("host.drain", "1h")
        .set("server.timeout", "1h")
        .toml(
            "[defaults]\nhealth_every = '0s'\nisolation = 'in-process'\ndeadline = '1day'\n\
             [plugins.slow.grants]\nclocks = true\n\
             [capabilities.'codec:shared']\nstrategy = 'split'\nproviders = ['two', 'one']\n\
             [capabilities.'codec:tried']\nstrategy = 'canary'\nevery = '1h'\n",
        );
    let libraries = tempfile::tempdir().unwrap();
    let library = library(libraries.path());
    if let Some(library) = &library {
        setup = setup.file("rot13.so", library);
    }
    let serving = &setup.serve().await;
    let status = || serving.server.host().status();
    let mut client = tokio::net::TcpStream::connect(serving.data()).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    until("a call", || async { status().plugins.iter().any(|it| it.leases == 1) }).await;
    serving.deploy("tried.wasm", &Guest::codec("tried").version("2.0.0"));
    std::fs::remove_file(serving.setup.plugins().join("slow.wasm")).unwrap();
    until("a trial, and a version that drains", || async {
        let now = status();
        now.draining.len() == 1 && now.plugins.iter().any(|it| it.trial.is_some())
    })
    .await;
    let now = assert_agreement(serving).await;
    assert_eq!(now["libraries"].as_array().unwrap().len(), usize::from(library.is_some()));
    for what in ["tried", "codec:tried", "codec:shared", "one"] {
        assert_plugin_agrees(serving, what).await;
    }
    let listed = |kind: &str| {
        let view = registry(&status(), kind).unwrap();
        let entries = view.entries.into_iter().map(|it| {
            let version = it.version.unwrap_or_default();
            (it.name, format!("{}@{version} {}", it.plugin, it.state.as_str()))
        });
        entries.collect::<Vec<_>>()
    };
    let codecs = listed("codec");
    for (name, providers) in [
        ("shared", &["two@1.0.0 running", "one@1.0.0 running"][..]),
        ("tried", &["tried@1.0.0 running", "tried@2.0.0 canary"]),
    ] {
        let found = codecs.iter().filter(|(it, _)| it == name).map(|(_, state)| &**state);
        assert_eq!(found.collect::<Vec<_>>(), providers);
    }
    assert!(listed("plugins").iter().any(|(_, state)| state == "slow@1.0.0 draining"));

    serving.server.host().roll_back(1).await.unwrap();
    until("the trial drains", || async { status().draining.len() == 1 }).await;
    let now = assert_agreement(serving).await;
    assert_eq!((&now["pinned"], now["history"].as_array().unwrap().len() > 2), (&1.into(), true));
    assert_plugin_agrees(serving, "tried").await;
    assert_plugin_agrees(serving, "slow").await;
    drop(client);
}

#[cfg(unix)]
fn library(folder: &Path) -> Option<Vec<u8>> {
    super::native::rot13(folder, "1.0.0").map(|library| std::fs::read(library).unwrap())
}

#[cfg(not(unix))]
fn library(_: &Path) -> Option<Vec<u8>> {
    None
}

/// Asserts that the library, HTTP and the command line agree. Returns the library's status.
async fn assert_agreement(serving: &Serving) -> Value {
    let status = || serving.server.host().status();
    // The warnings about a configuration follow its generation.
    until("library and HTTP agree", || async {
        let library = serde_json::to_value(status()).unwrap();
        library == serving.admin_get("/v1/status").await.json()
    })
    .await;
    let status = status();
    let library = serde_json::to_value(&status).unwrap();

    // Each part of the HTTP API equals that part of the library's status.
    for part in ["plugins", "rejected"] {
        let http = serving.admin_get(&format!("/v1/{part}")).await.json();
        assert_eq!(http[part], library[part], "{part}");
        assert_eq!(http["generation"], library["generation"], "{part}");
    }
    let generations = serving.admin_get("/v1/generations").await.json();
    for part in ["generation", "published_at", "pinned", "history", "draining", "pending_restart"] {
        assert_eq!(generations[part], library[part], "{part}");
    }
    assert_eq!(generations, cli_json(serving, &["generations"]).await);

    assert_eq!(cli_json(serving, &["status"]).await, library);
    let rejected = cli_json(serving, &["list", "rejected"]).await;
    assert_eq!(rejected, serving.admin_get("/v1/rejected").await.json());
    let kinds = serving.admin_get("/debug/registry").await.json();
    assert_eq!(kinds["names"], json!(names(&status.capabilities)));
    assert_text_agrees(serving, &library).await;

    // The registry of each kind: library, HTTP, command line; with the figures of the status.
    for (name, what) in [("plugins", "plugins"), ("codec", "codecs"), ("handler", "handlers")] {
        let view = serde_json::to_value(registry(&status, name).unwrap()).unwrap();
        let http = serving.admin_get(&format!("/debug/registry/{name}")).await.json();
        assert_eq!(view, http, "{name}");
        assert_eq!(view, cli_json(serving, &["list", what]).await, "{name}");
        let entries = view["entries"].as_array().unwrap();
        for entry in entries {
            assert_same_figures(entry, &library);
        }
        if name != "plugins" {
            let mut names: Vec<_> = entries.iter().map(|entry| entry["name"].clone()).collect();
            names.dedup();
            assert_eq!(json!(names), json!(serving.server.host().names(name)), "{name}");
        }
    }
    library
}

/// Asserts that what the command line prints for people names the same plugins, versions, states and reasons.
async fn assert_text_agrees(serving: &Serving, library: &Value) {
    let figure = |it: &Value, name: &str| it[name].as_str().unwrap_or_default().to_owned();
    let rows = |part: &str, columns: &[&str]| {
        let rows = library[part].as_array().unwrap().iter();
        rows.map(|it| columns.iter().map(|name| figure(it, name)).collect::<Vec<_>>())
            .collect::<Vec<_>>()
    };
    let listed = cli(serving, &["list", "plugins"]).await;
    let status = cli(serving, &["status"]).await;
    for (text, part, columns) in [
        (&listed, "plugins", &["name", "version", "state"][..]),
        (&status, "plugins", &["name", "version", "form"]),
        (&status, "rejected", &["source", "reason"]),
    ] {
        for row in rows(part, columns) {
            let shown = |line: &str| {
                let words: Vec<_> = line.split_whitespace().collect();
                row.iter().all(|figure| words.contains(&&**figure))
            };
            assert!(text.lines().any(shown), "{row:?} in {text}");
        }
    }
    let generation = format!("generation {}", library["generation"]);
    assert_eq!(status.lines().next(), Some(&*generation));
    let serving = library["plugins"].as_array().unwrap().len();
    assert_eq!(listed.lines().count(), serving + 1, "the head, and a line for each: {listed}");
}

/// Asserts that the registry and the status agree about a plugin.
fn assert_same_figures(entry: &Value, library: &Value) {
    let (part, figures) = match entry["state"].as_str().unwrap() {
        "rejected" => ("rejected", &["source", "reason"][..]),
        "draining" => ("draining", &[][..]),
        _ => ("plugins", &["version", "size", "source", "generation", "state"][..]),
    };
    let of = |it: &&Value| {
        let named = it["name"] == entry["plugin"] || part != "plugins";
        named && it["digest"] == entry["digest"]
    };
    let it = library[part].as_array().unwrap().iter().find(of);
    let it = it.unwrap_or_else(|| panic!("not in {part}: {entry}"));
    for figure in figures {
        assert_eq!(entry[figure], it[figure], "{figure} of {entry}");
    }
}

/// Asserts that all agree about one plugin, by its name or a capability, and about its version on
/// trial.
async fn assert_plugin_agrees(serving: &Serving, what: &str) {
    let mut http = serving.admin_get(&format!("/v1/plugins/{what}")).await.json();
    assert_eq!(http, cli_json(serving, &["inspect", what]).await, "{what}");
    let canary = http.as_object_mut().unwrap().remove("canary");
    let library = serde_json::to_value(serving.server.host().status()).unwrap();
    let all = library["plugins"].as_array().unwrap();
    let versions: Vec<_> = all.iter().filter(|it| it["name"] == http["name"]).cloned().collect();
    assert_eq!(std::iter::once(http).chain(canary).collect::<Vec<_>>(), versions, "{what}");
}

/// The output of the program, as JSON.
async fn cli_json(serving: &Serving, arguments: &[&str]) -> Value {
    let text = cli(serving, &[arguments, &["--json"]].concat()).await;
    serde_json::from_str(&text).unwrap()
}

/// The output of the program.
async fn cli(serving: &Serving, arguments: &[&str]) -> String {
    let admin = format!("admin.listen={}", serving.admin());
    let mut program = plugbay(arguments);
    program.args(["--set", &admin]).env("COLUMNS", "400");
    let output = tokio::task::spawn_blocking(move || program.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    String::from_utf8(output.stdout).unwrap()
}
