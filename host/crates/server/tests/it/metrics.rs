//! `/metrics`, read by Prometheus's own tools.

#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};

use plugbay_fixtures::{Behaviour, Export, Guest};
use plugbay_server::HostedDirectory;

use super::receiver::{By, Manner, Receiver};
use super::support::{Answer, ask, host, try_ask, until};

/// Runs `promtool check metrics`: the parser of Prometheus, and its rules for names and help.
///
/// `promtool` is part of the Debian package `prometheus`, which `cargo xtask test` installs. Without it the
/// test fails: a check that is skipped is no check.
fn promtool(text: &str) {
    let tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut tool = tool.unwrap_or_else(|error| {
        panic!("expected promtool, of the Debian package prometheus, which `cargo xtask test --yes` installs: {error}")
    });
    tool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = tool.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "promtool: {said}\n{text}");
}

/// The value of a series, by its name and labels.
fn value(text: &str, series: &str) -> Option<f64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
    rest.parse().ok()
}

fn series(answer: &Answer, series: &str) -> f64 {
    let text = answer.text();
    value(&text, series).unwrap_or_else(|| panic!("{series} is missing in {text}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_every_figure() {
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo").route("GET", "/echo"))
        .plugin("trap.wasm", &Guest::codec("trap").on(Export::Encode, Behaviour::Trap))
        .file("broken.wasm", &plugbay_fixtures::core_module())
        .serve()
        .await;
    assert_eq!(serving.get("/echo").await.status, 200);
    assert_eq!(serving.send("POST", "/v1/codecs/trap/encode", &[], "1").await.status, 502);
    assert_eq!(serving.send("POST", "/v1/codecs/tarp/encode", &[], "1").await.status, 404);

    let answer = serving.admin_get("/metrics").await;
    assert_eq!(answer.header("content-type"), Some("text/plain; version=0.0.4; charset=utf-8"));
    promtool(&answer.text());
    assert_eq!(series(&answer, "registry_size"), 2.0);
    assert_eq!(series(&answer, "registry_register_total{outcome=\"success\"}"), 2.0);
    assert_eq!(series(&answer, "registry_register_total{outcome=\"invalid\"}"), 1.0);
    assert_eq!(series(&answer, "registry_lookup_total{outcome=\"miss\"}"), 1.0);
    assert!(series(&answer, "registry_lookup_total{outcome=\"hit\"}") >= 2.0);
    assert!(series(&answer, "registry_reload_total{outcome=\"published\"}") >= 1.0);
    assert!(series(&answer, "registry_reload_duration_seconds_count") >= 1.0);
    assert_eq!(series(&answer, "plugbay_generation"), 1.0);
    assert_eq!(series(&answer, "plugbay_rejected"), 1.0);
    assert_eq!(series(&answer, "plugbay_rejections_total{reason=\"core-module\"}"), 1.0);
    let of = |plugin: &str, labels: &str| {
        format!("plugbay_calls_total{{plugin=\"{plugin}\",version=\"1.0.0\",outcome=\"{labels}\"}}")
    };
    assert_eq!(series(&answer, &of("echo", "answered")), 1.0);
    assert_eq!(series(&answer, &of("echo", "trap")), 0.0);
    assert_eq!(series(&answer, &of("trap", "trap")), 1.0);
    let plugin = "{plugin=\"trap\",version=\"1.0.0\"}";
    assert_eq!(series(&answer, &format!("plugbay_plugin_instances_discarded_total{plugin}")), 1.0);
    assert!(series(&answer, &format!("plugbay_plugin_code_bytes{plugin}")) > 0.0);
    let status = serving.admin_get("/v1/plugins/echo").await.json();
    let digest = status["digest"].as_str().unwrap();
    let info = format!(
        "plugbay_plugin_info{{plugin=\"echo\",version=\"1.0.0\",digest=\"{digest}\",form=\"wasm\"}}"
    );
    assert_eq!(series(&answer, &info), 1.0);
    assert_eq!(series(&answer, "plugbay_collector_up{collector=\"host\"}"), 1.0);
}

/// The families that are there only with `[telemetry]`.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_reads_the_figures_of_the_exporter() {
    let receiver = Receiver::start(By::Grpc, Manner::Accepts).await;
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo").route("GET", "/echo"))
        .set("telemetry.endpoint", &receiver.endpoint())
        .set("telemetry.sampling", "1.0")
        .serve()
        .await;
    assert_eq!(serving.get("/echo").await.status, 200);
    let exported = "plugbay_spans_exported_total";
    until("spans are exported", async || {
        series(&serving.admin_get("/metrics").await, exported) >= 2.0
    })
    .await;
    let answer = serving.admin_get("/metrics").await;
    promtool(&answer.text());
    for reason in ["queue-full", "failed", "rejected", "stopped"] {
        let dropped = format!("plugbay_spans_dropped_total{{reason=\"{reason}\"}}");
        assert_eq!(series(&answer, &dropped), 0.0);
    }
    let asks = [("accept", "application/openmetrics-text;version=1.0.0")];
    let open = ask(serving.admin(), "GET", "/metrics", &asks, Vec::new()).await.text();
    // The name of a family has no suffix there.
    assert!(open.contains("# TYPE plugbay_spans_exported counter\n"), "{open}");
    assert!(open.contains("# TYPE plugbay_spans_dropped counter\n"), "{open}");
}

/// A look that changes nothing is counted too, and a new version keeps the counts of the old one.
#[tokio::test(flavor = "multi_thread")]
async fn reloads_are_counted_and_a_retired_version_is_still_read() {
    let serving = host()
        .set("host.rescan", "1day")
        .plugin("echo.wasm", &Guest::handler("echo").route("GET", "/echo"))
        .serve()
        .await;
    let unchanged = "registry_reload_total{outcome=\"unchanged\"}";
    let before = series(&serving.admin_get("/metrics").await, unchanged);
    serving.reload().await;
    assert!(series(&serving.admin_get("/metrics").await, unchanged) > before);

    assert_eq!(serving.get("/echo").await.status, 200);
    serving.deploy("echo.wasm", &Guest::handler("echo").version("2.0.0").route("GET", "/echo"));
    serving.reload().await;
    until("the old version is drained", async || {
        serving.admin_get("/v1/generations").await.json()["draining"] == serde_json::json!([])
    })
    .await;
    let answer = serving.admin_get("/metrics").await;
    promtool(&answer.text());
    let old = "plugbay_calls_total{plugin=\"echo\",version=\"1.0.0\",outcome=\"answered\"}";
    assert_eq!(series(&answer, old), 1.0);
    assert_eq!(
        value(&answer.text(), "plugbay_calls_in_flight{plugin=\"echo\",version=\"1.0.0\"}"),
        None
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn openmetrics_is_written_if_it_is_asked_for() {
    let serving = host().plugin("echo.wasm", &Guest::codec("echo")).serve().await;
    let accept = [("accept", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5")];
    let answer = ask(serving.admin(), "GET", "/metrics", &accept, Vec::new()).await;
    let expected = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    assert_eq!(answer.header("content-type"), Some(expected));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# TYPE plugbay_plugin info\n"), "{text}");
    let post = ask(serving.admin(), "POST", "/metrics", &[], Vec::new()).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
}

/// A Prometheus that scrapes one target every second. Ends when it is dropped.
pub(super) struct Prometheus {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Prometheus {
    pub(super) fn of(target: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "global: {{scrape_interval: 1s}}\nscrape_configs:\n- job_name: plugbay\n  \
             static_configs: [{{targets: [\"{target}\"]}}]\n"
        );
        let file = folder.path().join("prometheus.yml");
        std::fs::write(&file, config).unwrap();
        // It cannot choose a port by itself. This one is free now.
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("expected prometheus, of the Debian package prometheus, which `cargo xtask test --yes` installs: {error}")
        });
        Self { child, address, _folder: folder }
    }

    /// The values that a query finds, as JSON; `None` while it does not answer.
    pub(super) async fn query(&self, query: &str) -> Option<Vec<serde_json::Value>> {
        let path = format!("/api/v1/query?query={query}");
        let answer = try_ask(self.address, "GET", &path, &[], Vec::new()).await.ok()?;
        serde_json::from_slice::<serde_json::Value>(&answer.body).ok()?["data"]["result"]
            .as_array()
            .cloned()
    }
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Prometheus asks for `OpenMetrics`, and takes an answer as a whole or not at all.
#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_the_server() {
    let serving =
        host().plugin("echo.wasm", &Guest::handler("echo").route("GET", "/echo")).serve().await;
    assert_eq!(serving.get("/echo").await.status, 200);
    let prometheus = Prometheus::of(serving.admin());
    let calls = "plugbay_calls_total%7Bplugin=%22echo%22,outcome=%22answered%22%7D";
    until("prometheus has scraped the server", async || {
        prometheus.query(calls).await.is_some_and(|found| !found.is_empty())
    })
    .await;
    let found = prometheus.query(calls).await.unwrap();
    assert_eq!((&*found[0]["value"][1].to_string(), found.len()), ("\"1\"", 1), "{found:?}");
    // The identity can be joined.
    let joined = format!("{calls}*on(plugin,version)group_left(form)plugbay_plugin_info");
    let found = prometheus.query(&joined).await.unwrap();
    assert_eq!(found[0]["metric"]["form"], "wasm", "{found:?}");
}

/// The families of the server itself, beside those of its host.
#[tokio::test(flavor = "multi_thread")]
async fn the_reference_has_the_families_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).display().to_string();
    plugbay_server::new_token(file("tokens").as_ref(), "ada", plugbay_server::Role::Viewer)
        .unwrap();
    let key = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    std::fs::write(file("tls.pem"), key.cert.pem()).unwrap();
    std::fs::write(file("tls.key"), key.signing_key.serialize_pem()).unwrap();
    let tls = format!("{{ certificate = '{}', key = '{}' }}", file("tls.pem"), file("tls.key"));
    let serving = host()
        .set("admin.tokens", &file("tokens"))
        .set("admin.audit", &file("audit"))
        .set("server.tls", &tls)
        .set("discovery.enabled", "true")
        .set("discovery.listen", "127.0.0.1:0")
        .serve()
        .await;
    let server = &serving.server;
    let _directory =
        HostedDirectory::start(server.host(), server.data_addresses(), None).await.unwrap();
    let of_a_host = host().serve().await.server.host().collectors().families();
    let known = |name: &str| of_a_host.iter().any(|family| family.name() == name);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (_, table) = page.split_once("## Reference of the server").unwrap();
    let mut listed: Vec<&str> = table.lines().filter(|line| line.starts_with("| `")).collect();
    for family in serving.server.host().collectors().families() {
        if known(family.name()) {
            continue;
        }
        let labels: Vec<String> =
            family.label_names().iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (family.name(), family.kind().as_str(), family.help());
        let row = format!("| `{name}` | {kind} | {} | {help} |", labels.join(", "));
        assert!(listed.contains(&&*row), "docs/metrics.md has no row\n{row}");
        listed.retain(|line| *line != row);
    }
    assert!(listed.is_empty(), "docs/metrics.md: remove {listed:?}");
}
