//! What the spans of requests cost the calls of plugins.

use std::hint::black_box;
use std::sync::Arc;

use anyhow::{Context as _, Result};
use plugbay::trace::{Span, SpanKind, SpanSink};
use plugbay::{CallOptions, Correlation, Host};
use plugbay_core::codec::Codec;
use plugbay_fixtures::Guest;

use crate::calls::document;
use crate::setup::HostFolder;
use crate::table::{Budget, Table};

/// Takes spans and does nothing with them.
struct Ignored;

impl SpanSink for Ignored {
    fn record(&self, span: Span) {
        black_box(span);
    }
}

/// Measures the rows of this module.
///
/// # Errors
///
/// If a host fails.
pub fn run(table: &mut Table) -> Result<()> {
    let unsampled = "warm codec call of a request that is not recorded, over one without tracing";
    let recorded = "warm codec call of a request that is recorded, over one without tracing";
    if ![unsampled, recorded].iter().any(|name| table.selects(name)) {
        return Ok(());
    }
    let folder = HostFolder::new()?;
    folder.put("echo.wasm", &Guest::codec("echo").build())?;
    let plain = folder.host(folder.config())?;
    let mut config = folder.config();
    config.telemetry.sampling = 1.0;
    let traced = Host::builder().config(config).watch(false).spans(Arc::new(Ignored));
    let traced = traced.build_blocking()?;
    let document = document(64);
    let call = |host: &Host, request: &Arc<Correlation>| -> Result<()> {
        // As a request does: each looks the codec up.
        let options = CallOptions::default().correlated(request);
        let echo = host.snapshot().lease::<Codec>("echo")?;
        black_box(echo.encode_document(options, black_box(&document))?);
        Ok(())
    };
    let parent = |flags: &str| {
        format!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-{flags}").parse().ok()
    };
    let request = Arc::new(Correlation::default().trace_parent(parent("00")));
    table.ratio(
        unsampled,
        Budget::AtMost(1.02),
        || {
            let span = traced.begin_span(&request, SpanKind::Server, || "GET /".into());
            call(&traced, span.as_ref().map_or(&request, |span| span.correlation()))
        },
        || call(&plain, &request),
    )?;
    table.ratio(
        recorded,
        Budget::Over(3_000.0),
        || {
            let span =
                traced.begin_span(&Correlation::default(), SpanKind::Server, || "GET /".into());
            let span = span.context("expected a span")?;
            call(&traced, span.correlation())?;
            span.end();
            Ok(())
        },
        || call(&plain, &request),
    )
}
