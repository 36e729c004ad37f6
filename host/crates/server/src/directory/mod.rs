//! Serves a directory of services: what `plugbay-discovery` decides, behind this server's listeners, TLS
//! and tokens.
//!
//! | file | idea |
//! |---|---|
//! | `settings` | where it listens, and what secures it |
//! | `server` | binds, serves, stops |
//! | `hosted`, `advertise` | the directory of a host, and its handlers in it |
//! | `tokens` | the file of tokens, whose roles are grants |
//!
//! See `docs/adr/0038-the-directory.md`.

mod advertise;
mod hosted;
mod server;
mod settings;
mod tokens;

pub use self::hosted::HostedDirectory;
pub use self::server::DirectoryServer;
pub use self::settings::DirectorySettings;
