//! What a receiver gets.

use std::time::Duration;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use plugbay_core::Correlation;
use plugbay_core::trace::{Sampling, SpanKind, attributes};
use plugbay_otlp::{DropReason, Exporter};
use plugbay_telemetry::{Collectors, Format};

use crate::receiver::{By, Manner, Receiver};
use crate::support::{dropped, record, settings, until};

const PARENT: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

async fn exports(by: By) {
    let receiver = Receiver::start(by, Manner::Accepts).await;
    let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
    let request = Correlation::default()
        .trace_parent(Some(PARENT.parse().unwrap()))
        .trace_state(Some("vendor=1".parse().unwrap()));
    let sink = exporter.sink();
    let mut outer =
        Sampling::ALL.begin(&request, &sink, SpanKind::Server, || "GET /a".into()).unwrap();
    outer.set(attributes::HTTP_STATUS, 500_u16);
    outer.set(attributes::URL_PATH, "x".repeat(1 << 20));
    outer.fail("500", "it failed");
    let inner = outer.correlation().begin(SpanKind::Internal, || "codec:json".into()).unwrap();
    inner.end();
    outer.end();

    let spans = receiver.wait("two spans", |spans| spans.len() == 2).await;
    let [inner, outer] = &spans[..] else { panic!("{spans:?}") };
    assert_eq!((&*outer.name, outer.kind()), ("GET /a", Kind::Server));
    let hex = |id: &[u8]| id.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(hex(&outer.trace_id), "0af7651916cd43dd8448eb211c80319c");
    assert_eq!(hex(&outer.parent_span_id), "b7ad6b7169203331");
    assert_eq!(outer.trace_state, "vendor=1");
    assert_eq!(outer.flags, 0x301, "sampled, and its parent is of another process");
    let status = outer.status.as_ref().unwrap();
    assert_eq!((status.code(), &*status.message), (StatusCode::Error, "it failed"));
    let value = |name: &str| {
        let attribute = outer.attributes.iter().find(|it| it.key == name);
        attribute.and_then(|it| it.value.clone()?.value)
    };
    assert_eq!(value(attributes::HTTP_STATUS), Some(Value::IntValue(500)));
    assert_eq!(value(attributes::ERROR_TYPE), Some(Value::StringValue("500".into())));
    let Some(Value::StringValue(path)) = value(attributes::URL_PATH) else { panic!("{outer:?}") };
    assert!(path.len() < 5_000, "{}", path.len());
    assert!(outer.start_time_unix_nano > 0);
    assert!(outer.start_time_unix_nano <= inner.start_time_unix_nano);
    assert!(inner.end_time_unix_nano <= outer.end_time_unix_nano);

    assert_eq!(inner.trace_id, outer.trace_id);
    assert_eq!(inner.parent_span_id, outer.span_id);
    assert_eq!((&*inner.trace_state, inner.flags, inner.status.clone()), ("vendor=1", 0x101, None));

    assert_eq!(receiver.service(), "shop");
    let secret = ("authorization".to_owned(), "Bearer secret".to_owned());
    assert!(receiver.requests().iter().all(|headers| headers.contains(&secret)));
    until(&exporter, "two exported", |counts| counts.exported() == 2).await;
    assert_eq!(dropped(exporter.counts()), 0);
}

#[tokio::test]
async fn spans_are_sent_by_grpc() {
    exports(By::Grpc).await;
}

#[tokio::test]
async fn spans_are_sent_by_http() {
    exports(By::Http).await;
}

#[tokio::test]
async fn spans_that_the_collector_rejects_are_counted() {
    for by in [By::Grpc, By::Http] {
        let receiver = Receiver::start(by, Manner::RejectsOne).await;
        let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
        let sink = exporter.sink();
        (0..3).for_each(|_| record(&sink, "a"));
        let counted = |counts: &plugbay_otlp::SpanCounts| {
            counts.exported() + counts.dropped(DropReason::Rejected) == 3
        };
        until(&exporter, "three counted", counted).await;
        assert!(exporter.counts().dropped(DropReason::Rejected) >= 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_spans_that_wait_are_sent_when_the_exporter_stops() {
    for by in [By::Grpc, By::Http] {
        let receiver = Receiver::start(by, Manner::Accepts).await;
        let exporter = Exporter::start(&settings(by, &receiver.endpoint())).unwrap();
        let sink = exporter.sink();
        (0..1_500).for_each(|_| record(&sink, "a"));
        exporter.stop(Duration::from_secs(30));
        assert_eq!((receiver.spans().len(), exporter.counts().exported()), (1_500, 1_500));
        record(&sink, "late");
        assert_eq!(exporter.counts().dropped(DropReason::Stopped), 1);
    }
}

#[tokio::test]
async fn the_counts_are_metrics() {
    let receiver = Receiver::start(By::Http, Manner::Accepts).await;
    let exporter = Exporter::start(&settings(By::Http, &receiver.endpoint())).unwrap();
    record(&exporter.sink(), "a");
    until(&exporter, "one exported", |counts| counts.exported() == 1).await;
    let collectors = Collectors::new();
    collectors.register("spans", exporter.collector()).unwrap();
    let text = collectors.gather(Duration::from_secs(10)).encode(Format::Text);
    assert!(text.contains("plugbay_spans_exported_total 1\n"), "{text}");
    for reason in DropReason::ALL {
        let series = format!("plugbay_spans_dropped_total{{reason=\"{}\"}} 0\n", reason.as_str());
        assert!(text.contains(&series), "{text}");
    }
}

#[test]
fn settings_that_cannot_work_are_refused_and_show_no_secret() {
    let good = settings(By::Grpc, "http://127.0.0.1:1");
    assert!(!format!("{good:?}").contains("secret"));
    for by in [By::Grpc, By::Http] {
        for endpoint in ["", "http://", "https://127.0.0.1", "127.0.0.1:4317", "http://a b"] {
            let error = Exporter::start(&settings(by, endpoint)).unwrap_err().to_string();
            assert!(error.starts_with("expected a URL such as"), "{endpoint}: {error}");
        }
        let mut bad = settings(by, "http://127.0.0.1:1");
        bad.headers = vec![("authorization".into(), "secret\n".into())];
        let error = Exporter::start(&bad).unwrap_err().to_string();
        assert!(error.contains("authorization") && !error.contains("secret"), "{error}");
    }
}
