//! One trace from the client into a plugin and the codec that it calls, form by form, as a collector gets it; and
//! calls beside a collector that does not work.

use std::time::Instant;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use plugbay::trace::attributes;
use plugbay_fixtures::{Behaviour, Export, Guest};
use plugbay_plugin_reporter::Reports;

use super::call_context::{COMPONENT, native};
use super::receiver::{By, Manner, Receiver};
use super::support::{Answer, Serving, Setup, host, mapping_alone, until, unused_address};

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const CLIENT: &str = "b7ad6b7169203331";

fn hex(id: &[u8]) -> String {
    data_encoding::HEXLOWER.encode(id)
}

fn text(span: &Span, name: &str) -> String {
    let attribute = span.attributes.iter().find(|it| it.key == name);
    let value = attribute.and_then(|it| it.value.clone()?.value);
    match value.unwrap_or_else(|| panic!("{name} is missing in {span:#?}")) {
        Value::StringValue(text) => text,
        Value::IntValue(number) => number.to_string(),
        other => panic!("{name} is {other:?}"),
    }
}

/// The only span of this name.
fn named<'a>(spans: &'a [Span], name: &str) -> &'a Span {
    let all: Vec<&Span> = spans.iter().filter(|span| span.name == name).collect();
    let [span] = &all[..] else { panic!("expected one span {name}, found {spans:#?}") };
    span
}

fn parent(flags: &str) -> String {
    format!("00-{TRACE}-{CLIENT}-{flags}")
}

/// Serves with traces for this receiver.
async fn serve(setup: Setup, receiver: &Receiver, by: By) -> Serving {
    let protocol = if by == By::Grpc { "grpc" } else { "http" };
    let setup = setup
        .set("telemetry.endpoint", &receiver.endpoint())
        .set("telemetry.protocol", protocol)
        .set("telemetry.service_name", "shop");
    let serving = setup.set("server.timeout", "20s").set("defaults.deadline", "30s").serve().await;
    let rejected = serving.admin_get("/v1/rejected").await;
    assert_eq!(rejected.json()["rejected"].as_array().map(Vec::len), Some(0), "{rejected:?}");
    serving
}

async fn ask(serving: &Serving, path: &str, flags: &str) -> Answer {
    let parent = parent(flags);
    let headers = [("traceparent", &*parent), ("tracestate", "vendor=1"), ("x-request-id", "r-7")];
    serving.send("GET", path, &headers, "").await
}

/// The spans of requests, once there are as many as expected.
async fn requests(receiver: &Receiver, count: usize) -> Vec<Span> {
    let of_request = |span: &&Span| hex(&span.trace_id) == TRACE;
    let enough = |spans: &[Span]| spans.iter().filter(of_request).count() >= count;
    let spans = receiver.wait("the spans of the request", enough).await;
    spans.into_iter().filter(|span| of_request(&span)).collect()
}

/// One trace spans client, host, guest and the guest's nested call.
async fn assert_one_trace(setup: Setup, form: &str, by: By) {
    let receiver = Receiver::start(by, Manner::Accepts).await;
    let serving = serve(setup, &receiver, by).await;
    let answer = ask(&serving, "/report", "01").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let reports: Reports = serde_json::from_slice(&answer.body).unwrap();

    let spans = requests(&receiver, 4).await;
    assert_eq!(spans.len(), 4, "{spans:#?}");
    assert!(spans.iter().all(|span| span.trace_state == "vendor=1"));
    let request = named(&spans, "GET /report");
    assert_eq!((hex(&request.parent_span_id).as_str(), request.kind()), (CLIENT, Kind::Server));
    for (name, value) in [
        (attributes::HTTP_METHOD, "GET"),
        (attributes::HTTP_ROUTE, "/report"),
        (attributes::HTTP_STATUS, "200"),
        (attributes::URL_PATH, "/report"),
        (attributes::URL_SCHEME, "http"),
        (attributes::SERVER_ADDRESS, "127.0.0.1"),
        (attributes::SERVER_PORT, &serving.data().port().to_string()),
        (attributes::CLIENT_ADDRESS, "127.0.0.1"),
        (attributes::PROTOCOL_VERSION, "1.1"),
        (attributes::REQUEST_ID, "r-7"),
    ] {
        assert_eq!(text(request, name), value, "{name}");
    }
    let handler = named(&spans, "handler:reporter");
    let nested = named(&spans, "codecs.decode");
    let codec = named(&spans, "codec:reporter");
    for (child, parent) in [(handler, request), (nested, handler), (codec, nested)] {
        assert_eq!(child.parent_span_id, parent.span_id, "{child:#?}");
        assert!(child.start_time_unix_nano >= parent.start_time_unix_nano);
        assert!(child.end_time_unix_nano <= parent.end_time_unix_nano);
    }
    let generation = serving.server.host().status().generation.to_string();
    for (span, capability) in [(handler, "handler:reporter"), (codec, "codec:reporter")] {
        for (name, value) in [
            (attributes::PLUGIN_NAME, "reporter"),
            (attributes::PLUGIN_VERSION, "0.1.0"),
            (attributes::PLUGIN_FORM, form),
            (attributes::CAPABILITY, capability),
            (attributes::GENERATION, &*generation),
            (attributes::OUTCOME, "answered"),
        ] {
            assert_eq!(text(span, name), value, "{name}");
        }
    }
    assert_eq!(text(nested, attributes::CAPABILITY), "codec:reporter");

    // The guest sees the host's span as its parent, and so does the codec that it calls.
    let seen = |span: &Span| Some(format!("00-{TRACE}-{}-01", hex(&span.span_id)));
    assert_eq!(reports.handler.trace_parent, seen(handler));
    assert_eq!(reports.codec.trace_parent, seen(codec));
    for report in [reports.handler, reports.codec] {
        assert_eq!(report.trace_state.as_deref(), Some("vendor=1"));
    }
    assert_eq!(receiver.service(), "shop");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_trace_spans_client_host_and_component() {
    let setup = host().file("reporter.wasm", &COMPONENT);
    assert_one_trace(setup, "wasm", By::Grpc).await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_spans_client_host_and_library_in_this_process() {
    let _alone = mapping_alone().await;
    assert_one_trace(native("in-process"), "native", By::Http).await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_spans_client_host_and_worker() {
    assert_one_trace(native("process"), "native", By::Grpc).await;
}

#[cfg(feature = "bundled")]
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_spans_client_host_and_linked_plugin() {
    assert_one_trace(host().bundled(), "linked", By::Http).await;
}

/// A guest's own span, by `wasi:otel`, is in the trace of the client, below the host's span of the call: of a request,
/// and of a call from plugin to plugin.
#[tokio::test(flavor = "multi_thread")]
async fn the_spans_of_guests_arrive_in_the_trace_of_the_client() {
    let ends = || Behaviour::EndSpans { spans: 1, attribute: 2, trace: None };
    let outer = Guest::handler("outer")
        .on(Export::Handle, Behaviour::CallCodec("inner".into()))
        .route("GET", "/outer");
    let inner = Guest::codec("inner").version("2.1.0").on(Export::Encode, ends());
    let direct = Guest::handler("direct").on(Export::Handle, ends()).route("GET", "/direct");
    let setup = host()
        .plugin("outer.wasm", &outer)
        .plugin("inner.wasm", &inner)
        .plugin("direct.wasm", &direct)
        .toml("[plugins.inner.grants]\nclocks = true\n[plugins.direct.grants]\nclocks = true\n");
    let receiver = Receiver::start(By::Grpc, Manner::Accepts).await;
    let serving = serve(setup, &receiver, By::Grpc).await;

    assert_eq!(ask(&serving, "/outer", "01").await.status, 200);
    let spans = requests(&receiver, 5).await;
    assert_eq!(spans.len(), 5, "{spans:#?}");
    let request = named(&spans, "GET /outer");
    assert_eq!(hex(&request.parent_span_id), CLIENT);
    let chain = ["GET /outer", "handler:outer", "codecs.encode", "codec:inner", "work"];
    for pair in chain.windows(2) {
        let (parent, child) = (named(&spans, pair[0]), named(&spans, pair[1]));
        assert_eq!(child.parent_span_id, parent.span_id, "{child:#?}");
    }
    let work = named(&spans, "work");
    assert_eq!((hex(&work.trace_id).as_str(), &*work.trace_state), (TRACE, "vendor=1"));
    assert_eq!(text(work, attributes::PLUGIN_NAME), "inner");
    assert_eq!(text(work, attributes::PLUGIN_VERSION), "2.1.0");
    assert_eq!(
        (text(work, "otel.scope.name"), text(work, "items")),
        ("guest-sdk".into(), "3".into())
    );
    assert_eq!(work.end_time_unix_nano - work.start_time_unix_nano, 1_000_000_000);
    assert_eq!((work.events.len(), work.links.len()), (1, 1));

    assert_eq!(ask(&serving, "/direct", "01").await.status, 200);
    let spans = requests(&receiver, 8).await;
    let handler = named(&spans, "handler:direct");
    let is_below = |span: &&Span| span.name == "work" && span.parent_span_id == handler.span_id;
    let own = spans.iter().find(is_below).unwrap_or_else(|| panic!("{spans:#?}"));
    assert_eq!(text(own, attributes::PLUGIN_NAME), "direct");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_not_sampled_makes_no_span() {
    let receiver = Receiver::start(By::Grpc, Manner::Accepts).await;
    let setup = host().file("reporter.wasm", &COMPONENT).set("telemetry.sampling", "0.0");
    let serving = serve(setup, &receiver, By::Grpc).await;
    // Its plugin sees the client's span, as without traces.
    let answer = ask(&serving, "/report", "00").await;
    let Reports { handler, codec } = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(
        (handler.trace_parent, codec.trace_parent),
        (Some(parent("00")), Some(parent("00")))
    );
    // Nor does it see a trace if there is none.
    let answer = serving.get("/report").await;
    let Reports { handler, codec } = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!((handler.trace_parent, codec.trace_parent), (None, None));

    // Spans of a later request are there: those of the earlier ones would be, too.
    ask(&serving, "/report", "01").await;
    requests(&receiver, 4).await;
    let servers = receiver.spans().into_iter().filter(|span| span.kind() == Kind::Server);
    assert_eq!(servers.count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_without_a_trace_begins_one() {
    let receiver = Receiver::start(By::Grpc, Manner::Accepts).await;
    let serving = serve(host().file("reporter.wasm", &COMPONENT), &receiver, By::Grpc).await;
    let answer = serving.get("/report").await;
    let Reports { handler, .. } = serde_json::from_slice(&answer.body).unwrap();
    let is_there = |spans: &[Span]| spans.iter().any(|span| span.name == "GET /report");
    let spans = receiver.wait("the span of the request", is_there).await;
    let request = named(&spans, "GET /report");
    assert!(request.parent_span_id.is_empty());
    let seen = handler.trace_parent.expect("a trace");
    assert!(seen.starts_with(&format!("00-{}-", hex(&request.trace_id))), "{seen}");
    assert!(seen.ends_with("-03"), "sampled, with a random id: {seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_in_the_spans() {
    let receiver = Receiver::start(By::Http, Manner::Accepts).await;
    let trap = Guest::handler("trap").on(Export::Handle, Behaviour::Trap).route("GET", "/trap");
    let serving = serve(host().plugin("trap.wasm", &trap), &receiver, By::Http).await;
    assert_eq!(ask(&serving, "/trap", "01").await.status, 502);
    assert_eq!(ask(&serving, "/nowhere", "01").await.status, 404);

    let spans = requests(&receiver, 3).await;
    let call = named(&spans, "handler:trap");
    assert_eq!(text(call, attributes::OUTCOME), "trap");
    assert_eq!(text(call, attributes::ERROR_TYPE), "trap");
    let status = call.status.as_ref().unwrap();
    assert_eq!(status.code(), StatusCode::Error);
    assert!(status.message.contains("trap@1.0.0"), "{status:?}");
    let request = named(&spans, "GET /trap");
    assert_eq!(text(request, attributes::ERROR_TYPE), "502");
    // It is the client's failure, and the path is in no name.
    let missing = named(&spans, "GET");
    assert_eq!(text(missing, attributes::HTTP_STATUS), "404");
    assert_eq!(
        (missing.status.clone(), text(missing, attributes::URL_PATH)),
        (None, "/nowhere".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_has_a_span_with_its_stages() {
    let receiver = Receiver::start(By::Grpc, Manner::Accepts).await;
    let setup = host().plugin("echo.wasm", &Guest::codec("echo"));
    let serving = serve(setup, &receiver, By::Grpc).await;
    serving.deploy("echo.wasm", &Guest::codec("echo").version("1.1.0"));
    let report = serving.reload().await;
    assert_eq!(report.status, 200, "{report:?}");

    let drained = |spans: &[Span]| spans.iter().any(|span| span.name == "drain");
    let spans = receiver.wait("a span of the drain", drained).await;
    let drain = named(&spans, "drain");
    assert_eq!(text(drain, attributes::PLUGIN_VERSION), "1.0.0");
    assert_eq!(text(drain, attributes::OUTCOME), "drained");
    let is_root = |spans: &[Span]| spans.iter().any(|span| span.span_id == drain.parent_span_id);
    let spans = receiver.wait("the span of the reload", is_root).await;
    let reload = spans.iter().find(|span| span.span_id == drain.parent_span_id).unwrap();
    assert_eq!((&*reload.name, &*text(reload, attributes::OUTCOME)), ("reconcile", "published"));
    assert!(reload.parent_span_id.is_empty());
    let of_reload: Vec<Span> =
        spans.iter().filter(|span| span.parent_span_id == reload.span_id).cloned().collect();
    for name in ["read", "publish"] {
        named(&of_reload, name);
    }
    assert_eq!(text(named(&of_reload, "start"), attributes::PLUGIN_VERSION), "1.1.0");
    // On a busy machine the artifact is prepared for an earlier reconciliation of the same reload.
    let prepared = |spans: &[Span]| spans.iter().filter(|span| span.name == "prepare").count() == 2;
    let spans = receiver.wait("the artifacts' spans", prepared).await;
    let prepare = spans.iter().find(|span| span.name == "prepare").unwrap();
    assert!(text(prepare, attributes::ARTIFACT).ends_with("echo.wasm"));
    assert_eq!(text(prepare, attributes::OUTCOME), "prepared");

    // A look that finds nothing new makes no span, unless an operator asks for it.
    let before = spans.iter().filter(|span| span.name == "reconcile").count();
    serving.reload().await;
    let one_more =
        |spans: &[Span]| spans.iter().filter(|span| span.name == "reconcile").count() == before + 1;
    let spans = receiver.wait("the span of the second reload", one_more).await;
    let last = spans.iter().rfind(|span| span.name == "reconcile").unwrap();
    assert_eq!(text(last, attributes::OUTCOME), "unchanged");
}

/// Calls are answered beside this collector, spans are counted as dropped, and the server stops.
async fn assert_unaffected(endpoint: &str, dropped: bool) {
    let setup = host()
        .plugin("echo.wasm", &Guest::handler("echo").route("GET", "/echo"))
        .set("telemetry.endpoint", endpoint)
        .set("telemetry.timeout", "100ms");
    let serving = setup.serve().await;
    let answer = ask(&serving, "/echo", "01").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let failed = async || {
        let metrics = serving.admin_get("/metrics").await.text();
        let series = "plugbay_spans_dropped_total{reason=\"failed\"} ";
        let count = metrics.lines().find_map(|line| line.strip_prefix(series));
        count.unwrap_or_else(|| panic!("{series} is missing in {metrics}")) != "0"
    };
    if dropped {
        until("spans are dropped", failed).await;
    }
    let Serving { server, exporter, .. } = serving;
    let began = Instant::now();
    server.stop(std::time::Duration::from_secs(10)).await;
    let limit = std::time::Duration::from_millis(500);
    let stopped = tokio::task::spawn_blocking(move || exporter.unwrap().stop(limit));
    stopped.await.unwrap();
    assert!(began.elapsed() < std::time::Duration::from_secs(30), "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_and_the_end_are_unaffected_by_a_collector_that_is_absent_hangs_or_is_busy() {
    let (_bound, address) = unused_address();
    assert_unaffected(&format!("http://{address}"), true).await;
    for manner in [Manner::Hangs, Manner::IsBusy, Manner::Refuses] {
        let receiver = Receiver::start(By::Grpc, manner).await;
        assert_unaffected(&receiver.endpoint(), true).await;
    }
}
