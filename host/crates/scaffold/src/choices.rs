//! What an author chooses.

/// The kind of the capability that the new plugin offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Converts documents to the bytes of a format, and back.
    Codec,
    /// Answers HTTP requests.
    Handler,
}

/// The language of the new plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// Rust, built as a pure component; a line of its manifest makes it one with WASI, or a native library.
    Rust,
    /// C, built as a native library.
    C,
    /// JavaScript, built as a component with an interpreter in it.
    Js,
}
