//! One check.

use tokio::time::timeout;

use super::connect::connect;
use super::settings::CheckSettings;
use super::{grpc, http};
use crate::directory::CheckResult;
use crate::wire::{CheckSpec, HealthStatus, Host, Probe};

/// The longest error that is kept, in bytes.
const MAX_ERROR: usize = 256;

/// Checks an endpoint once.
pub(super) async fn probe(host: &Host, spec: &CheckSpec, settings: CheckSettings) -> CheckResult {
    let answer =
        timeout(spec.timeout, run(host, &spec.probe, settings)).await.unwrap_or_else(|_| {
            Err(format!(
                "expected an answer within {}, found none",
                humantime::format_duration(spec.timeout)
            ))
        });
    match answer {
        Ok(None) => CheckResult { status: HealthStatus::Passing, error: None },
        Ok(Some(warning)) => CheckResult { status: HealthStatus::Warning, error: Some(warning) },
        Err(mut error) => {
            error.truncate(error.floor_char_boundary(MAX_ERROR));
            CheckResult { status: HealthStatus::Critical, error: Some(error) }
        }
    }
}

/// `Ok` with a text is a warning.
async fn run(
    host: &Host,
    probe: &Probe,
    settings: CheckSettings,
) -> Result<Option<String>, String> {
    let (Probe::Http { port, .. } | Probe::Tcp { port } | Probe::Grpc { port, .. }) = probe;
    let stream = connect(host, port.get(), settings).await?;
    let authority = host.authority(port.get());
    match probe {
        Probe::Tcp { .. } => Ok(None),
        Probe::Http { path, .. } => http::check(stream, &authority, path).await,
        Probe::Grpc { service, .. } => {
            grpc::check(stream, &authority, service).await.map(|()| None)
        }
    }
}
