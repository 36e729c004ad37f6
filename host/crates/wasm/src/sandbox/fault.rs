//! Why a guest call failed: a trap, a panic, a limit.

use std::fmt::{self, Write as _};

use plugbay_core::{CallError, CallErrorKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use super::limits::RESOURCES;
use super::state::State;

/// The most frames of a backtrace that are shown.
const MAX_FRAMES: usize = 32;

/// How much of a frame's name is shown, in bytes.
const MAX_NAME: usize = 256;

/// How wasmtime begins to say that a store's fuel for calls of the host is used up.
const TOO_MUCH: &str = "too much data is being copied between the host and the guest";

/// Names the failure of a guest call. Takes the notes that the limiter and the guest's
/// panic hook left, because both surface as the same trap.
pub(crate) fn fault(error: &wasmtime::Error, state: &mut State) -> CallError {
    let refused = state.limits.take_refused();
    let panic = state.panic.take();
    let trap = error.downcast_ref::<Trap>().copied();
    let fault = match trap {
        _ if let Some(excess) = state.excess.take() => {
            CallError::new(CallErrorKind::HostCalls, excess.to_string())
        }
        Some(Trap::Interrupt) => state.clock.stop_error(),
        Some(Trap::UnreachableCodeReached) if refused.is_some() => {
            CallError::new(CallErrorKind::Memory, refused.unwrap_or_default())
        }
        Some(_) if panic.is_some() => {
            CallError::new(CallErrorKind::Panic, panic.unwrap_or_default())
        }
        Some(trap) => CallError::new(CallErrorKind::Trap, trap.to_string()),
        None => match refused {
            Some(refused) => CallError::new(CallErrorKind::Memory, refused),
            None => broken(error, state),
        },
    };
    let fault = fault.of(state.sandbox.label());
    match backtrace(error) {
        Some(backtrace) => fault.with_backtrace(backtrace),
        None => fault,
    }
}

/// An error that is neither a trap nor from a limit of ours: the guest broke the contract, holds too
/// many resources, or passed more than the host takes at once, which wasmtime tells by its message
/// alone.
fn broken(error: &wasmtime::Error, state: &State) -> CallError {
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        let message = format!(
            "expected an instance to hold at most {RESOURCES} resources: open files, sockets, \
             streams, timers"
        );
        return CallError::new(CallErrorKind::Memory, message);
    }
    let message = root_cause(error);
    if !message.starts_with(TOO_MUCH) {
        return CallError::new(CallErrorKind::Contract, message);
    }
    let most = state.sandbox.most_at_once();
    // Only what trapped within the guest has a backtrace.
    let message = if error.is::<WasmBacktrace>() {
        format!("expected a call of the host with at most {most} bytes, found more")
    } else {
        format!("expected an answer of at most {most} bytes, found more")
    };
    CallError::new(CallErrorKind::Output, message)
}

/// The innermost message: what went wrong, without wasmtime's account of where.
pub(crate) fn root_cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

/// The guest's frames, a line each, innermost first.
fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let mut text = String::new();
    for frame in backtrace.frames().iter().take(MAX_FRAMES) {
        let mut name = Short(String::new());
        // A name may be cut: the plugin chooses how long it is.
        let _ = match frame.func_name() {
            Some(found) => write!(name, "{:#}", rustc_demangle::demangle(found)),
            None => write!(name, "function {}", frame.func_index()),
        };
        text.push_str(&name.0);
        text.push('\n');
    }
    (!text.is_empty()).then_some(text)
}

/// The beginning of what is written, as far as [`MAX_NAME`].
struct Short(String);

impl fmt::Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = MAX_NAME.saturating_sub(self.0.len());
        let fits = &text[..text.floor_char_boundary(room)];
        self.0.push_str(fits);
        if fits.len() == text.len() {
            return Ok(());
        }
        self.0.push('…');
        Err(fmt::Error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_of_any_length_is_short() {
        let mut short = Short(String::new());
        assert!(short.write_str("name").is_ok());
        assert!(write!(short, "{:#}", rustc_demangle::demangle(&"é".repeat(1 << 20))).is_err());
        assert_eq!(short.0.len(), MAX_NAME + "…".len());
        assert!(short.0.starts_with("nameé") && short.0.ends_with("é…"));
    }
}
