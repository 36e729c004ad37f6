//! The interface `tracing`: a plugin's own spans join those of the host.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugbay_core::Correlation;
use plugbay_core::trace::{
    Attribute, Span, SpanEvent, SpanFailure, SpanId, SpanKind, SpanLink, TraceParent, TraceState,
    attributes,
};
use wasmtime::component::WasmList;
use wasmtime::{AsContextMut, Result, StoreContextMut};

use super::read::{MAX_NAME, Reader, others};
use super::types::{
    Datetime, Event, Kind, Link, OuterContext, SpanContext, SpanData, Status, TraceFlags,
};
use crate::sandbox::state::State;

/// The most spans of a plugin within one call: a part of the queue in which spans wait to be sent.
const MAX_SPANS: u32 = 128;
/// The most bytes of one span, about. Some hundred such spans are sent in one message.
const MAX_SPAN: usize = 4 << 10;
/// The names of OpenTelemetry for the library that made a span.
const SCOPE_NAME: &str = "otel.scope.name";
const SCOPE_VERSION: &str = "otel.scope.version";

/// Takes note that a span begins: there is nothing to keep.
pub(super) fn on_start(mut store: StoreContextMut<'_, State>, (_,): (SpanContext,)) -> Result<()> {
    store.data_mut().host_call()
}

/// The place of the current call in a trace. Without one the ids are zeros, as the ids of no span are.
pub(super) fn outer_span_context(
    mut store: StoreContextMut<'_, State>,
    (): (),
) -> Result<(OuterContext,)> {
    let state = store.data_mut();
    state.host_call()?;
    let correlation = state.correlation();
    let Some((correlation, place)) = correlation.and_then(|it| Some((it, it.trace_parent?))) else {
        return Ok((OuterContext {
            trace_id: "0".repeat(32),
            span_id: "0".repeat(16),
            trace_flags: TraceFlags::empty(),
            is_remote: false,
            trace_state: Vec::new(),
        },));
    };
    let members = correlation.trace_state.iter().flat_map(TraceState::members);
    Ok((OuterContext {
        trace_id: place.trace_id().to_owned(),
        span_id: place.span_id().to_owned(),
        trace_flags: if place.is_sampled() { TraceFlags::SAMPLED } else { TraceFlags::empty() },
        // If the request is not recorded, it is the span that the client named.
        is_remote: !correlation.is_recorded(),
        trace_state: members.map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
    },))
}

/// Records a span that has ended, if the current call is recorded. One of another trace is not taken, and
/// counted, as is one that exceeds the bound of spans.
pub(super) fn on_end(mut store: StoreContextMut<'_, State>, (span,): (SpanData,)) -> Result<()> {
    let state = store.data_mut();
    state.host_call()?;
    let recorded = state.correlation().filter(|it| it.is_recorded()).cloned();
    let Some(correlation) = recorded else { return Ok(()) };
    let has_room = state.call.as_mut().is_some_and(|call| {
        call.spans = call.spans.saturating_add(1);
        call.spans <= MAX_SPANS
    });
    let read = if has_room { read(store.as_context_mut(), &span, &correlation)? } else { None };
    match read {
        Some(span) => correlation.record(span),
        None => store.data().sandbox.refuse_span(),
    }
    Ok(())
}

/// Reads a span; `None` if it is not of the call's trace, or has the id of the host's own span.
fn read(
    store: StoreContextMut<'_, State>,
    data: &SpanData,
    correlation: &Correlation,
) -> Result<Option<Span>> {
    let has_clock = store.data().sandbox.grants().clocks;
    let (name, version) = store.data().plugin().name_and_version();
    let own = [
        (attributes::PLUGIN_NAME, name),
        (attributes::PLUGIN_VERSION, version.unwrap_or_default()),
    ];
    let own = own.map(|(name, value)| attribute(name, value.to_owned()));

    let mut reader = Reader::new(store, MAX_SPAN);
    let place = reader.place(&data.span_context)?;
    let outer = correlation.trace_parent;
    let is_own =
        |trace, id| outer.is_some_and(|it: TraceParent| it.trace() == trace && it.span() != id);
    let id = place.filter(|(trace, id)| is_own(*trace, *id)).map(|(_, id)| id);
    let Some(mut span) = id.and_then(|id| correlation.own_span(id)) else { return Ok(None) };

    let parent = reader.text(&data.parent_span_id, MAX_NAME)?;
    span.parent = SpanId::from_hex(&parent).or(span.parent);
    span.kind = kind(data.span_kind);
    span.name = reader.text(&data.name, MAX_NAME)?.into();
    if has_clock {
        span.began = time(data.start_time);
        span.ended = time(data.end_time).max(span.began);
    }
    span.attributes.extend(own);
    span.attributes.push(attribute(SCOPE_NAME, reader.text(&data.scope.name, MAX_NAME)?));
    if let Some(version) = &data.scope.version {
        span.attributes.push(attribute(SCOPE_VERSION, reader.text(version, MAX_NAME)?));
    }
    if let Status::Error(message) = &data.status {
        span.failure = Some(SpanFailure { message: reader.text(message, MAX_SPAN)?.into() });
    }
    let (kept, others) = reader.attributes(&data.attributes)?;
    span.attributes.extend(kept);
    let dropped = &mut span.dropped;
    dropped.attributes = data.dropped_attributes.saturating_add(others);
    dropped.events = data.dropped_events;
    dropped.links = data.dropped_links;
    read_events(&mut reader, &data.events, &mut span, has_clock)?;
    read_links(&mut reader, &data.links, &mut span)?;
    Ok(Some(span))
}

fn read_events(
    reader: &mut Reader<'_>,
    list: &WasmList<Event>,
    span: &mut Span,
    has_clock: bool,
) -> Result<()> {
    for event in reader.entries(list)? {
        if !reader.take_entry() {
            break;
        }
        let name = reader.text(&event.name, MAX_NAME)?.into();
        let time = if has_clock { time(event.time) } else { span.ended };
        let (attributes, others) = reader.attributes(&event.attributes)?;
        span.events.push(SpanEvent { name, time, attributes });
        span.dropped.attributes = span.dropped.attributes.saturating_add(others);
    }
    span.dropped.events = span.dropped.events.saturating_add(others(list, span.events.len()));
    Ok(())
}

fn read_links(reader: &mut Reader<'_>, list: &WasmList<Link>, span: &mut Span) -> Result<()> {
    for link in reader.entries(list)? {
        if !reader.take_entry() {
            break;
        }
        let Some((trace, id)) = reader.place(&link.span_context)? else { continue };
        let (attributes, others) = reader.attributes(&link.attributes)?;
        span.links.push(SpanLink { trace, span: id, attributes });
        span.dropped.attributes = span.dropped.attributes.saturating_add(others);
    }
    span.dropped.links = span.dropped.links.saturating_add(others(list, span.links.len()));
    Ok(())
}

fn attribute(name: &'static str, value: String) -> Attribute {
    Attribute { name: name.into(), value: value.into() }
}

fn kind(kind: Kind) -> SpanKind {
    match kind {
        Kind::Client => SpanKind::Client,
        Kind::Server => SpanKind::Server,
        Kind::Producer => SpanKind::Producer,
        Kind::Consumer => SpanKind::Consumer,
        Kind::Internal => SpanKind::Internal,
    }
}

/// The time; 1970 if it is so late that the system cannot express it.
fn time(time: Datetime) -> SystemTime {
    let fraction = Duration::from_nanos(time.nanoseconds.into());
    let since = Duration::from_secs(time.seconds).saturating_add(fraction);
    UNIX_EPOCH.checked_add(since).unwrap_or(UNIX_EPOCH)
}
