//! Serves a directory of services: what `plugbay-discovery` decides, behind this server's listeners, TLS
//! and tokens.
//!
//! | file | idea |
//! |---|---|
//! | `settings` | where it listens, and what secures it |
//! | `server` | binds, serves, stops |
//! | `dns` | the zone of its services |
//! | `rates` | how often a token may ask |
//! | `hosted` | the directory of a host |
//! | `advertise`, `registrar`, `other` | the handlers of a host in its own directory, or in another one |
//! | `tokens` | the file of tokens, whose roles are grants |
//!
//! See `docs/adr/0038-the-directory.md`.

mod advertise;
mod dns;
mod hosted;
mod other;
mod rates;
mod registrar;
mod server;
mod settings;
mod tokens;

pub use self::dns::DirectoryDns;
pub use self::hosted::HostedDirectory;
pub use self::server::DirectoryServer;
pub use self::settings::DirectorySettings;
