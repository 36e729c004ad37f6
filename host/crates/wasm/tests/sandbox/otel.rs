//! What becomes of the spans, log records and metrics that a guest makes by `wasi:otel`.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugbay_core::trace::{
    ActiveSpan, Attribute, AttributeValue, Dropped, Sampling, Span, SpanFailure, SpanKind,
    SpanSink, attributes,
};
use plugbay_core::{Context, Correlation, Grants, NoServices, Policy, Reason, Services};
use plugbay_fixtures::{Behaviour, Export, Guest};
use tracing::Level;

use crate::support::{TestPlugin, lines, start, try_start};

#[derive(Default)]
struct Kept(Mutex<Vec<Span>>);

impl SpanSink for Kept {
    fn record(&self, span: Span) {
        self.0.lock().unwrap().push(span);
    }
}

/// A request that is recorded, with the host's span, and where its spans are.
fn recorded() -> (ActiveSpan, Arc<Kept>) {
    let kept = Arc::<Kept>::default();
    let sink = Arc::clone(&kept) as Arc<dyn SpanSink>;
    let request = Correlation::default();
    let span = Sampling::ALL.begin(&request, &sink, SpanKind::Internal, || "call".into());
    (span.expect("all are recorded"), kept)
}

fn codec(name: &str, behaviour: Behaviour, policy: Policy) -> TestPlugin {
    start(&Guest::codec(name).on(Export::Encode, behaviour), name, policy)
}

fn ends(spans: u32, attribute: usize) -> Behaviour {
    Behaviour::EndSpans { spans, attribute, trace: None }
}

/// Calls the codec, which has to work whatever becomes of its spans.
#[track_caller]
fn call(plugin: &TestPlugin, request: &Arc<Correlation>) {
    let services: Arc<dyn Services> = Arc::new(NoServices);
    let context = Context::new(&services).correlated(request);
    assert_eq!(plugin.codec().encode(&context, b"in").unwrap(), b"in");
}

fn with_clock() -> Policy {
    Policy { grants: Grants { clocks: true, ..Grants::default() }, ..Policy::default() }
}

fn refused(plugin: &TestPlugin) -> Option<u64> {
    plugin.stats().limited.get("spans").copied()
}

fn attribute(name: &'static str, value: impl Into<AttributeValue>) -> Attribute {
    Attribute { name: name.into(), value: value.into() }
}

#[test]
fn a_guests_span_is_within_that_of_its_call() {
    let plugin = codec("ends-a-span", ends(1, 2), with_clock());
    let (host, kept) = recorded();
    call(&plugin, host.correlation());
    let spans = kept.0.lock().unwrap();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    let outer = host.correlation().trace_parent.unwrap();
    assert_eq!((span.place.trace(), span.place.span_id()), (outer.trace(), "00f067aa0ba902b7"));
    assert_eq!((span.parent, span.has_remote_parent), (Some(outer.span()), false));
    assert_eq!((&*span.name, span.kind), ("work", SpanKind::Internal));
    let began = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    assert_eq!((span.began, span.ended), (began, began + Duration::from_secs(1)));
    let items = attribute("items", 3_u64);
    let expected = [
        attribute(attributes::PLUGIN_NAME, "ends-a-span"),
        attribute(attributes::PLUGIN_VERSION, "1.0.0"),
        attribute("otel.scope.name", "guest-sdk"),
        items.clone(),
        attribute("text", "\0\0"),
    ];
    assert_eq!(span.attributes, expected);
    let [event] = &span.events[..] else { panic!("{span:?}") };
    assert_eq!((&*event.name, event.time, &event.attributes[..]), ("found", began, &[items][..]));
    let [link] = &span.links[..] else { panic!("{span:?}") };
    assert_eq!((link.trace, link.span), (outer.trace(), span.place.span()));
    assert_eq!(span.failure, Some(SpanFailure { message: "no more".into() }));
    assert_eq!((span.dropped, refused(&plugin)), (Dropped::default(), None));
}

/// A place that a client names, without the last digit: whether the client records it.
const PLACE: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-0";

#[test]
fn a_guest_reads_the_place_of_its_call() {
    let plugin = codec("reads-place", Behaviour::OuterSpan, Policy::default());
    let read = |request: &Arc<Correlation>| {
        let services: Arc<dyn Services> = Arc::new(NoServices);
        let context = Context::new(&services).correlated(request);
        plugin.codec().encode(&context, b"in").unwrap()
    };
    let bytes = |ids: &str, sampled: u8, remote: u8| [ids.as_bytes(), &[sampled, remote]].concat();
    assert_eq!(read(&Arc::default()), bytes(&"0".repeat(48), 0, 0));
    let (host, _kept) = recorded();
    let outer = host.correlation().trace_parent.unwrap();
    let ids = [outer.trace_id(), outer.span_id()].concat();
    assert_eq!(read(host.correlation()), bytes(&ids, 1, 0));
    let unrecorded = Correlation::default().trace_parent(format!("{PLACE}0").parse().ok());
    let ids = "0af7651916cd43dd8448eb211c80319cb7ad6b7169203331";
    assert_eq!(read(&Arc::new(unrecorded)), bytes(ids, 0, 1));
}

#[test]
fn without_a_clock_a_span_has_the_hosts_time() {
    let plugin = codec("ends-without-clock", ends(1, 0), Policy::default());
    let (host, kept) = recorded();
    let before = SystemTime::now();
    call(&plugin, host.correlation());
    let spans = kept.0.lock().unwrap();
    let [span] = &spans[..] else { panic!("{spans:?}") };
    let now = before..=SystemTime::now();
    assert!(now.contains(&span.began) && now.contains(&span.events[0].time), "{span:?}");
    assert_eq!(span.began, span.ended);
}

#[test]
fn nothing_is_kept_of_a_request_that_is_not_recorded() {
    let plugin = codec("ends-unrecorded", ends(3, 0), with_clock());
    call(&plugin, &Arc::default());
    // Not even if the client records it.
    let parent = format!("{PLACE}1").parse().ok();
    call(&plugin, &Arc::new(Correlation::default().trace_parent(parent)));
    assert_eq!(refused(&plugin), None);
}

#[test]
fn a_span_of_another_trace_is_not_taken() {
    for (name, trace) in [
        ("ends-foreign", "0af7651916cd43dd8448eb211c80319c"),
        ("ends-zeros", "00000000000000000000000000000000"),
        ("ends-nonsense", "no trace"),
    ] {
        let forged = Behaviour::EndSpans { spans: 2, attribute: 0, trace: Some(trace.into()) };
        let plugin = codec(name, forged, with_clock());
        let (host, kept) = recorded();
        call(&plugin, host.correlation());
        assert_eq!(*kept.0.lock().unwrap(), [], "{name}");
        assert_eq!(refused(&plugin), Some(2), "{name}");
    }
}

#[test]
fn the_spans_of_a_call_are_bounded() {
    let policy = Policy { host_calls: 1_000_000, ..with_clock() };
    let plugin = codec("ends-many", ends(10_000, 0), policy);
    for times in 1..=2 {
        let (host, kept) = recorded();
        call(&plugin, host.correlation());
        assert_eq!(kept.0.lock().unwrap().len(), 128);
        assert_eq!(refused(&plugin), Some(times * (10_000 - 128)));
    }
}

#[test]
fn the_size_of_a_span_is_bounded() {
    const LARGE: usize = 60_000_000;
    let policy = Policy { memory: 128 << 20, output: 128 << 20, ..with_clock() };
    let plugin = codec("ends-large", ends(2, LARGE), policy);
    let (host, kept) = recorded();
    call(&plugin, host.correlation());
    let spans = kept.0.lock().unwrap();
    assert_eq!(spans.len(), 2);
    for span in spans.iter() {
        let lengths = span.attributes.iter().map(|it| it.name.len() + it.value.to_string().len());
        let length = lengths.sum::<usize>();
        assert!((3 << 10..5 << 10).contains(&length), "{length}");
        assert_eq!(span.dropped, Dropped { attributes: 0, events: 1, links: 1 });
    }
}

#[test]
fn a_log_record_is_a_line_of_the_plugin() {
    let record = Behaviour::EmitRecord(13, r#""sold \"out\"""#.into());
    let plugin = codec("emits", record, Policy::default());
    call(&plugin, &Arc::default());
    let cut = Behaviour::EmitRecord(17, "[1,".into());
    call(&codec("emits-no-json", cut, Policy::default()), &Arc::default());
    assert_eq!(lines("emits"), [(Level::WARN, r#"sold "out""#.to_owned())]);
    assert_eq!(lines("emits-no-json"), [(Level::ERROR, "[1,".to_owned())]);
}

#[test]
fn metrics_are_refused() {
    let plugin = codec("exports", Behaviour::ExportMetrics, Policy::default());
    let answer = String::from_utf8(plugin.encode().unwrap()).unwrap();
    assert!(answer.ends_with("report them by the import plugbay:plugin/metrics@1.0.0"), "{answer}");
}

#[test]
fn another_version_of_the_draft_is_refused() {
    for version in ["0.2.0-rc.1", "0.2.0"] {
        let interface = format!("wasi:otel/tracing@{version}");
        let guest = Guest::codec("later-draft").import(&interface);
        let refusal = try_start("later-draft", guest.build(), Policy::default(), None);
        let refusal = refusal.err().unwrap();
        assert_eq!(refusal.reason, Reason::MissingImport);
        let message = refusal.message;
        assert!(message.contains(&format!("found {interface};")), "{message}");
        assert!(message.contains("wasi:otel@0.2.0-rc.2"), "{message}");
    }
}
