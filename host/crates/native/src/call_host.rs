//! The functions of the host that a native plugin can call.

use std::cell::Cell;
use std::sync::Arc;

use plugbay_abi::host::{CallInfo, HostCalls};
use plugbay_abi::{CodecInfo, Error, ErrorKind, Level, Metric, MetricKind};
use plugbay_core::codec::Direction;
use plugbay_core::trace::TraceState;
use plugbay_core::{
    Blame, CallError, CallErrorKind, Context, LogLevel, MetricDescription, RequestId, TraceParent,
    UpstreamRejection,
};

use crate::ledger::Ledger;

/// The host, as a plugin sees it during one call, or, without a context, during `create`, `health`
/// and `shutdown`.
///
/// Native code cannot be ended in the middle of a call. So once a plugin has called the host too
/// often, further functions of the host do nothing, and return an error where they can; and
/// [`CallHost::outcome`] replaces the call's answer by an error.
pub(crate) struct CallHost<'a> {
    ledger: &'a Ledger,
    context: Option<Context<'a>>,
    /// The limit of calls of the host, once this call has exceeded it.
    exceeded: Cell<Option<u32>>,
    /// How the calls of other plugins failed.
    upstream: Cell<UpstreamRejection>,
}

impl<'a> CallHost<'a> {
    /// The host outside calls.
    pub(crate) fn outside(ledger: &'a Ledger) -> Self {
        Self { ledger, context: None, exceeded: Cell::new(None), upstream: Cell::default() }
    }

    /// The host during the call in `context`.
    pub(crate) fn during(ledger: &'a Ledger, context: &Context<'a>) -> Self {
        Self { context: Some(*context), ..Self::outside(ledger) }
    }

    /// The outcome of the call to which the plugin gave `answer`.
    ///
    /// # Errors
    ///
    /// `host-calls` if the plugin called the host too often, unless something worse happened.
    #[inline]
    pub(crate) fn outcome<T>(&self, answer: Result<T, CallError>) -> Result<T, CallError> {
        match self.exceeded.get() {
            Some(limit) => Err(self.too_many_host_calls(limit, answer.err())),
            None => answer.map_err(|error| self.upstream.get().explain(error)),
        }
    }

    #[cold]
    fn too_many_host_calls(&self, limit: u32, error: Option<CallError>) -> CallError {
        match error {
            Some(error) if !is_returned(error.kind()) => error,
            _ => CallError::new(CallErrorKind::HostCalls, message(limit)).of(self.ledger.label()),
        }
    }

    /// Counts a call of the host, and refuses it beyond the plugin's limit.
    fn count(&self) -> Result<(), Error> {
        self.ledger.host_call().map_err(|limit| {
            self.exceeded.set(Some(limit));
            Error::new(ErrorKind::Unavailable, message(limit))
        })
    }

    /// Calls another plugin's codec.
    fn convert(&self, name: &str, direction: Direction, input: &[u8]) -> Result<Vec<u8>, Error> {
        self.count()?;
        let Some(context) = self.context else {
            let message = "other plugins' codecs can be called only during a call, not in init, \
                           health or shutdown";
            return Err(Error::new(ErrorKind::Unavailable, message));
        };
        let nested = context
            .nested()
            .and_then(|context| context.services().convert(&context, name, direction, input));
        nested.map_err(|error| {
            let mut upstream = self.upstream.get();
            upstream.note(&error);
            self.upstream.set(upstream);
            to_guest(&error)
        })
    }
}

impl HostCalls for CallHost<'_> {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        if self.count().is_ok() {
            self.ledger.write_log(self.context.as_ref(), log_level(level), message, fields);
        }
    }

    fn log_enabled(&self, level: Level) -> bool {
        self.count().is_ok() && log_level(level).is_enabled()
    }

    fn metric_add(&self, name: &str, delta: u64) {
        if self.count().is_ok() {
            self.ledger.metrics.add(name, delta);
        }
    }

    fn metric_set(&self, name: &str, value: f64) {
        if self.count().is_ok() {
            self.ledger.metrics.set(name, value);
        }
    }

    fn metric_observe(&self, name: &str, value: f64) {
        if self.count().is_ok() {
            self.ledger.metrics.observe(name, value);
        }
    }

    fn metric_describe(&self, name: &str, metric: &Metric<'_>) -> Result<(), Error> {
        self.count()?;
        let kind = match metric.kind {
            MetricKind::Counter => plugbay_core::MetricKind::Counter,
            MetricKind::Gauge => plugbay_core::MetricKind::Gauge,
            MetricKind::Histogram => plugbay_core::MetricKind::Histogram,
        };
        let Metric { help, unit, buckets, .. } = *metric;
        let description = MetricDescription { kind, help, unit, buckets };
        let described = self.ledger.metrics.describe(name, &description);
        described.map_err(|error| to_guest(&CallError::from(error)))
    }

    fn codecs(&self) -> Vec<CodecInfo> {
        if self.count().is_err() {
            return Vec::new();
        }
        let infos = self.context.map(|context| context.services().codecs()).unwrap_or_default();
        infos
            .into_iter()
            .map(|info| CodecInfo { name: info.name, media_types: info.media_types })
            .collect()
    }

    fn encode(&self, name: &str, document: &[u8]) -> Result<Vec<u8>, Error> {
        self.convert(name, Direction::Encode, document)
    }

    fn decode(&self, name: &str, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        self.convert(name, Direction::Decode, bytes)
    }

    fn call(&self) -> CallInfo<'_> {
        let (Ok(()), Some(context)) = (self.count(), &self.context) else {
            return CallInfo::default();
        };
        let correlation = context.correlation();
        CallInfo {
            request_id: correlation.and_then(|it| it.request_id.as_ref()).map(RequestId::as_str),
            generation: context.generation(),
            trace_parent: correlation
                .and_then(|it| it.trace_parent.as_ref())
                .map(TraceParent::as_str),
            trace_state: correlation.and_then(|it| it.trace_state.as_ref()).map(TraceState::as_str),
            deadline: context.deadline(),
        }
    }
}

fn message(limit: u32) -> String {
    format!("expected at most {limit} calls of the host in a second over all calls of the plugin")
}

/// Whether a plugin itself returns errors of this kind.
fn is_returned(kind: CallErrorKind) -> bool {
    use CallErrorKind::{Internal, InvalidInput, Unavailable, Unsupported};
    matches!(kind, InvalidInput | Unsupported | Unavailable | Internal)
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

/// The error of a nested call, as the calling plugin sees it.
fn to_guest(error: &CallError) -> Error {
    match error.kind() {
        _ if error.blame() == Blame::Input => {
            Error::new(ErrorKind::InvalidInput, error.to_string())
        }
        CallErrorKind::InvalidInput => Error::new(ErrorKind::InvalidInput, error.message()),
        CallErrorKind::Unsupported => Error::new(ErrorKind::Unsupported, error.message()),
        kind if matches!(kind, CallErrorKind::Unavailable | CallErrorKind::Deadline)
            || kind.blame() == Blame::NotCalled =>
        {
            Error::new(ErrorKind::Unavailable, error.to_string())
        }
        _ => Error::new(ErrorKind::Internal, error.to_string()),
    }
}

/// The error of a plugin, as the host sees it.
pub(crate) fn from_guest(error: Error, label: &Arc<str>) -> CallError {
    let kind = match error.kind {
        ErrorKind::InvalidInput => CallErrorKind::InvalidInput,
        ErrorKind::Unsupported => CallErrorKind::Unsupported,
        ErrorKind::Unavailable => CallErrorKind::Unavailable,
        ErrorKind::Internal => CallErrorKind::Internal,
        ErrorKind::Panicked => CallErrorKind::Panic,
        ErrorKind::Contract => CallErrorKind::Contract,
    };
    CallError::new(kind, error.message).of(label)
}
