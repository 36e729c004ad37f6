//! The host's side of the imports: `log`, `metrics`, `codecs`.

use plugbay_core::{Blame, CallError, CallErrorKind, Context, LogLevel, Services};

use crate::bindings::plugbay::plugin::{codecs, log, metrics, types};
use crate::state::State;

/// The field by which the SDK's panic hook marks its line.
const PANIC_FIELD: &str = "panic";

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
        if level == log::Level::Error && fields.iter().any(|(name, _)| name == PANIC_FIELD) {
            self.panic = Some(message.clone());
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
    fn nested(
        &self,
        call: impl FnOnce(&dyn Services, &Context<'_>) -> Result<Vec<u8>, CallError>,
    ) -> Answer {
        let context = self.context.as_ref().ok_or_else(|| {
            types::Error::Unavailable("codecs can be called during a call only, not in init".into())
        })?;
        let nested = context.get().nested();
        nested
            .and_then(|context| call(&**context.services(), &context))
            .map_err(|error| to_guest(&error))
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

    fn encode(&mut self, name: String, document: Vec<u8>) -> wasmtime::Result<Answer> {
        self.host_call()?;
        self.called_others = true;
        Ok(self.nested(|services, context| services.encode(context, &name, &document)))
    }

    fn decode(&mut self, name: String, bytes: Vec<u8>) -> wasmtime::Result<Answer> {
        self.host_call()?;
        self.called_others = true;
        Ok(self.nested(|services, context| services.decode(context, &name, &bytes)))
    }
}

/// A failed nested call, as the calling plugin sees it.
fn to_guest(error: &CallError) -> types::Error {
    let message = error.to_string();
    match error.kind() {
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
