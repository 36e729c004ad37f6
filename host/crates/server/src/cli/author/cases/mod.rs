//! The cases of a plugin: one folder each, below `tests/cases`.
//!
//! | file in it | content |
//! |---|---|
//! | `case.toml` | which capability is called, and how; the plugin's config and grants |
//! | `input.*` | the document (JSON) or the bytes of a codec's call, or the body of a request; without it, nothing |
//! | `expected.*` | the answer: `.error` for a failure, `.json` for a document, `.http` for a response, else bytes |
//!
//! A plugin has what its case grants, and nothing else. It can call the bundled codecs only if the case says
//! `codecs = true`.

mod answer;
mod case;
mod host;

pub(super) use self::answer::Expected;
pub(super) use self::case::Case;
pub(super) use self::host::Hosts;
