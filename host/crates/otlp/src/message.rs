//! Spans as messages of the protocol.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind as Kind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{self as proto, ResourceSpans, ScopeSpans, Status};
use plugbay_core::cut;
use plugbay_core::trace::{Attribute, AttributeValue, Span, SpanKind};

/// The longest text of an attribute, in bytes. Longer ones are cut, so that a batch stays below what collectors accept.
const MAX_TEXT: usize = 4 * 1024;
/// Of the flags of a span: it is known whether its parent is of another process, and it is.
const HAS_IS_REMOTE: u32 = 0x100;
const IS_REMOTE: u32 = 0x200;

/// Makes messages of spans.
pub(crate) struct Messages {
    resource: Resource,
    scope: InstrumentationScope,
}

impl Messages {
    pub(crate) fn new(service_name: &str) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        let attributes = [
            ("service.name", service_name.to_owned()),
            ("service.version", version.to_owned()),
            ("process.pid", std::process::id().to_string()),
        ];
        let attributes = attributes.map(|(name, text)| key_value(name, Value::StringValue(text)));
        let resource = Resource { attributes: attributes.into(), ..Resource::default() };
        let scope = InstrumentationScope {
            name: "plugbay".into(),
            version: version.into(),
            ..InstrumentationScope::default()
        };
        Self { resource, scope }
    }

    /// The message that sends these spans.
    pub(crate) fn request(&self, spans: Vec<Span>) -> ExportTraceServiceRequest {
        let spans = spans.into_iter().map(message).collect();
        let scope = Some(self.scope.clone());
        let scope_spans = vec![ScopeSpans { scope, spans, ..ScopeSpans::default() }];
        let resource = Some(self.resource.clone());
        let resource_spans =
            vec![ResourceSpans { resource, scope_spans, ..ResourceSpans::default() }];
        ExportTraceServiceRequest { resource_spans }
    }
}

fn message(span: Span) -> proto::Span {
    let remote = if span.has_remote_parent { IS_REMOTE } else { 0 };
    let kind = match span.kind {
        SpanKind::Server => Kind::Server,
        SpanKind::Client => Kind::Client,
        SpanKind::Internal => Kind::Internal,
        SpanKind::Producer => Kind::Producer,
        SpanKind::Consumer => Kind::Consumer,
    };
    let status = span.failure.map(|failure| Status {
        code: StatusCode::Error.into(),
        message: cut(failure.message, MAX_TEXT).into_owned(),
    });
    let events = span.events.into_iter().map(|event| proto::span::Event {
        time_unix_nano: nanoseconds(event.time),
        name: event.name.into_owned(),
        attributes: key_values(event.attributes),
        ..proto::span::Event::default()
    });
    let links = span.links.into_iter().map(|link| proto::span::Link {
        trace_id: link.trace.bytes().into(),
        span_id: link.span.bytes().into(),
        attributes: key_values(link.attributes),
        ..proto::span::Link::default()
    });
    proto::Span {
        trace_id: span.place.trace().bytes().into(),
        span_id: span.place.span().bytes().into(),
        trace_state: span.state.map(|state| state.to_string()).unwrap_or_default(),
        parent_span_id: span.parent.map(|id| id.bytes().into()).unwrap_or_default(),
        flags: u32::from(span.place.flags()) | HAS_IS_REMOTE | remote,
        name: span.name.into_owned(),
        kind: kind.into(),
        start_time_unix_nano: nanoseconds(span.began),
        end_time_unix_nano: nanoseconds(span.ended),
        attributes: key_values(span.attributes),
        dropped_attributes_count: span.dropped.attributes,
        events: events.collect(),
        dropped_events_count: span.dropped.events,
        links: links.collect(),
        dropped_links_count: span.dropped.links,
        status,
    }
}

fn key_values(attributes: Vec<Attribute>) -> Vec<KeyValue> {
    let pairs = attributes.into_iter().map(|attribute| {
        let value = match attribute.value {
            AttributeValue::Integer(number) => Value::IntValue(number),
            AttributeValue::Float(number) => Value::DoubleValue(number),
            AttributeValue::Bool(is) => Value::BoolValue(is),
            AttributeValue::Text(text) => text_value(text),
            other => text_value(format!("{other:?}").into()),
        };
        key_value(&attribute.name, value)
    });
    pairs.collect()
}

fn text_value(text: Cow<'static, str>) -> Value {
    Value::StringValue(cut(text, MAX_TEXT).into_owned())
}

fn key_value(name: &str, value: Value) -> KeyValue {
    let value = Some(AnyValue { value: Some(value) });
    KeyValue { key: name.into(), value, ..KeyValue::default() }
}

fn nanoseconds(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use plugbay_core::Correlation;
    use plugbay_core::trace::{Dropped, Sampling, SpanEvent, SpanId, SpanLink, SpanSink, TraceId};

    use super::*;

    struct Ignored;

    impl SpanSink for Ignored {
        fn record(&self, _: Span) {}
    }

    #[test]
    fn a_plugins_own_span_keeps_all_that_it_has() {
        let sink: Arc<dyn SpanSink> = Arc::new(Ignored);
        let (request, kind) = (Correlation::default(), SpanKind::Internal);
        let host = Sampling::ALL.begin(&request, &sink, kind, || "call".into()).unwrap();
        let id = SpanId::new([7; 8]).unwrap();
        let mut span = host.correlation().own_span(id).unwrap();
        let attribute = |name: &'static str, value| Attribute { name: name.into(), value };
        let attributes = vec![
            attribute("b", AttributeValue::Bool(true)),
            attribute("f", AttributeValue::Float(0.5)),
        ];
        span.kind = SpanKind::Consumer;
        span.attributes = attributes.clone();
        let (time, name) = (UNIX_EPOCH + std::time::Duration::from_nanos(9), "found".into());
        span.events = vec![SpanEvent { name, time, attributes: attributes.clone() }];
        span.links = vec![SpanLink { trace: TraceId::new([8; 16]).unwrap(), span: id, attributes }];
        span.dropped = Dropped { attributes: 1, events: 2, links: 3 };

        let sent = message(span);
        let parent = host.correlation().trace_parent.unwrap().span();
        assert_eq!((sent.span_id, sent.parent_span_id), (vec![7; 8], parent.bytes().to_vec()));
        let values =
            [key_value("b", Value::BoolValue(true)), key_value("f", Value::DoubleValue(0.5))];
        assert_eq!((sent.kind, &sent.attributes[..]), (Kind::Consumer.into(), &values[..]));
        let (event, link) = (&sent.events[0], &sent.links[0]);
        assert_eq!(
            (&*event.name, event.time_unix_nano, &event.attributes[..]),
            ("found", 9, &values[..])
        );
        assert_eq!((&link.trace_id, &link.span_id), (&vec![8; 16], &vec![7; 8]));
        assert_eq!(link.attributes, values);
        let dropped =
            [sent.dropped_attributes_count, sent.dropped_events_count, sent.dropped_links_count];
        assert_eq!(dropped, [1, 2, 3]);
    }
}
