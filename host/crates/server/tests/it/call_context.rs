//! What a plugin learns about the request that it serves, and the metrics that it reports, in each form.

use std::env::consts::{DLL_PREFIX, DLL_SUFFIX};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::Duration;

use plugbay::runtime::{Bucket, GuestMetric, MetricValue};
// This import also keeps the plugin in the program, where it registers itself.
use plugbay_plugin_reporter::Reports;
use plugbay_toolchain::{Build, Toolchain};

use super::support::{Serving, Setup, host, mapping_alone};

pub(crate) const TRACE_PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
const TIMEOUT: Duration = Duration::from_secs(20);

fn manifest() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../plugins/testing/reporter/Cargo.toml")
}

/// The plugin as a component.
pub(crate) static COMPONENT: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let toolchain = Toolchain::find().unwrap_or_else(|error| panic!("{error}"));
    let build = Build {
        target_dir: Some(Path::new(env!("CARGO_TARGET_TMPDIR")).join("reporter")),
        ..Build::new(manifest())
    };
    let built = build.run(&toolchain).unwrap_or_else(|error| panic!("{error}"));
    std::fs::read(&built[0].path_to_component).unwrap()
});

/// The plugin as a native library.
static LIBRARY: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("reporter-native");
    let built = Command::new(env!("CARGO"))
        .args(["rustc", "--quiet", "--locked", "--lib", "--crate-type", "cdylib"])
        .arg("--manifest-path")
        .arg(manifest())
        .arg("--target-dir")
        .arg(&target)
        .output()
        .unwrap();
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let file = format!("{DLL_PREFIX}plugbay_plugin_reporter{DLL_SUFFIX}");
    std::fs::read(target.join("debug").join(file)).unwrap()
});

pub(crate) fn native(isolation: &str) -> Setup {
    let toml = format!("[defaults]\nisolation = {isolation:?}\n");
    host().toml(&toml).file("reporter.so", &LIBRARY)
}

/// Serves the plugin, which in each form is called in the same way.
pub(crate) async fn serve(setup: Setup) -> Serving {
    let serving = setup.set("server.timeout", "20s").set("defaults.deadline", "30s").serve().await;
    let rejected = serving.admin_get("/v1/rejected").await;
    assert!(serving.server.host().handler("reporter").is_ok(), "{}", rejected.text());
    serving
}

/// Asks for a report with and without ids of the client, and compares it with the request.
async fn assert_reports(serving: &Serving) {
    let generation = serving.server.host().status().generation;
    let named =
        [("x-request-id", "client-7"), ("traceparent", TRACE_PARENT), ("tracestate", "vendor=1")];
    let invalid = [("traceparent", "00-0-0-00"), ("tracestate", "vendor=1")];
    for headers in [&named[..], &invalid, &[]] {
        let answer = serving.send("GET", "/report", headers, "").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let id = answer.header("x-request-id").expect("an id");
        let is_named = headers.len() == named.len();
        assert_eq!(id == "client-7", is_named, "{id}");
        let trace_parent = is_named.then_some(TRACE_PARENT);
        let Reports { handler, codec } = serde_json::from_slice(&answer.body).unwrap();
        for report in [&handler, &codec] {
            assert_eq!(report.request_id.as_deref(), Some(id));
            assert_eq!(report.generation, Some(generation));
            assert_eq!(report.trace_parent.as_deref(), trace_parent);
            assert_eq!(report.trace_state.as_deref(), is_named.then_some("vendor=1"));
        }
        let left = handler.time_left.expect("the request has a deadline");
        assert!(left > 0 && u128::from(left) <= TIMEOUT.as_nanos(), "{left}");
        // A nested call shares the deadline of its caller, and begins later.
        let nested = codec.time_left.expect("the same deadline");
        assert!(nested > 0 && nested <= left, "{nested} of {left}");
    }
}

/// Checks the metrics after three reports.
fn assert_metrics(serving: &Serving) {
    let status = serving.server.host().status();
    let plugin = status.plugins.into_iter().find(|it| it.name == "reporter").unwrap();
    let value = MetricValue::Histogram {
        buckets: vec![Bucket { le: 10.0, count: 0 }, Bucket { le: 10_000.0, count: 3 }],
        sum: 61_200.0,
        count: 6,
    };
    let histogram = GuestMetric {
        name: "answer_bytes".into(),
        help: "The size of an answer.".into(),
        unit: "bytes".into(),
        value,
    };
    let help = "Reports that were written.".into();
    let counter = GuestMetric { help, ..GuestMetric::counter("reports", 6) };
    assert_eq!(plugin.stats.metrics, [histogram, counter]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_knows_its_call_and_reports_histograms() {
    let serving = serve(host().file("reporter.wasm", &COMPONENT)).await;
    assert_reports(&serving).await;
    assert_metrics(&serving);
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_library_in_this_process_knows_its_call_and_reports_histograms() {
    let _alone = mapping_alone().await;
    let serving = serve(native("in-process")).await;
    assert_reports(&serving).await;
    assert_metrics(&serving);
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_library_in_a_worker_knows_its_call_and_reports_histograms() {
    let serving = serve(native("process")).await;
    assert_reports(&serving).await;
    assert_metrics(&serving);
}

#[cfg(feature = "bundled")]
#[tokio::test(flavor = "multi_thread")]
async fn a_linked_plugin_knows_its_call_and_reports_histograms() {
    let serving = serve(host().bundled()).await;
    assert_reports(&serving).await;
    assert_metrics(&serving);
}
