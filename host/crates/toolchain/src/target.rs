//! The targets of plugins, and their names in manifests and for rustc.

use std::fmt;
use std::str::FromStr;

/// The target of a plugin: for what it is compiled, and which interfaces it may import.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Plugbay's own interfaces only. The default, with the smaller components.
    #[default]
    Pure,
    /// WASI 0.2 as well: clocks, files, sockets, HTTP.
    Wasi,
    /// A shared library for the machine that builds it.
    Native,
}

impl Target {
    /// All targets.
    pub const ALL: [Self; 3] = [Self::Pure, Self::Wasi, Self::Native];

    /// rustc's name of the target; for [`Native`](Self::Native), which rustc takes for itself, a word.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Self::Pure => "wasm32-unknown-unknown",
            Self::Wasi => "wasm32-wasip2",
            Self::Native => "native",
        }
    }

    /// How the file of a plugin for this target ends, without the dot.
    #[must_use]
    pub fn extension(self) -> &'static str {
        match self {
            Self::Pure | Self::Wasi => "wasm",
            Self::Native => std::env::consts::DLL_EXTENSION,
        }
    }

    /// The name of the target in a plugin's manifest.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Wasi => "wasi",
            Self::Native => "native",
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Target {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, String> {
        Self::ALL
            .into_iter()
            .find(|target| target.word() == word)
            .ok_or_else(|| format!("expected \"pure\", \"wasi\" or \"native\", found \"{word}\""))
    }
}
