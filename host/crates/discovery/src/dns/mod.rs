//! The directory as an authoritative DNS zone, for programs that know nothing of Plugbay.
//!
//! | name | types |
//! |---|---|
//! | `NAME.service.ZONE` | A, AAAA and SRV of the endpoints that a lookup returns: those that are not critical |
//! | `_NAME._tcp.service.ZONE` | the same SRV records, as RFC 2782 names them |
//! | `ID.NAME.service.ZONE` | A or AAAA, and SRV of one endpoint; the targets of SRV records |
//! | `ZONE` | SOA |
//!
//! [`Responder`] turns the bytes of one request into the bytes of its answer, and [`DnsServer`] moves
//! them between it and sockets. The messages are read and written by `hickory-proto`; the sockets are
//! served here, because every queue, connection and message has a bound here, which `hickory-server`
//! does not have (`docs/adr/0041-durable-directory-and-dns.md`).

mod answer;
#[cfg(feature = "server")]
mod live;
mod serve;
mod zone;

pub use answer::{DnsEndpoint, DnsSource, Responder, Transport};
pub use serve::DnsServer;
pub use zone::{Zone, ZoneError};

/// The example of the guide.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../../../../../docs/directory-dns.md")]
struct Guide;
