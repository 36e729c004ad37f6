//! The metrics, as Prometheus reads them.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use plugbay::metrics::{Format, Gathered};

use super::views::host;
use crate::problem::Problem;
use crate::shared::Shared;

/// How long one collector may take: less than Prometheus waits, which is 10 s unless it is configured.
const DEADLINE: Duration = Duration::from_secs(5);

/// The media types, the preferred one first: a client that does not ask for `OpenMetrics` gets the format
/// that every one reads.
const TYPES: [(&str, Format); 2] =
    [("text/plain", Format::Text), ("application/openmetrics-text", Format::OpenMetrics)];

/// The metrics, for Prometheus: as `text/plain`, or as `OpenMetrics` if the client prefers it.
///
/// Needs no token if `admin.metrics` is `open`.
#[utoipa::path(
    get, path = "/metrics", tag = "observe",
    responses(
        (status = 200, description = "The metrics", content(
            (String = "text/plain"), (String = "application/openmetrics-text"),
        )),
    ),
)]
pub(super) async fn metrics(
    State(shared): State<Arc<Shared>>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let collectors = host(&shared)?.collectors().clone();
    let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = format(accept);
    let work = move || {
        let gathered = collectors.gather(DEADLINE);
        warn(&gathered);
        gathered.encode(format)
    };
    let text = tokio::task::spawn_blocking(work).await.map_err(|error| {
        let detail = format!("expected the metrics, found that they could not be written: {error}");
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    })?;
    Ok(([(header::CONTENT_TYPE, format.content_type())], text).into_response())
}

/// The format for this `Accept`. No client is refused: one that asks for another format may read this one.
fn format(accept: Option<&str>) -> Format {
    let types = TYPES.map(|(media_type, _)| media_type);
    let wanted = plugbay_accept::best(accept, &types).and_then(|index| TYPES.get(index));
    wanted.map_or(Format::Text, |(_, format)| *format)
}

fn warn(gathered: &Gathered) {
    for report in gathered.reports() {
        if let Some(failure) = report.failure {
            let (collector, reason) = (&report.collector, failure.as_str());
            let error = report.message.as_deref();
            tracing::warn!(collector, reason, error, "a collector gave no metrics");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prometheus_gets_openmetrics_and_others_get_the_text_format() {
        // As Prometheus 2.42 asks, and as 3 does.
        let two = "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
        let three = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";
        for accept in [two, three, "application/openmetrics-text"] {
            assert_eq!(format(Some(accept)), Format::OpenMetrics, "{accept}");
        }
        for accept in [None, Some("*/*"), Some("text/plain"), Some("text/html"), Some("")] {
            assert_eq!(format(accept), Format::Text, "{accept:?}");
        }
    }
}
