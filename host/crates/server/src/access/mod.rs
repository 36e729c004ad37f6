//! Who may use the admin plane.
//!
//! | file | idea |
//! |---|---|
//! | `token` | a token, and its hash |
//! | `list` | the file of hashes: `NAME ROLE SHA256` |
//! | `new_token` | adds the hash of a new token to the file |
//! | `kept` | the tokens in force: the file is read again while the host runs |
//! | `caller` | who makes a request, and what a role may do |
//! | `attempts` | how many wrong tokens are answered |
//! | `figures` | what is counted, as metrics |
//!
//! See `docs/adr/0031-admin-access.md`.

mod attempts;
mod caller;
mod figures;
mod kept;
mod list;
mod new_token;
mod token;

pub use self::caller::{Caller, Permission, Role};
pub(crate) use self::figures::TokensCollector;
pub(crate) use self::kept::Tokens;
pub use self::list::TokensError;
pub use self::new_token::{NewTokenError, new_token};
pub use self::token::Token;
