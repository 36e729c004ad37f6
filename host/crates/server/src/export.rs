//! Sends spans where the configuration says.

use plugbay::config::{SpanProtocol, TelemetrySettings};
use plugbay_otlp::{Exporter, Protocol, Settings, StartError};

/// The exporter for the spans of a host, as `[telemetry]` describes it; none if traces are off. Its
/// [sink](Exporter::sink) is for [`Builder::spans`](plugbay::Builder::spans) of the host, and its
/// [collector](Exporter::collector) for [`Host::collectors`](plugbay::Host::collectors).
///
/// # Errors
///
/// If the settings cannot be used, or the operating system gives no thread.
pub fn span_exporter(telemetry: &TelemetrySettings) -> Result<Option<Exporter>, StartError> {
    if telemetry.endpoint.is_empty() {
        return Ok(None);
    }
    let protocol = match telemetry.protocol {
        SpanProtocol::Http => Protocol::Http,
        _ => Protocol::Grpc,
    };
    let headers = telemetry.headers.0.iter();
    let settings = Settings {
        endpoint: telemetry.endpoint.clone(),
        protocol,
        service_name: telemetry.service_name.clone(),
        headers: headers.map(|(name, value)| (name.clone(), value.clone())).collect(),
        timeout: telemetry.timeout,
    };
    Exporter::start(&settings).map(Some)
}
