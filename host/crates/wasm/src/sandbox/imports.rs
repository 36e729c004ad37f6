//! The host's side of the imports: `log` and `codecs` here, `call` and `metrics` in modules of their own.
//!
//! A guest's arguments are read where they lie in its memory, and no further than they are needed: a line of the
//! log has at most [`MAX_LOG_FIELDS`] fields, whatever the guest passes. Otherwise a single call with large
//! arguments could hold its thread, which may serve sockets, for as long as they take to be copied.
//!
//! A call of another plugin is awaited on the fiber of the caller: it blocks no thread, however long
//! it takes. If its document is large, the call yields before it copies the document.

mod call;
mod metrics;

use futures_lite::future::yield_now;
use plugbay_core::codec::Direction;
use plugbay_core::{
    Blame, CallError, CallErrorKind, LogLevel, MAX_LOG_FIELDS, MAX_LOG_TEXT, OwnedContext, cut,
};
use wasmtime::component::{Linker, WasmList, WasmStr};
use wasmtime::{Result, StoreContext, StoreContextMut};

use super::state::State;
use crate::bindings::plugbay::plugin::{codecs, log, types};
use crate::load::world::{CODECS, LOG};

/// The field by which a guest's panic hook marks its log line, and its value in that of the SDK.
const PANIC_FIELD: (&str, &str) = ("panic", "true");

/// A panic's message is cut to this many bytes.
const MAX_PANIC: usize = 8 * 1024;

/// A name of a codec or a metric is cut to this many bytes. Valid ones are shorter.
const MAX_NAME: usize = 256;

/// The size of a document, in bytes, from which on a call yields before it copies the document.
const LARGE: usize = 64 << 10;

/// What a nested call returns to the guest.
type Answer = Result<Vec<u8>, types::Error>;

impl types::Host for State {}

/// Defines the functions of all imports.
///
/// # Errors
///
/// If one of them is defined already.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> Result<()> {
    call::add_to_linker(linker)?;
    metrics::add_to_linker(linker)?;
    let mut log = linker.instance(LOG)?;
    log.func_wrap("write", write)?;
    log.func_wrap("enabled", |mut store: StoreContextMut<'_, State>, (level,): (log::Level,)| {
        store.data_mut().host_call()?;
        Ok((log_level(level).is_enabled(),))
    })?;
    let mut codecs = linker.instance(CODECS)?;
    codecs.func_wrap("available", |mut store: StoreContextMut<'_, State>, (): ()| {
        Ok((store.data_mut().available()?,))
    })?;
    codecs.func_wrap_async("encode", |store, (name, document): (WasmStr, WasmList<u8>)| {
        Box::new(convert(store, name, Direction::Encode, document))
    })?;
    codecs.func_wrap_async("decode", |store, (name, bytes): (WasmStr, WasmList<u8>)| {
        Box::new(convert(store, name, Direction::Decode, bytes))
    })?;
    Ok(())
}

/// Writes a line to the log.
fn write(
    mut store: StoreContextMut<'_, State>,
    (level, message, fields): (log::Level, WasmStr, WasmList<(WasmStr, WasmStr)>),
) -> Result<()> {
    store.data_mut().host_call()?;
    let count = fields.len();
    let fields: Vec<_> =
        fields.iter(&mut store)?.take(MAX_LOG_FIELDS).collect::<Result<Vec<_>>>()?;
    let texts = |(name, value): &(WasmStr, WasmStr)| {
        Ok((start(&store, name, MAX_LOG_TEXT)?, start(&store, value, MAX_LOG_TEXT)?))
    };
    let fields: Vec<(String, String)> = fields.iter().map(texts).collect::<Result<_>>()?;
    let mark = fields.iter().find(|(name, _)| name == PANIC_FIELD.0);
    if let Some((_, value)) = mark.filter(|_| level == log::Level::Error) {
        // The error of the call has the message: it is not logged as well, unless the guest goes on.
        let unlogged = value == PANIC_FIELD.1 && count == 1;
        let text = cut(message.to_str(&store)?, MAX_PANIC).into_owned();
        store.data_mut().note_panic(text, unlogged);
        if unlogged {
            return Ok(());
        }
    }
    let message = start(&store, &message, MAX_LOG_TEXT)?;
    store.data().write_log(log_level(level), &message, &fields);
    Ok(())
}

/// The beginning of a guest's text.
fn start<'a>(
    store: impl Into<StoreContext<'a, State>>,
    text: &WasmStr,
    most: usize,
) -> Result<String> {
    let text = text.to_str(store)?;
    Ok(text[..text.floor_char_boundary(most)].to_owned())
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

impl State {
    /// Counts a call of another plugin; returns the context for it.
    fn caller(&mut self) -> Result<Result<OwnedContext, CallError>> {
        self.host_call()?;
        let caller = self.context.clone();
        Ok(caller.ok_or_else(|| {
            let message = "other plugins' codecs can be called only during a call, not in init, \
                           health or shutdown";
            CallError::new(CallErrorKind::Unavailable, message)
        }))
    }

    /// The codecs of the generation with which the current call began.
    fn available(&mut self) -> Result<Vec<codecs::CodecInfo>> {
        self.host_call()?;
        let infos = self.context.as_ref().map(|context| context.get().services().codecs());
        let infos = infos
            .unwrap_or_default()
            .into_iter()
            .map(|info| codecs::CodecInfo { name: info.name, media_types: info.media_types });
        Ok(infos.collect())
    }

    /// Notes whether the other plugin was overloaded; returns the error for the guest.
    fn failed(&mut self, error: &CallError) -> types::Error {
        self.upstream.note(error);
        to_guest(error)
    }
}

/// Calls another plugin's codec.
async fn convert(
    mut store: StoreContextMut<'_, State>,
    name: WasmStr,
    direction: Direction,
    input: WasmList<u8>,
) -> Result<(Answer,)> {
    if input.len() > LARGE {
        // Who runs the call may now continue it on a thread that serves no sockets.
        yield_now().await;
    }
    let caller = store.data_mut().caller()?;
    let name = start(&store, &name, MAX_NAME)?;
    let input = input.as_le_slice(&store).to_vec();
    let answer = async {
        let caller = caller?;
        let context = caller.get().nested()?;
        context.services().convert_async(context, &name, direction, input).await
    };
    Ok((answer.await.map_err(|error| store.data_mut().failed(&error)),))
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
