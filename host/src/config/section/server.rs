//! `[server]`: the data plane.

use std::net::SocketAddr;
use std::time::Duration;

use serde::Serialize;

use super::connections::{self, ConnectionSettings};
use super::keys;
use super::places::read_listen;
use super::tls::{self, TlsSettings};
use crate::config::problem::report::Report;
use crate::config::read::section::Section;
use crate::config::read::tree::Table;
use crate::config::value::duration::{self, DAY, MILLISECOND};
use crate::config::value::listen::{self, ListenAddress};
use crate::config::value::peer::Peer;
use crate::config::value::rate::Rate;
use crate::config::value::size::Size;

/// `[server]`: the data plane.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServerSettings {
    /// Needs a restart. At least one address.
    #[serde(serialize_with = "listen::serialize")]
    pub listen: Vec<ListenAddress>,
    /// The largest request body.
    pub max_body: Size,
    /// The most bytes that the bodies of all requests and answers hold at the same time; those of one
    /// client address may hold half of it.
    pub max_buffered: Size,
    /// The longest time for a request to arrive, and again for its answer.
    #[serde(serialize_with = "duration::serialize")]
    pub timeout: Duration,
    /// The most requests of one client.
    pub rate: Rate,
    /// The only clients that are served; empty = all.
    pub allow: Vec<Peer>,
    /// Clients that are not served.
    pub deny: Vec<Peer>,
    /// Clients that are believed when they say for whom they ask.
    pub trusted_proxies: Vec<Peer>,
    /// Whether answers are compressed for clients that accept it.
    pub compression: bool,
    /// The bounds of connections and headers.
    #[serde(flatten)]
    pub connections: ConnectionSettings,
    /// Needs a restart. The certificate of the plane; changes of its files need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
}

impl Default for ServerSettings {
    fn default() -> ServerSettings {
        ServerSettings {
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 7070)).into()],
            max_body: Size::mib(8),
            max_buffered: Size::mib(256),
            timeout: Duration::from_secs(30),
            rate: Rate::NONE,
            allow: Vec::new(),
            deny: Vec::new(),
            trusted_proxies: Vec::new(),
            compression: false,
            connections: ConnectionSettings::default(),
            tls: None,
        }
    }
}

pub(super) fn read(root: &Table, report: &mut Report<'_>) -> ServerSettings {
    let mut server = ServerSettings::default();
    let section = &mut Section::open(root, "server", keys::SERVER, report);
    read_listen(section, &mut server.listen);
    section.read_within("max_body", &mut server.max_body, Size::bytes(1)..=Size::gib(4));
    section.read_within("max_buffered", &mut server.max_buffered, Size::mib(1)..=Size::gib(1024));
    section.read_within("timeout", &mut server.timeout, MILLISECOND..=DAY);
    section.read("rate", &mut server.rate);
    for (key, peers) in [
        ("allow", &mut server.allow),
        ("deny", &mut server.deny),
        ("trusted_proxies", &mut server.trusted_proxies),
    ] {
        read_peers(section, key, peers);
    }
    section.read("compression", &mut server.compression);
    connections::read(section, &mut server.connections);
    server.tls = tls::read(section, tls::SERVER_TLS);
    server
}

/// A list of networks.
pub(super) fn read_peers(section: &mut Section<'_, '_>, key: &str, peers: &mut Vec<Peer>) {
    if let Some(list) = section.list(key, "a list of networks such as [\"10.0.0.0/8\"]", |_| Ok(()))
    {
        *peers = list;
    }
}
