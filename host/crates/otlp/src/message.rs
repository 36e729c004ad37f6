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
use plugbay_core::trace::{AttributeValue, Span, SpanKind};

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
    };
    let status = span.failure.map(|failure| Status {
        code: StatusCode::Error.into(),
        message: cut(failure.message, MAX_TEXT).into_owned(),
    });
    let attributes = span.attributes.into_iter().map(|attribute| {
        key_value(
            attribute.name,
            match attribute.value {
                AttributeValue::Integer(number) => Value::IntValue(number),
                AttributeValue::Text(text) => text_value(text),
                other => text_value(format!("{other:?}").into()),
            },
        )
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
        attributes: attributes.collect(),
        status,
        ..proto::Span::default()
    }
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
