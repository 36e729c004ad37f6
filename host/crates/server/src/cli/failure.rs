//! Exit codes, and how errors are printed.

use std::io;
use std::process::ExitCode;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use plugbay::config::{ConfigError, Size};
use plugbay::{BuildError, CallError, CallErrorKind, Error, Host, Refusal, escaped, key_part};
use plugbay_server::BindError;
use plugbay_server::document::FormError;

use super::print::lines;

/// The largest limit of memory or output that the configuration allows, in MiB.
const MAX_MIB: u64 = 4096;
/// The largest limit of time that the configuration allows, in seconds.
const DAY_SECONDS: u64 = 24 * 60 * 60;

/// The result of a command that ran to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 1: the answer is negative, and has been printed.
    Negative,
}

impl Outcome {
    /// The exit code.
    pub(super) fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Negative => 1,
        }
    }
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        outcome.code().into()
    }
}

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    code: u8,
    /// `None`: everything has been printed, or the reader of the output is gone.
    message: Option<String>,
    hint: String,
}

impl Failure {
    /// A failure with exit code 1. The message is one line.
    pub(super) fn new(message: impl Into<String>) -> Self {
        let message = escaped(message.into()).into_owned();
        Self { code: 1, message: Some(message), hint: String::new() }
    }

    /// A failure with exit code 2: the command line is wrong.
    pub(super) fn usage(message: impl Into<String>) -> Self {
        Self::new(message).caused_by_caller()
    }

    /// As [`Failure::new`], with a message of several lines: each is escaped when it is printed.
    pub(super) fn of_lines(message: impl Into<String>) -> Self {
        Self { code: 1, message: Some(message.into()), hint: String::new() }
    }

    /// Changes the exit code to 2: the caller made a mistake.
    pub(super) fn caused_by_caller(self) -> Self {
        Self { code: 2, ..self }
    }

    /// The message, for a place that shows it itself.
    pub(super) fn message(&self) -> String {
        self.message.clone().unwrap_or_default()
    }

    /// The message and the hint, for tests.
    #[cfg(test)]
    pub(super) fn text(&self) -> String {
        format!("{}\n{}", self.message.as_deref().unwrap_or_default(), self.hint)
    }

    /// Everything has been printed on stdout.
    pub(super) fn already_printed(code: u8) -> Self {
        Self { code, message: None, hint: String::new() }
    }

    /// Adds a hint: what the user can do.
    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Prints the failure on stderr, as a line of JSON if `json` is set, and returns its exit code.
    pub(super) fn report(self, json: bool) -> u8 {
        use io::Write;
        if let Some(message) = &self.message {
            if json {
                let error = serde_json::json!({
                    "type": "error", "error": message, "hint": self.hint, "code": self.code,
                });
                // A failed write to stderr cannot be reported anywhere.
                let _ = writeln!(anstream::stderr().lock(), "{error}");
                return self.code;
            }
            let red = Style::new().bold().fg_color(Some(AnsiColor::Red.into()));
            let mut out = anstream::stderr().lock();
            // A failed write to stderr cannot be reported anywhere.
            let _ = writeln!(out, "{red}error{red:#}: {}", lines(message));
            if !self.hint.is_empty() {
                let _ = writeln!(out, "  {}", lines(&self.hint));
            }
        }
        self.code
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::already_printed(0);
        }
        Self::new(error.to_string())
    }
}

impl From<ConfigError> for Failure {
    fn from(error: ConfigError) -> Self {
        // Several lines: it shows the places of the mistakes.
        Self { code: 2, message: Some(error.to_string()), hint: String::new() }
    }
}

impl From<BuildError> for Failure {
    fn from(error: BuildError) -> Self {
        match error {
            BuildError::Config(error) => error.into(),
            BuildError::Strict(refusal) => {
                let hint = refusal.hint.clone();
                Self::new(
                    BuildError::Strict(Refusal { hint: String::new(), ..refusal }).to_string(),
                )
                .hint(escaped(hint))
            }
            other => Self::new(other.to_string()),
        }
    }
}

impl From<BindError> for Failure {
    fn from(error: BindError) -> Self {
        Self::new(error.to_string()).hint(error.hint())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::new(refusal.reason_and_message()).hint(escaped(refusal.hint))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotFound(_) => Self::new(error.to_string()),
            Error::Call(call) => {
                let backtrace = call.backtrace().unwrap_or_default().replace('\n', "\n  ");
                Self::new(format!("{}: {error}", error.reason())).hint(backtrace.trim())
            }
            _ => Self::new(format!("{}: {error}", error.reason())),
        }
    }
}

impl Failure {
    /// The failure of a call of this host's plugins. If the call used up a limit, the hint raises it.
    pub(super) fn of_call(host: &Host, error: Error) -> Self {
        let raise = match &error {
            Error::Call(call) => raise(host, call).unwrap_or_default(),
            _ => String::new(),
        };
        let failure = Self::from(error);
        let hint = [raise, failure.hint.clone()].join("\n  ");
        failure.hint(hint.trim())
    }
}

/// The flags that give the plugin four times as much of what the call used up, as far as the
/// configuration allows it.
fn raise(host: &Host, call: &CallError) -> Option<String> {
    let (name, _version) = call.plugin()?.split_once('@')?;
    let limits = host.config().policy(name);
    let more_bytes = |size: Size| (u64::from(size).saturating_mul(4) >> 20).clamp(1, MAX_MIB);
    let more_time = |time: Duration| (time.as_secs() + 1).saturating_mul(4).min(DAY_SECONDS);
    let raised = match call.kind() {
        CallErrorKind::Output => vec![("output", format!("{}MiB", more_bytes(limits.output)))],
        CallErrorKind::Memory => {
            let more = more_bytes(limits.memory);
            let total = (more > u64::from(limits.total_memory) >> 20)
                .then(|| ("total_memory", format!("{more}MiB")));
            [("memory", format!("{more}MiB"))].into_iter().chain(total).collect()
        }
        CallErrorKind::Cpu => vec![("cpu", format!("{}s", more_time(limits.cpu)))],
        CallErrorKind::Deadline => vec![("deadline", format!("{}s", more_time(limits.deadline)))],
        _ => return None,
    };
    // In quotes for the shell if the key has some.
    let quote = if name.contains('.') { "'" } else { "" };
    let name = key_part(name);
    let flags = raised
        .into_iter()
        .map(|(limit, value)| format!("--set {quote}plugins.{name}.{limit}={value}{quote}"));
    Some(format!("raise the limit: {}", flags.collect::<Vec<_>>().join(" ")))
}

/// A value that cannot be written as JSON, or a failed write.
impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}

impl From<FormError> for Failure {
    fn from(error: FormError) -> Self {
        Self::new(error.to_string())
    }
}
