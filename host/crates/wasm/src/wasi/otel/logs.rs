//! The interface `logs`: a log record becomes a line of the plugin's log.

use plugbay_core::{LogLevel, MAX_LOG_TEXT};
use wasmtime::{AsContextMut, Result, StoreContextMut};

use super::read::{MAX_NAME, Reader};
use super::types::LogRecord;
use crate::sandbox::state::State;

/// Takes a log record. Its place in a trace is not read: the line has that of the call.
pub(super) fn on_emit(
    mut store: StoreContextMut<'_, State>,
    (record,): (LogRecord,),
) -> Result<()> {
    store.data_mut().host_call()?;
    let level = level(record.severity_number);
    if !level.is_enabled() {
        return Ok(());
    }
    let mut reader = Reader::new(store.as_context_mut(), MAX_LOG_TEXT);
    let message = match &record.body {
        Some(body) => reader.value(body)?.to_string(),
        None => String::new(),
    };
    let mut fields = Vec::new();
    if let Some(name) = &record.event_name {
        fields.push(("event.name".into(), reader.text(name, MAX_NAME)?));
    }
    if let Some(list) = &record.attributes {
        let (attributes, _) = reader.attributes(list)?;
        fields.extend(attributes.into_iter().map(|it| (it.name, it.value.to_string())));
    }
    store.data().write_log(level, &message, &fields);
    Ok(())
}

/// The level of a severity, which is from 1 to 24; without one it is that of ordinary lines.
fn level(severity: Option<u8>) -> LogLevel {
    match severity {
        Some(1..=4) => LogLevel::Trace,
        Some(5..=8) => LogLevel::Debug,
        None | Some(0 | 9..=12) => LogLevel::Info,
        Some(13..=16) => LogLevel::Warn,
        Some(17..) => LogLevel::Error,
    }
}
