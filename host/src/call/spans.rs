//! The spans of calls. Only calls of a request that is recorded come here.

use plugbay_core::codec::{Codec, Direction};
use plugbay_core::trace::{ActiveSpan, SpanKind, attributes};
use plugbay_core::{CallError, Context, Correlation, Kind as _};

use crate::set::{Capability, Running};

/// The outcome of a call that was answered. Other outcomes are the reasons of errors.
const ANSWERED: &str = "answered";
/// The most characters of a codec's name, which the calling plugin chooses.
const MAX_NAME: usize = 80;

/// The span of one call of a plugin.
pub(super) fn of_plugin(
    request: &Correlation,
    capability: &Capability,
    running: &Running,
    context: &Context<'_>,
) -> Option<ActiveSpan> {
    let mut span = request.begin(SpanKind::Internal, || capability.key.to_string().into())?;
    span.set(attributes::CAPABILITY, capability.key.to_string());
    running.name_in(&mut span);
    if let Some(generation) = context.generation() {
        span.set(attributes::GENERATION, generation);
    }
    Some(span)
}

/// The span of a plugin's call of the host for another plugin's codec. The host has not checked yet that there is
/// such a codec.
pub(super) fn of_host_call(
    request: &Correlation,
    direction: Direction,
    codec: &str,
) -> Option<ActiveSpan> {
    let name = match direction {
        Direction::Encode => "codecs.encode",
        Direction::Decode => "codecs.decode",
    };
    let mut span = request.begin(SpanKind::Internal, || name.into())?;
    let codec: String = codec.chars().take(MAX_NAME).collect();
    span.set(attributes::CAPABILITY, format!("{}:{codec}", Codec::NAME));
    Some(span)
}

/// Ends the span of a call.
pub(super) fn end<R>(span: ActiveSpan, answer: &Result<R, CallError>) {
    match answer {
        Ok(_) => end_answered(span),
        Err(error) => end_failed(span, error),
    }
}

/// Ends the span of a call that was answered.
pub(super) fn end_answered(mut span: ActiveSpan) {
    span.set(attributes::OUTCOME, ANSWERED);
    span.end();
}

/// Ends the span of a call that failed.
pub(super) fn end_failed(mut span: ActiveSpan, error: &CallError) {
    span.set(attributes::OUTCOME, error.reason());
    span.fail(error.reason(), error.to_string());
    span.end();
}
