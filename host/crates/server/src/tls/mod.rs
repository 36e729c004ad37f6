//! TLS of the planes.
//!
//! | file | idea |
//! |---|---|
//! | `files` | reads a certificate, its key and the authorities of clients |
//! | `error` | why they cannot be used |
//! | `kept` | the certificate in force: its files are read again while the host runs |
//! | `expiry` | when it should be replaced |
//! | `figures` | what a plane counts, as metrics |
//!
//! See `docs/adr/0032-tls-and-http2.md`.

mod error;
mod expiry;
mod figures;
mod files;
mod kept;

pub use self::error::TlsError;
pub(crate) use self::figures::TlsCollector;
pub(crate) use self::files::trusting;
pub(crate) use self::kept::Tls;
