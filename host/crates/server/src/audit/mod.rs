//! The audit log of the admin plane: who changed what, and what came of it.
//!
//! | file | idea |
//! |---|---|
//! | `line` | a line, and its hash |
//! | `log` | appends lines to the file, and continues the chain of an earlier process |
//! | `tail` | the last line of the file |
//! | `figures` | what is counted, as metrics |
//! | `verify` | reads a file, and says which line breaks the chain |
//!
//! Each line has the SHA-256 of the line before, so that no line can be changed, removed or added in between without
//! being noticed. See `docs/adr/0031-admin-access.md`.

mod figures;
mod line;
mod log;
mod tail;
mod verify;

pub(crate) use self::figures::AuditCollector;
pub(crate) use self::line::{Act, Phase};
pub use self::log::AuditError;
pub(crate) use self::log::AuditLog;
pub use self::verify::{Broken, Verified, VerifyError, verify};
