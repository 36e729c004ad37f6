//! `wasi:otel@0.2.0-rc.2`: spans and log records that a plugin makes with an SDK of OpenTelemetry.
//!
//! A span goes where the host's spans of the same request go, if there are any. A log record becomes a line of the
//! plugin's log. Metrics are refused: the interface reports all figures of a plugin again and again, and the host has
//! an import of its own for them.
//!
//! The types are declared here and not generated, so that arguments are read where they lie in the guest's memory,
//! and no further than they are kept.

mod logs;
mod metrics;
mod read;
mod tracing;
mod types;

use wasmtime::Result;
use wasmtime::component::Linker;

use crate::load::world::{OTEL_LOGS, OTEL_METRICS, OTEL_TRACING, OTEL_TYPES};
use crate::sandbox::state::State;

/// Defines the interfaces in a linker.
pub(super) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    // It has no functions.
    linker.instance(OTEL_TYPES)?;
    let mut tracing = linker.instance(OTEL_TRACING)?;
    tracing.func_wrap("on-start", tracing::on_start)?;
    tracing.func_wrap("on-end", tracing::on_end)?;
    tracing.func_wrap("outer-span-context", tracing::outer_span_context)?;
    linker.instance(OTEL_LOGS)?.func_wrap("on-emit", logs::on_emit)?;
    linker.instance(OTEL_METRICS)?.func_wrap("export", metrics::export)
}
