//! Why a file is no plugin for this host.

use super::ABI_VERSIONS;

/// What keeps a file from being a plugin for this host, in the order of the checks.
///
/// Each says what was expected and what was found; [`hint`](HeaderError::hint) says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// No object file of any system.
    #[error("expected a native library, found a file that begins with {found}")]
    NoObject {
        /// Its first bytes, in hexadecimal.
        found: String,
    },
    /// It begins as an object file does, and goes on as none does.
    #[error("expected a well-formed native library, found one that cannot be read: {message}")]
    Malformed {
        /// What the parser said.
        message: String,
    },
    /// An object file, but not one that can be loaded.
    #[error("expected a shared library, found {found}")]
    Kind {
        /// What it is instead.
        found: &'static str,
    },
    /// Made for another operating system.
    #[error("expected a library in the format {expected}, found {found}")]
    System {
        /// The format of this host's system.
        expected: &'static str,
        /// The file's.
        found: &'static str,
    },
    /// Made for another processor.
    #[error("expected a library for {expected}, found one for {found}")]
    Architecture {
        /// This host's.
        expected: String,
        /// The file's; all of them, if it holds several.
        found: String,
    },
    /// A library, but none of Plugbay's.
    #[error("expected a section {section}, found a library that is no Plugbay plugin")]
    NoHeader {
        /// The section that every plugin has.
        section: String,
    },
    /// The section holds something else.
    #[error("expected a header that begins with PLUGBAY\\x00, found {found:?}")]
    Magic {
        /// What it begins with.
        found: String,
    },
    /// Built for an ABI that this host does not serve.
    #[error("expected ABI version {}, found {found}", Versions)]
    Version {
        /// The plugin's.
        found: u32,
    },
    /// The header is smaller than this version of the ABI has it, or ends behind its section.
    #[error("expected a header of at least {expected} bytes, found {found}")]
    HeaderSize {
        /// The size of [`plugbay_abi::Header`].
        expected: u32,
        /// What the header says, or how many bytes there are.
        found: u64,
    },
    /// The vtable lacks functions that this version of the ABI has.
    #[error("expected a vtable of at least {expected} bytes, found {found}")]
    VtableSize {
        /// The size of [`plugbay_abi::Vtable`].
        expected: u32,
        /// What the header says.
        found: u32,
    },
    /// The function is not there by which a host enters the plugin.
    #[error("expected an exported symbol {symbol}, found none")]
    NoEntry {
        /// The missing symbol.
        symbol: &'static str,
    },
    /// It asks the loader to make the stacks of the whole process executable.
    #[error(
        "expected a library that runs on stacks that are not executable, found one that asks for others"
    )]
    ExecutableStack,
}

/// The versions that this host serves, for people.
struct Versions;

impl std::fmt::Display for Versions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (index, version) in ABI_VERSIONS.iter().enumerate() {
            let separator = if index == 0 { "" } else { " or " };
            write!(f, "{separator}{version}")?;
        }
        Ok(())
    }
}

impl HeaderError {
    /// What to do about it, as a lowercase fragment.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            Self::NoObject { .. } | Self::NoHeader { .. } => {
                "build it on plugbay-sdk, or on plugbay.h with PLUGBAY_PLUGIN"
            }
            Self::Malformed { .. } => "copy the file again, or build it again",
            Self::Kind { .. } => "link it as a shared library: crate-type cdylib, or cc -shared",
            Self::System { .. } => "build it for this system",
            Self::Architecture { .. } => "build it for this processor",
            Self::Magic { .. } | Self::HeaderSize { .. } | Self::VtableSize { .. } => {
                "let plugbay-sdk or PLUGBAY_PLUGIN write the header"
            }
            Self::Version { .. } => "rebuild it with the plugbay-sdk or the plugbay.h of this host",
            Self::NoEntry { .. } => "export it: its visibility is default, and no script hides it",
            Self::ExecutableStack => "link it with -z noexecstack",
        }
    }
}
