//! What `deploy/` offers to those who watch a host: rules of alerts, their runbooks, and a dashboard.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use plugbay_fixtures::{Behaviour, Export, Guest};
use serde_json::Value;

use super::metrics::Prometheus;
use super::support::{host, until};

fn root() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "..", "..", ".."].iter().collect()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn promtool(arguments: &[&str]) {
    let tool = Command::new("promtool").args(arguments).current_dir(root()).output();
    let output = tool.unwrap_or_else(|error| {
        panic!("expected promtool, of the Debian package prometheus, which `cargo xtask test --yes` installs: {error}")
    });
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
}

#[test]
fn the_rules_of_the_alerts_do_what_their_tests_say() {
    promtool(&["check", "rules", "deploy/prometheus/plugbay.rules.yml"]);
    promtool(&["test", "rules", "deploy/prometheus/plugbay.rules.test.yml"]);
}

/// The values of a key of the rules, which has one line each.
fn values<'a>(rules: &'a str, key: &str) -> Vec<&'a str> {
    let key = format!("{key}: ");
    rules
        .lines()
        .filter_map(|line| line.trim_start_matches([' ', '-']).strip_prefix(&*key))
        .collect()
}

#[test]
fn every_alert_has_a_test_and_a_runbook_and_every_runbook_an_alert() {
    let rules = read("deploy/prometheus/plugbay.rules.yml");
    let alerts = values(&rules, "alert");
    assert!(alerts.len() >= 8, "{alerts:?}");
    let expected: Vec<String> =
        alerts.iter().map(|alert| format!("docs/runbooks/{alert}.md")).collect();
    assert_eq!(values(&rules, "runbook_url"), expected);
    let tests = read("deploy/prometheus/plugbay.rules.test.yml");
    for (alert, path) in alerts.iter().zip(&expected) {
        assert!(read(path).starts_with(&format!("# {alert}\n")), "{path}");
        let tested = tests.lines().filter(|line| line.contains(&format!("alertname: {alert}")));
        assert!(tested.count() >= 2, "{alert} is not tested when it fires and when it does not");
        assert!(tests.contains(&format!("runbook_url: {path}")), "{alert} never fires in a test");
    }
    let pages = std::fs::read_dir(root().join("docs/runbooks")).unwrap();
    let pages: BTreeSet<String> = pages
        .map(|entry| format!("docs/runbooks/{}", entry.unwrap().file_name().to_string_lossy()))
        .collect();
    assert_eq!(pages, expected.iter().cloned().collect());
}

#[test]
fn the_commands_and_metrics_of_the_runbooks_exist() {
    let known = read("docs/metrics.md");
    let rules = read("deploy/prometheus/plugbay.rules.yml");
    for alert in values(&rules, "alert") {
        let page = read(&format!("docs/runbooks/{alert}.md"));
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
        let words = page.split(|letter: char| !is_name(letter));
        for name in words.filter(|word| word.starts_with("plugbay_") && word.len() > 8) {
            assert!(known.contains(&format!("| `{name}` |")), "{alert}: no metric {name}");
        }
        for line in page.lines().filter(|line| line.starts_with("plugbay ")) {
            let command = line.split('#').next().unwrap();
            let words: Vec<&str> = command.split_whitespace().skip(1).collect();
            let help =
                Command::new(env!("CARGO_BIN_EXE_plugbay")).args(&words).arg("--help").output();
            let help = help.unwrap();
            assert!(help.status.success(), "{alert}: {command}: {help:?}");
        }
        // Links to other pages.
        for link in page.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = root().join("docs/runbooks").join(link);
            assert!(path.is_file(), "{alert}: {link}");
        }
    }
}

/// All queries of the dashboard, with values for its variables.
fn queries(dashboard: &Value) -> Vec<(String, String)> {
    let panels = dashboard["panels"].as_array().unwrap();
    let mut queries = Vec::new();
    for panel in panels {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().unwrap();
            let query = ["$job", "$instance", "$plugin"]
                .iter()
                .fold(query.to_owned(), |it, name| it.replace(&format!("\"{name}\""), "\".*\""));
            let query = query.replace("$__rate_interval", "1m");
            assert!(!query.contains('$'), "a variable that the test does not know: {query}");
            queries.push((panel["title"].as_str().unwrap().to_owned(), query));
        }
    }
    queries
}

fn encoded(query: &str) -> String {
    utf8_percent_encode(query, NON_ALPHANUMERIC).to_string()
}

/// Whether the answer has a value: a quantile of nothing is no value.
fn has_value(series: &[Value]) -> bool {
    series.iter().any(|it| it["value"][1].as_str().is_some_and(|value| value != "NaN"))
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_answers_every_query_of_the_dashboard() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/plugbay.json")).unwrap();
    let queries = queries(&dashboard);
    assert!(queries.len() > 25, "{}", queries.len());
    let slow = Behaviour::Wait(Duration::from_millis(20));
    let serving = host()
        .set("plugins.slow.instances", "1")
        .set("defaults.breaker_open", "100ms")
        .plugin("slow.wasm", &Guest::handler("slow").on(Export::Handle, slow).route("GET", "/slow"))
        .plugin("trap.wasm", &Guest::codec("trap").on(Export::Encode, Behaviour::Trap))
        .serve()
        .await;
    let prometheus = Prometheus::of(serving.admin());
    let missing = Mutex::new(queries);
    until("prometheus answers every query", async || {
        // Two calls at once, so that one waits; and failures, until the breaker opens.
        let (first, second) = tokio::join!(serving.get("/slow"), serving.get("/slow"));
        assert_eq!((first.status, second.status), (200, 200));
        serving.send("POST", "/v1/codecs/trap/encode", &[], "1").await;
        serving.reload().await;
        let mut still = Vec::new();
        let asked = std::mem::take(&mut *missing.lock().unwrap());
        for (title, query) in asked {
            let answer = prometheus.query(&encoded(&query)).await;
            if !answer.is_some_and(|series| has_value(&series)) {
                still.push((title, query));
            }
        }
        if !still.is_empty() {
            eprintln!("no answer yet: {still:?}");
        }
        let is_done = still.is_empty();
        *missing.lock().unwrap() = still;
        is_done
    })
    .await;
    for variable in dashboard["templating"]["list"].as_array().unwrap() {
        let Some(query) = variable["definition"].as_str() else { continue };
        // `label_values(series, label)`
        let inner =
            query.strip_prefix("label_values(").and_then(|it| it.strip_suffix(')')).unwrap();
        let (series, label) = inner.rsplit_once(", ").unwrap();
        let series = series.replace("$job", ".*").replace("$instance", ".*");
        let found = prometheus.query(&encoded(&series)).await.unwrap();
        assert!(found.iter().any(|it| it["metric"][label].is_string()), "{query}: {found:?}");
    }
}
