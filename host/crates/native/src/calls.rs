//! What a native plugin may ask of the host during a call.

use std::sync::Arc;

use plugbay_abi::host::HostCalls;
use plugbay_abi::{CodecInfo, Error, Kind, Level};
use plugbay_core::{
    CallError, CallErrorKind, Context, GuestMetrics, LogLevel, MAX_DEPTH, Services, write_log,
};

/// The host's side of one call, or, without services, of `create`, `health` and `shutdown`.
pub(crate) struct Calls<'a> {
    label: &'a str,
    metrics: &'a GuestMetrics,
    services: Option<(&'a Arc<dyn Services>, u8)>,
}

impl<'a> Calls<'a> {
    pub(crate) fn outside(label: &'a str, metrics: &'a GuestMetrics) -> Self {
        Self { label, metrics, services: None }
    }

    pub(crate) fn during(label: &'a str, metrics: &'a GuestMetrics, context: &Context<'a>) -> Self {
        Self { label, metrics, services: Some((context.services(), context.depth())) }
    }

    fn nested(&self) -> Result<(&'a Arc<dyn Services>, u8), Error> {
        let Some((services, depth)) = self.services else {
            let message = "codecs can be called during a call only, not while a plugin starts";
            return Err(Error::new(Kind::Unavailable, message));
        };
        if depth >= MAX_DEPTH {
            let message =
                format!("expected calls between plugins to nest at most {MAX_DEPTH} deep");
            return Err(Error::new(Kind::Unsupported, message));
        }
        Ok((services, depth + 1))
    }
}

impl HostCalls for Calls<'_> {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        write_log(self.label, log_level(level), message, fields);
    }

    fn log_enabled(&self, level: Level) -> bool {
        log_level(level).is_enabled()
    }

    fn metric_add(&self, name: &str, delta: u64) {
        self.metrics.add(name, delta);
    }

    fn metric_set(&self, name: &str, value: f64) {
        self.metrics.set(name, value);
    }

    fn codecs(&self) -> Vec<CodecInfo> {
        let infos = self.services.map(|(services, _)| services.codecs()).unwrap_or_default();
        infos
            .into_iter()
            .map(|info| CodecInfo { name: info.name, media_types: info.media_types })
            .collect()
    }

    fn encode(&self, name: &str, document: &[u8]) -> Result<Vec<u8>, Error> {
        let (services, depth) = self.nested()?;
        services.encode(depth, name, document).map_err(|error| to_guest(&error))
    }

    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        let (services, depth) = self.nested()?;
        services.decode(depth, name, bytes).map_err(|error| to_guest(&error))
    }
}

fn log_level(level: Level) -> LogLevel {
    match level {
        Level::Error => LogLevel::Error,
        Level::Warn => LogLevel::Warn,
        Level::Info => LogLevel::Info,
        Level::Debug => LogLevel::Debug,
        Level::Trace => LogLevel::Trace,
    }
}

/// A failed nested call, as the calling plugin sees it.
fn to_guest(error: &CallError) -> Error {
    match error.kind() {
        CallErrorKind::InvalidInput => Error::new(Kind::InvalidInput, error.message()),
        CallErrorKind::Unsupported => Error::new(Kind::Unsupported, error.message()),
        CallErrorKind::Unavailable | CallErrorKind::Deadline | CallErrorKind::Retired => {
            Error::new(Kind::Unavailable, error.to_string())
        }
        _ => Error::new(Kind::Internal, error.to_string()),
    }
}

/// A plugin's error, as the host sees it.
pub(crate) fn from_guest(error: Error, label: &Arc<str>) -> CallError {
    let kind = match error.kind {
        Kind::InvalidInput => CallErrorKind::InvalidInput,
        Kind::Unsupported => CallErrorKind::Unsupported,
        Kind::Unavailable => CallErrorKind::Unavailable,
        Kind::Internal => CallErrorKind::Internal,
        Kind::Panicked => CallErrorKind::Panic,
    };
    CallError::new(kind, error.message).of(label)
}
