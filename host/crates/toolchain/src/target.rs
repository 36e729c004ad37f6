//! The two targets of guests, and their names in manifests and for rustc.

use std::fmt;
use std::str::FromStr;

/// The target of a guest: which interfaces it may import, and for which rustc target it is compiled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Plugbay's own interfaces only. The default, with the smaller components.
    #[default]
    Pure,
    /// WASI 0.2 as well: clocks, files, sockets, HTTP.
    Wasi,
}

impl Target {
    /// Both targets.
    pub const ALL: [Self; 2] = [Self::Pure, Self::Wasi];

    /// rustc's name of the target.
    #[must_use]
    pub fn triple(self) -> &'static str {
        match self {
            Self::Pure => "wasm32-unknown-unknown",
            Self::Wasi => "wasm32-wasip2",
        }
    }

    /// The name of the target in a plugin's manifest.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Pure => "pure",
            Self::Wasi => "wasi",
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
            .ok_or_else(|| format!("expected \"pure\" or \"wasi\", found \"{word}\""))
    }
}
