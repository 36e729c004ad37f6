//! Why a file is not a plugin for this host.

use super::ABI_VERSIONS;

/// The checks that a file can fail, in their order.
///
/// The messages say what was expected and what was found; [`hint`](HeaderError::hint) says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file is not an object file of any system.
    #[error("expected a native library, found a file that begins with {found}")]
    NoObject {
        /// Its first bytes, in hexadecimal.
        found: String,
    },
    /// The file begins like an object file, but the rest cannot be read as one.
    #[error("expected a well-formed native library, found one that cannot be read: {message}")]
    Malformed {
        /// What the parser said.
        message: String,
    },
    /// The file is an object file, but not a shared library.
    #[error("expected a shared library, found {found}")]
    Kind {
        /// What the file is.
        found: &'static str,
    },
    /// The library was built for another operating system.
    #[error("expected a library in the format {expected}, found {found}")]
    System {
        /// The format of this host's system.
        expected: &'static str,
        /// The format of the file.
        found: &'static str,
    },
    /// The library was built for another processor.
    #[error("expected a library for {expected}, found one for {found}")]
    Architecture {
        /// The processor of this host.
        expected: String,
        /// The processor that the file was built for; all of them, if there are several.
        found: String,
    },
    /// The library is not a Plugbay plugin.
    #[error("expected a section {section}, found a library that is not a Plugbay plugin")]
    NoHeader {
        /// The section that every plugin has.
        section: String,
    },
    /// The plugin's section does not begin with the magic bytes.
    #[error("expected a header that begins with PLUGBAY\\x00, found {found:?}")]
    Magic {
        /// What the section begins with.
        found: String,
    },
    /// The plugin was built for a version of the ABI that this host does not serve.
    #[error("expected ABI version {}, found {found}", Versions)]
    Version {
        /// The plugin's version.
        found: u32,
    },
    /// The header is smaller than that of this version of the ABI, or larger than its section.
    #[error("expected a header of at least {expected} bytes, found {found}")]
    HeaderSize {
        /// The size of [`plugbay_abi::Header`].
        expected: u32,
        /// The size that the header says, or the bytes that there are.
        found: u64,
    },
    /// The vtable lacks functions that this version of the ABI has.
    #[error("expected a vtable of at least {expected} bytes, found {found}")]
    VtableSize {
        /// The size of [`plugbay_abi::Vtable`].
        expected: u32,
        /// The size that the header says.
        found: u32,
    },
    /// The library does not export the plugin's entry function.
    #[error("expected an exported symbol {symbol}, found none")]
    NoEntry {
        /// The missing symbol.
        symbol: &'static str,
    },
    /// The library asks the loader to make the stacks of the whole process executable.
    #[error("expected a library that needs no executable stack, found one that asks for it")]
    ExecutableStack,
}

/// Displays the versions that this host serves.
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
            Self::NoObject { .. } => "build it on plugbay-sdk, or on plugbay.h with PLUGBAY_PLUGIN",
            Self::NoHeader { .. } => {
                "build it on plugbay-sdk, with the line export!(Type: codec) or export!(Type: handler) \
                 and without the feature `linked`, or on plugbay.h with PLUGBAY_PLUGIN"
            }
            Self::Malformed { .. } => "copy the file again, or build it again",
            Self::Kind { .. } => "link it as a shared library: crate-type cdylib, or cc -shared",
            Self::System { .. } => "build it for this system",
            Self::Architecture { .. } => "build it for this processor",
            Self::Magic { .. } | Self::HeaderSize { .. } | Self::VtableSize { .. } => {
                "use plugbay-sdk, or PLUGBAY_PLUGIN of plugbay.h, which write the header"
            }
            Self::Version { .. } => "rebuild it with the plugbay-sdk or the plugbay.h of this host",
            Self::NoEntry { .. } => {
                "export it: give it default visibility, and let no linker script hide it"
            }
            Self::ExecutableStack => "link it with -z noexecstack",
        }
    }
}
