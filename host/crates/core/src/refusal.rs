//! Why an artifact, a plugin or a configuration does not run.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::cut;

/// The longest message and the longest hint, in bytes. They contain names and texts from the
/// plugin, and rejections are kept.
const MAX_TEXT: usize = 16 * 1024;

/// The closed list of reasons; [`Reason::as_str`] is what metrics, logs and APIs show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The file or folder could not be read.
    Unreadable,
    /// The file is empty.
    Empty,
    /// The file ends before its format says so.
    Truncated,
    /// No runtime knows the file's format.
    UnknownFormat,
    /// A core WebAssembly module, not a component.
    CoreModule,
    /// A WebAssembly file that does not validate or compile, or a library that cannot be read.
    Malformed,
    /// A component that takes more time or memory to compile than it may.
    Compile,
    /// The compiler could not run, or was stopped by the system.
    Compiler,
    /// A component of a world that this host does not serve.
    WrongWorld,
    /// Built against an API version that this host does not serve.
    ApiVersion,
    /// The component imports what the host does not offer.
    MissingImport,
    /// Native code, but an executable, an object file or a static library.
    NotALibrary,
    /// A library for another operating system.
    WrongSystem,
    /// A library for another processor.
    WrongArchitecture,
    /// A library that is no Plugbay plugin.
    NoHeader,
    /// The library's header or vtable is not what its ABI version says.
    BadHeader,
    /// Built against a version of the native ABI that this host does not serve.
    AbiVersion,
    /// The library lacks its entry symbol, or the entry failed.
    NoEntry,
    /// Native code that the configuration does not allow, or that cannot run where it says.
    Isolation,
    /// More of native libraries would be mapped into the host than it may be.
    Mapped,
    /// No private copy of the library could be made.
    Staging,
    /// The system's loader refused the library.
    Loader,
    /// `describe` trapped, failed or ran out of time.
    Describe,
    /// The description breaks a rule.
    Description,
    /// Another plugin has this name.
    NameClash,
    /// Another plugin offers this capability.
    CapabilityClash,
    /// Another plugin serves this route.
    RouteClash,
    /// The configuration does not satisfy the declared schema.
    ConfigSchema,
    /// The configuration file is refused.
    Config,
    /// What the configuration grants is not there: a folder that is missing or unreadable.
    Grant,
    /// `init` said no, or trapped.
    Init,
    /// `init` did not return in time.
    InitDeadline,
    /// `health` said no after `init`.
    Unhealthy,
    /// A version on trial did worse than the one that serves.
    Canary,
    /// A capability would go before what takes its place is there.
    Migration,
    /// Only this strict host's refusal of something else keeps it from running.
    Strict,
    /// The host itself failed while it prepared the artifact: a bug of the host, not of the plugin.
    Internal,
}

impl Reason {
    /// Whether the refusal may be transient: the same bytes may be accepted later, because the
    /// machine was too busy, its disk was full, or a library was missing.
    #[must_use]
    pub fn is_transient(self) -> bool {
        matches!(
            self,
            Self::Describe | Self::Compiler | Self::Staging | Self::Loader | Self::Internal
        )
    }

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Empty => "empty",
            Self::Truncated => "truncated",
            Self::UnknownFormat => "unknown-format",
            Self::CoreModule => "core-module",
            Self::Malformed => "malformed",
            Self::Compile => "compile",
            Self::Compiler => "compiler",
            Self::WrongWorld => "wrong-world",
            Self::ApiVersion => "api-version",
            Self::MissingImport => "missing-import",
            Self::NotALibrary => "not-a-library",
            Self::WrongSystem => "wrong-system",
            Self::WrongArchitecture => "wrong-architecture",
            Self::NoHeader => "no-header",
            Self::BadHeader => "bad-header",
            Self::AbiVersion => "abi-version",
            Self::NoEntry => "no-entry",
            Self::Isolation => "isolation",
            Self::Mapped => "mapped",
            Self::Staging => "staging",
            Self::Loader => "loader",
            Self::Describe => "describe",
            Self::Description => "description",
            Self::NameClash => "name-clash",
            Self::CapabilityClash => "capability-clash",
            Self::RouteClash => "route-clash",
            Self::ConfigSchema => "config-schema",
            Self::Config => "config",
            Self::Grant => "grant",
            Self::Init => "init",
            Self::InitDeadline => "init-deadline",
            Self::Unhealthy => "unhealthy",
            Self::Canary => "canary",
            Self::Migration => "migration",
            Self::Strict => "strict",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A refusal: the reason, what was expected and found, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{message}{}", Hint(hint))]
pub struct Refusal {
    /// The stable reason.
    pub reason: Reason,
    /// A lowercase fragment: what was expected, what was found.
    pub message: String,
    /// What to do, as a lowercase fragment; empty if the message is enough.
    pub hint: String,
}

struct Hint<'a>(&'a str);

impl fmt::Display for Hint<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " ({})", self.0) }
    }
}

impl Refusal {
    /// A refusal without a hint; `message` is [`cut`] if it is very long.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        let message = cut(message.into(), MAX_TEXT).into_owned();
        Self { reason, message, hint: String::new() }
    }

    /// Adds a hint, [`cut`] if it is very long.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = cut(hint.into(), MAX_TEXT).into_owned();
        self
    }

    /// The stable word for metrics, logs and APIs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.reason.as_str()
    }

    /// The message, after the reason, unless the message names it as the step that failed.
    #[must_use]
    pub fn reason_and_message(&self) -> String {
        let step = format!("{}: ", self.reason);
        if self.message.contains(&step) { self.message.clone() } else { step + &self.message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Reason; 36] = [
        Reason::Unreadable,
        Reason::Empty,
        Reason::Truncated,
        Reason::UnknownFormat,
        Reason::CoreModule,
        Reason::Malformed,
        Reason::Compile,
        Reason::Compiler,
        Reason::WrongWorld,
        Reason::ApiVersion,
        Reason::MissingImport,
        Reason::NotALibrary,
        Reason::WrongSystem,
        Reason::WrongArchitecture,
        Reason::NoHeader,
        Reason::BadHeader,
        Reason::AbiVersion,
        Reason::NoEntry,
        Reason::Isolation,
        Reason::Mapped,
        Reason::Staging,
        Reason::Loader,
        Reason::Describe,
        Reason::Description,
        Reason::NameClash,
        Reason::CapabilityClash,
        Reason::RouteClash,
        Reason::ConfigSchema,
        Reason::Config,
        Reason::Grant,
        Reason::Init,
        Reason::InitDeadline,
        Reason::Unhealthy,
        Reason::Canary,
        Reason::Migration,
        Reason::Strict,
    ];

    #[test]
    fn every_reason_is_read_from_its_word() {
        for reason in ALL {
            let json = serde_json::to_string(&reason).unwrap();
            assert_eq!(json, format!("\"{}\"", reason.as_str()));
            assert_eq!(serde_json::from_str::<Reason>(&json).unwrap(), reason);
        }
    }

    #[test]
    fn the_reason_is_said_once() {
        let said = |reason, message: &str| Refusal::new(reason, message).reason_and_message();
        assert_eq!(said(Reason::Init, "a.so: init: no key"), "a.so: init: no key");
        assert_eq!(said(Reason::InitDeadline, "init: too long"), "init-deadline: init: too long");
        assert_eq!(said(Reason::Malformed, "no section"), "malformed: no section");
    }

    #[test]
    fn a_refusal_is_read_back() {
        let refusal = Refusal::new(Reason::Init, "init failed").hint("fix the configuration");
        let json = serde_json::to_string(&refusal).unwrap();
        assert_eq!(serde_json::from_str::<Refusal>(&json).unwrap(), refusal);
    }
}
