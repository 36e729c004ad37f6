//! `[discovery]`: a directory of services in the host.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use serde::Serialize;

use super::keys;
use super::places::{read_listen, read_optional_path};
use super::tls::{self, TlsSettings};
use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::read::section::{Refusal, Section};
use crate::config::read::tree::Table;
use crate::config::value::listen::{self, ListenAddress};

/// `[discovery]`: a directory of services in the host. The library reads it; the server serves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DiscoverySettings {
    /// Needs a restart.
    pub enabled: bool,
    /// Needs a restart. At least one address. Loopback addresses and Unix sockets, unless there are both tokens and
    /// TLS.
    #[serde(serialize_with = "listen::serialize")]
    pub listen: Vec<ListenAddress>,
    /// Needs a restart. The file that keeps the endpoints; empty = they are in memory only.
    pub data: PathBuf,
    /// Needs a restart. The file of the hashes of tokens; empty = none is needed.
    pub tokens: PathBuf,
    /// Which capabilities of the host's plugins are endpoints: `handler:NAME`, or `handler:*` for all.
    pub advertise: Vec<String>,
    /// Where clients reach the data plane; empty = at its own address.
    pub address: String,
    /// Needs a restart. The addresses of another directory, in which the host's endpoints are registered instead of
    /// its own one.
    pub directory: Vec<String>,
    /// Needs a restart. The file of the token for that directory; empty = none, or one that the program has.
    pub token_file: PathBuf,
    /// Needs a restart. The authorities by which that directory's certificate is checked, as PEM.
    pub ca: PathBuf,
    /// Needs a restart. Where the directory is served as a DNS zone, on loopback.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<SocketAddr>,
    /// Needs a restart. The name of the zone.
    pub zone: String,
    /// Needs a restart. The certificate of the directory; changes of its files need none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tls: Option<TlsSettings>,
}

impl Default for DiscoverySettings {
    fn default() -> Self {
        Self {
            enabled: false,
            listen: vec![SocketAddr::from(([127, 0, 0, 1], 7072)).into()],
            data: PathBuf::new(),
            tokens: PathBuf::new(),
            advertise: Vec::new(),
            address: String::new(),
            directory: Vec::new(),
            token_file: PathBuf::new(),
            ca: PathBuf::new(),
            dns: None,
            zone: "plugbay".to_owned(),
            tls: None,
        }
    }
}

impl DiscoverySettings {
    /// The first address beyond this machine, if the directory is not for those alone who have a token, or if others
    /// could read it on its way.
    #[must_use]
    pub fn exposed(&self) -> Option<&ListenAddress> {
        let is_guarded = !self.enabled || (self.needs_token() && self.tls.is_some());
        self.listen.iter().find(|it| !is_guarded && !it.is_local())
    }

    /// Whether requests need a token.
    #[must_use]
    pub fn needs_token(&self) -> bool {
        !self.tokens.as_os_str().is_empty()
    }
}

pub(super) fn read(root: &Table, report: &mut Report<'_>) -> DiscoverySettings {
    let mut discovery = DiscoverySettings::default();
    let section = &mut Section::open(root, "discovery", keys::DISCOVERY, report);
    section.read("enabled", &mut discovery.enabled);
    read_listen(section, &mut discovery.listen);
    read_optional_path(section, "data", &mut discovery.data);
    read_optional_path(section, "tokens", &mut discovery.tokens);
    let expected = "a list of capabilities such as \"handler:*\"";
    if let Some(advertise) = section.list("advertise", expected, |it: &String| check_capability(it))
    {
        discovery.advertise = advertise;
    }
    if let Some(address) = section.get::<String>("address") {
        match check_address(&address) {
            Ok(()) => discovery.address = address,
            Err((message, hint)) => section.refuse("address", message, hint),
        }
    }
    let expected = "a list of addresses such as \"https://directory.example:7072\"";
    if let Some(list) = section.list("directory", expected, |it: &String| check_directory(it)) {
        discovery.directory = list;
    }
    read_optional_path(section, "token_file", &mut discovery.token_file);
    read_optional_path(section, "ca", &mut discovery.ca);
    match section.get::<String>("dns").as_deref().map(check_dns) {
        None => {}
        Some(Ok(dns)) => discovery.dns = dns,
        Some(Err((message, hint))) => section.refuse("dns", message, hint),
    }
    match section.get::<String>("zone").map(|zone| check_zone(&zone).map(|()| zone)) {
        None => {}
        Some(Ok(zone)) => discovery.zone = zone,
        Some(Err((message, hint))) => section.refuse("zone", message, hint),
    }
    discovery.tls = tls::read(section, tls::SERVER_TLS);
    discovery
}

fn check_capability(text: &str) -> Result<(), Refusal> {
    if text.strip_prefix("handler:").is_some_and(|name| !name.is_empty()) {
        return Ok(());
    }
    let message = format!("expected handler:NAME or handler:*, found {}", render::quoted(text));
    Err((message, Some("only handlers are reached by HTTP".to_owned())))
}

/// `host:port`, or a URL without a path.
fn check_directory(text: &str) -> Result<(), Refusal> {
    let place = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let place = place.unwrap_or(text);
    // A user's name or a password is not repeated.
    let is_place =
        place.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    if !place.is_empty() && is_place {
        return Ok(());
    }
    let message = "expected https://HOST:PORT, http://HOST:PORT or HOST:PORT, found another text";
    Err((message.to_owned(), Some("a token belongs into discovery.token_file".to_owned())))
}

/// An address on loopback, because requests of DNS have no token; none if it is empty.
fn check_dns(text: &str) -> Result<Option<SocketAddr>, Refusal> {
    match text.parse::<SocketAddr>() {
        _ if text.is_empty() => Ok(None),
        Ok(address) if address.ip().is_loopback() => Ok(Some(address)),
        _ => {
            let found = render::quoted(text);
            let message = format!("expected a loopback address and a port, found {found}");
            Err((message, Some("let the machine's resolver forward the zone to it".to_owned())))
        }
    }
}

/// Labels of letters, digits and hyphens, with dots between them.
fn check_zone(text: &str) -> Result<(), Refusal> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    // It leaves room for the longest name of an endpoint within it.
    if text.len() <= 140 && text.trim_end_matches('.').split('.').all(is_label) {
        return Ok(());
    }
    let message = format!(
        "expected the name of a DNS zone of at most 140 bytes, found {}",
        render::quoted(text)
    );
    Err((message, Some("write a name such as \"plugbay\" or \"services.example\"".to_owned())))
}

/// An IP address or a DNS name, without a port.
fn check_address(text: &str) -> Result<(), Refusal> {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
    let is_name = (1..=253).contains(&text.len()) && text.bytes().all(letter);
    if text.is_empty() || is_name || text.parse::<IpAddr>().is_ok() {
        return Ok(());
    }
    let message = format!("expected a DNS name or an IP address, found {}", render::quoted(text));
    Err((message, Some("the port is that of the data plane".to_owned())))
}
