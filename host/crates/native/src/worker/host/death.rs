//! How a worker ended, and the error that its calls return.

use std::fmt;
use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use plugbay_core::CallErrorKind;

/// Why there is no worker: the kind and the message of the error that its calls return.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) kind: CallErrorKind,
    pub(super) message: String,
}

impl Death {
    pub(super) fn new(kind: CallErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// Whether the host lacked something that a worker needs: the worker is not to blame.
    pub(super) fn is_shortage(&self) -> bool {
        self.kind == CallErrorKind::Overloaded
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// The death of a process with this exit status; `None` if another part of the program reaped it.
pub(super) fn death(status: Option<ExitStatus>, last_line: &str) -> Death {
    let signal = status.and_then(|status| status.signal());
    // What Rust's standard library prints before it aborts.
    if last_line.starts_with("memory allocation of ") && signal == Some(libc::SIGABRT) {
        let message = format!("the worker reached its memory limit: {last_line}");
        return Death::new(CallErrorKind::Memory, message);
    }
    let message = match (signal, status.and_then(|status| status.code())) {
        (Some(signal), _) => format!("the worker died: signal {signal} ({})", name(signal)),
        (None, Some(code)) => format!("the worker exited with code {code}"),
        (None, None) => "the worker ended, and its exit status is lost".to_owned(),
    };
    Death::new(CallErrorKind::Crashed, message)
}

fn name(signal: i32) -> &'static str {
    match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGXFSZ => "SIGXFSZ",
        _ => "another signal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_named_by_signal_code_or_memory() {
        let of = |raw| death(Some(ExitStatus::from_raw(raw)), "");
        assert_eq!(of(libc::SIGSEGV).message, "the worker died: signal 11 (SIGSEGV)");
        assert_eq!(of(3 << 8).message, "the worker exited with code 3");
        let starved =
            death(Some(ExitStatus::from_raw(libc::SIGABRT)), "memory allocation of 9 bytes failed");
        assert_eq!(starved.kind, CallErrorKind::Memory);
    }
}
