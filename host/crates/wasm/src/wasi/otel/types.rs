//! The types that several of the interfaces use, and those of `tracing` and `logs`.

#![expect(dead_code, reason = "a record has all of its fields, whether or not the host reads them")]

use wasmtime::component::{ComponentType, Lift, Lower, WasmList, WasmStr};

/// A point in time since 1970.
#[derive(Clone, Copy, ComponentType, Lift)]
#[component(record)]
pub(super) struct Datetime {
    pub(super) seconds: u64,
    pub(super) nanoseconds: u32,
}

/// An attribute. The value is a JSON text.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct KeyValue {
    pub(super) key: WasmStr,
    pub(super) value: WasmStr,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Resource {
    attributes: WasmList<KeyValue>,
    #[component(name = "schema-url")]
    schema_url: Option<WasmStr>,
}

/// The library that made a span or another record.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Scope {
    pub(super) name: WasmStr,
    pub(super) version: Option<WasmStr>,
    #[component(name = "schema-url")]
    schema_url: Option<WasmStr>,
    attributes: WasmList<KeyValue>,
}

wasmtime::component::flags! {
    TraceFlags {
        #[component(name = "sampled")]
        const SAMPLED;
    }
}

/// A place in a trace, as a plugin passes it.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SpanContext {
    #[component(name = "trace-id")]
    pub(super) trace_id: WasmStr,
    #[component(name = "span-id")]
    pub(super) span_id: WasmStr,
    #[component(name = "trace-flags")]
    trace_flags: TraceFlags,
    #[component(name = "is-remote")]
    is_remote: bool,
    #[component(name = "trace-state")]
    trace_state: WasmList<(WasmStr, WasmStr)>,
}

/// A place in a trace, as the host returns it.
#[derive(ComponentType, Lower)]
#[component(record)]
pub(super) struct OuterContext {
    #[component(name = "trace-id")]
    pub(super) trace_id: String,
    #[component(name = "span-id")]
    pub(super) span_id: String,
    #[component(name = "trace-flags")]
    pub(super) trace_flags: TraceFlags,
    #[component(name = "is-remote")]
    pub(super) is_remote: bool,
    #[component(name = "trace-state")]
    pub(super) trace_state: Vec<(String, String)>,
}

#[derive(Clone, Copy, ComponentType, Lift)]
#[component(enum)]
#[repr(u8)]
pub(super) enum Kind {
    #[component(name = "client")]
    Client,
    #[component(name = "server")]
    Server,
    #[component(name = "producer")]
    Producer,
    #[component(name = "consumer")]
    Consumer,
    #[component(name = "internal")]
    Internal,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Event {
    pub(super) name: WasmStr,
    pub(super) time: Datetime,
    pub(super) attributes: WasmList<KeyValue>,
}

#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct Link {
    #[component(name = "span-context")]
    pub(super) span_context: SpanContext,
    pub(super) attributes: WasmList<KeyValue>,
}

#[derive(ComponentType, Lift)]
#[component(variant)]
pub(super) enum Status {
    #[component(name = "unset")]
    Unset,
    #[component(name = "ok")]
    Ok,
    #[component(name = "error")]
    Error(WasmStr),
}

/// A span that has ended.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct SpanData {
    #[component(name = "span-context")]
    pub(super) span_context: SpanContext,
    #[component(name = "parent-span-id")]
    pub(super) parent_span_id: WasmStr,
    #[component(name = "span-kind")]
    pub(super) span_kind: Kind,
    pub(super) name: WasmStr,
    #[component(name = "start-time")]
    pub(super) start_time: Datetime,
    #[component(name = "end-time")]
    pub(super) end_time: Datetime,
    pub(super) attributes: WasmList<KeyValue>,
    pub(super) events: WasmList<Event>,
    pub(super) links: WasmList<Link>,
    pub(super) status: Status,
    #[component(name = "instrumentation-scope")]
    pub(super) scope: Scope,
    #[component(name = "dropped-attributes")]
    pub(super) dropped_attributes: u32,
    #[component(name = "dropped-events")]
    pub(super) dropped_events: u32,
    #[component(name = "dropped-links")]
    pub(super) dropped_links: u32,
}

/// A log record.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(super) struct LogRecord {
    timestamp: Option<Datetime>,
    #[component(name = "observed-timestamp")]
    observed_timestamp: Option<Datetime>,
    #[component(name = "severity-text")]
    severity_text: Option<WasmStr>,
    #[component(name = "severity-number")]
    pub(super) severity_number: Option<u8>,
    pub(super) body: Option<WasmStr>,
    pub(super) attributes: Option<WasmList<KeyValue>>,
    #[component(name = "event-name")]
    pub(super) event_name: Option<WasmStr>,
    resource: Option<Resource>,
    #[component(name = "instrumentation-scope")]
    instrumentation_scope: Option<Scope>,
    #[component(name = "trace-id")]
    trace_id: Option<WasmStr>,
    #[component(name = "span-id")]
    span_id: Option<WasmStr>,
    #[component(name = "trace-flags")]
    trace_flags: Option<TraceFlags>,
}
