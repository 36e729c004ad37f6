//! What a failed call was: a trap, a panic, a limit.

use std::fmt::Write as _;
use std::time::Duration;

use plugbay_core::{CallError, CallErrorKind};
use wasmtime::component::ResourceTableError;
use wasmtime::{Trap, WasmBacktrace};

use crate::state::State;
use crate::wasi::RESOURCES;

/// The most frames of a backtrace that are shown.
const MAX_FRAMES: usize = 32;

/// How wasmtime begins to say that a store's fuel for calls of the host is used up.
const TOO_MUCH: &str = "too much data is being copied between the host and the guest";

/// Names the failure of a guest call. Takes the notes that the limiter and the guest's
/// panic hook left, because both surface as the same trap.
pub(crate) fn fault(error: &wasmtime::Error, state: &mut State, cpu: Duration) -> CallError {
    let refused = state.limits.take_refused();
    let panic = state.panic.take();
    let trap = error.downcast_ref::<Trap>().copied();
    let fault = match trap {
        _ if let Some(excess) = state.excess.take() => {
            CallError::new(CallErrorKind::HostCalls, excess.to_string())
        }
        Some(Trap::Interrupt) if state.late => CallError::new(
            CallErrorKind::Deadline,
            format!("expected an answer within {:?}", state.wall),
        ),
        Some(Trap::Interrupt) => CallError::new(
            CallErrorKind::Cpu,
            format!("expected to finish within {cpu:?} of CPU time"),
        ),
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

/// What is neither a trap nor a limit of ours: the guest broke the contract, or holds too much
/// of the host, or gave more than the host takes at once, which wasmtime says by its message
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
    let output = state.sandbox.output();
    let message = format!("expected at most {output} bytes from the plugin at once, found more");
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
        let index = frame.func_index();
        let name = frame.func_name().map_or_else(|| format!("function {index}"), demangle);
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}");
    }
    (!text.is_empty()).then_some(text)
}

/// Rust names as people know them; others as they are.
fn demangle(name: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(name))
}
