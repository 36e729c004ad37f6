//! Why a guest call failed: a trap, a panic, a limit.

use std::fmt::{self, Write as _};

use plugbay_core::{CallError, CallErrorKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use super::limits::RESOURCES;
use super::state::State;

/// The most frames of a backtrace that are shown.
const MAX_FRAMES: usize = 32;

/// A frame's name is cut to this many bytes.
const MAX_NAME: usize = 256;

/// The beginning of wasmtime's message that a store's fuel for calls of the host is used up.
const FUEL_EXHAUSTED: &str = "too much data is being copied between the host and the guest";

/// The error of a failed guest call. A panic and a refused allocation are the same trap, so it takes
/// the notes that the limiter and the guest's panic hook left in the state.
pub(crate) fn fault(error: &wasmtime::Error, state: &mut State) -> CallError {
    let refused = state.limits.take_refused();
    let panic = state.take_panic();
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
        Some(trap) => CallError::new(CallErrorKind::Trap, trap_message(trap)),
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

/// The message of a trap. Compilers keep a part of the stack in the guest's memory, below everything
/// else: when that part is used up, the next access is out of bounds.
fn trap_message(trap: Trap) -> String {
    match trap {
        Trap::StackOverflow => {
            "stack overflow: the plugin's calls are nested too deeply".to_owned()
        }
        Trap::MemoryOutOfBounds => {
            format!("{trap}, or a stack overflow: too deep a recursion, or large local variables")
        }
        other => other.to_string(),
    }
}

/// As [`fault`], of a call with an input. CPU time and output are counted for each call, so what used
/// them up is its input; memory is an instance's, so it is the input only if this call took most of it.
pub(crate) fn fault_of_call(error: &wasmtime::Error, state: &mut State) -> CallError {
    let took_most = state.limits.took_most();
    let fault = fault(error, state);
    let by_input = match fault.kind() {
        CallErrorKind::Cpu | CallErrorKind::Output => true,
        CallErrorKind::Memory => took_most,
        _ => false,
    };
    fault.by_input(by_input)
}

/// An error that is neither a trap nor from [`Limits`](super::limits::Limits): the guest broke the
/// contract, holds too many resources, or passed too many bytes at once, which wasmtime reports by
/// its message alone.
fn broken(error: &wasmtime::Error, state: &State) -> CallError {
    if let Some(ResourceTableError::Full) = error.downcast_ref() {
        let message = format!(
            "expected an instance to hold at most {RESOURCES} resources: open files, sockets, \
             streams, timers"
        );
        return CallError::new(CallErrorKind::Memory, message);
    }
    let message = root_cause(error);
    if !message.starts_with(FUEL_EXHAUSTED) {
        return CallError::new(CallErrorKind::Contract, message);
    }
    let most = state.sandbox.max_transfer();
    // Only an error within a call of the guest has a backtrace.
    let message = if error.is::<WasmBacktrace>() {
        format!("expected a call of the host with at most {most} bytes of arguments, found more")
    } else {
        format!("expected an answer of at most {most} bytes, found more")
    };
    CallError::new(CallErrorKind::Output, message)
}

/// The innermost message, without the context that wasmtime adds.
pub(crate) fn root_cause(error: &wasmtime::Error) -> String {
    error.root_cause().to_string()
}

/// The guest's frames, a line each, innermost first.
fn backtrace(error: &wasmtime::Error) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let mut text = String::new();
    for frame in backtrace.frames().iter().take(MAX_FRAMES) {
        let mut name = Truncated(String::new());
        // It fails if the name, whose length the plugin chooses, is cut.
        let _ = match frame.func_name() {
            Some(found) => write!(name, "{:#}", rustc_demangle::demangle(found)),
            None => write!(name, "function {}", frame.func_index()),
        };
        text.push_str(&name.0);
        text.push('\n');
    }
    (!text.is_empty()).then_some(text)
}

/// The text that is written to it, cut to [`MAX_NAME`].
struct Truncated(String);

impl fmt::Write for Truncated {
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
    fn a_long_name_is_cut() {
        let mut short = Truncated(String::new());
        assert!(short.write_str("name").is_ok());
        assert!(write!(short, "{:#}", rustc_demangle::demangle(&"é".repeat(1 << 20))).is_err());
        assert_eq!(short.0.len(), MAX_NAME + "…".len());
        assert!(short.0.starts_with("nameé") && short.0.ends_with("é…"));
    }
}
