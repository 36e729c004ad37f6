//! The host's side of the imports: `log`, `metrics`, `codecs`.
//!
//! A call of another plugin is awaited on the fiber of the caller: it blocks no thread, however long
//! it takes.

use plugbay_core::codec::Direction;
use plugbay_core::{Blame, CallError, CallErrorKind, LogLevel, OwnedContext, cut};

use super::state::State;
use crate::bindings::plugbay::plugin::{codecs, log, metrics, types};

/// The field by which a guest's panic hook marks its log line, and its value in that of the SDK.
const PANIC_FIELD: (&str, &str) = ("panic", "true");

/// A panic's message is cut to this many bytes.
const MAX_PANIC: usize = 8 * 1024;

/// What a nested call returns to the guest.
type Answer = Result<Vec<u8>, types::Error>;

impl types::Host for State {}

impl log::Host for State {
    fn write(
        &mut self,
        level: log::Level,
        message: String,
        fields: Vec<(String, String)>,
    ) -> wasmtime::Result<()> {
        self.host_call()?;
        let mark = fields.iter().find(|(name, _)| name == PANIC_FIELD.0);
        if let Some((_, value)) = mark.filter(|_| level == log::Level::Error) {
            // The error of the call has the message: it is not logged as well, unless the guest goes on.
            let unlogged = value == PANIC_FIELD.1 && fields.len() == 1;
            self.note_panic(cut(&message, MAX_PANIC).into_owned(), unlogged);
            if unlogged {
                return Ok(());
            }
        }
        self.sandbox.write_log(log_level(level), &message, &fields);
        Ok(())
    }

    fn enabled(&mut self, level: log::Level) -> wasmtime::Result<bool> {
        self.host_call()?;
        Ok(log_level(level).is_enabled())
    }
}

fn log_level(level: log::Level) -> LogLevel {
    match level {
        log::Level::Error => LogLevel::Error,
        log::Level::Warn => LogLevel::Warn,
        log::Level::Info => LogLevel::Info,
        log::Level::Debug => LogLevel::Debug,
        log::Level::Trace => LogLevel::Trace,
    }
}

impl metrics::Host for State {
    fn add(&mut self, name: String, delta: u64) -> wasmtime::Result<()> {
        self.host_call()?;
        self.metrics.add(&name, delta);
        Ok(())
    }

    fn set(&mut self, name: String, value: f64) -> wasmtime::Result<()> {
        self.host_call()?;
        self.metrics.set(&name, value);
        Ok(())
    }
}

impl State {
    /// Counts a call of another plugin; returns the context for it.
    fn caller(&mut self) -> wasmtime::Result<Result<OwnedContext, CallError>> {
        self.host_call()?;
        let caller = self.context.clone();
        Ok(caller.ok_or_else(|| {
            let message = "other plugins' codecs can be called only during a call, not in init, \
                           health or shutdown";
            CallError::new(CallErrorKind::Unavailable, message)
        }))
    }

    /// Calls another plugin's codec.
    async fn convert(
        &mut self,
        name: &str,
        direction: Direction,
        input: Vec<u8>,
    ) -> wasmtime::Result<Answer> {
        let caller = self.caller()?;
        let answer = async {
            let caller = caller?;
            let context = caller.get().nested()?;
            context.services().convert_async(context, name, direction, input).await
        };
        Ok(answer.await.map_err(|error| self.failed(&error)))
    }

    /// Notes whether the other plugin was overloaded; returns the error for the guest.
    fn failed(&mut self, error: &CallError) -> types::Error {
        self.upstream.note(error);
        to_guest(error)
    }
}

impl codecs::Host for State {
    fn available(&mut self) -> wasmtime::Result<Vec<codecs::CodecInfo>> {
        self.host_call()?;
        let infos = self.context.as_ref().map(|context| context.get().services().codecs());
        let infos = infos
            .unwrap_or_default()
            .into_iter()
            .map(|info| codecs::CodecInfo { name: info.name, media_types: info.media_types });
        Ok(infos.collect())
    }

    async fn encode(&mut self, name: String, document: Vec<u8>) -> wasmtime::Result<Answer> {
        self.convert(&name, Direction::Encode, document).await
    }

    async fn decode(&mut self, name: String, bytes: Vec<u8>) -> wasmtime::Result<Answer> {
        self.convert(&name, Direction::Decode, bytes).await
    }
}

/// The error of a nested call, for the calling plugin.
fn to_guest(error: &CallError) -> types::Error {
    let message = error.to_string();
    match error.kind() {
        _ if error.blame() == Blame::Input => types::Error::InvalidInput(message),
        CallErrorKind::InvalidInput => types::Error::InvalidInput(error.message().to_owned()),
        CallErrorKind::Unsupported => types::Error::Unsupported(error.message().to_owned()),
        CallErrorKind::Unavailable | CallErrorKind::Deadline => types::Error::Unavailable(message),
        kind if kind.blame() == Blame::NotCalled => types::Error::Unavailable(message),
        _ => types::Error::Internal(message),
    }
}

impl From<types::Error> for CallError {
    fn from(error: types::Error) -> Self {
        let (kind, message) = match error {
            types::Error::InvalidInput(message) => (CallErrorKind::InvalidInput, message),
            types::Error::Unsupported(message) => (CallErrorKind::Unsupported, message),
            types::Error::Unavailable(message) => (CallErrorKind::Unavailable, message),
            types::Error::Internal(message) => (CallErrorKind::Internal, message),
        };
        Self::new(kind, message)
    }
}
