//! Where a plugin may connect to, as an operator writes it: `api.example.org:443`,
//! `*.example.org:443`, `10.0.0.0/8:*`, `[2001:db8::/32]:443`, `localhost:6379`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plugbay_core::{HostPattern, NetworkGrant};

use crate::config::problem::render;
use crate::config::read::setting::{BadValue, Setting, text};
use crate::config::read::tree::Node;

/// What to do about a malformed entry; the message itself shows what was found.
type Hint = String;

impl Setting for NetworkGrant {
    const EXPECTED: &'static str = "a host and port such as \"api.example.org:443\"";

    fn from_node(node: &Node) -> Result<NetworkGrant, BadValue> {
        let text = text(node)?;
        parse(text)
            .map_err(|hint| BadValue::Value { found: render::quoted(text), hint: Some(hint) })
    }

    fn show(&self) -> String {
        format!("\"{}\"", written(self))
    }
}

/// The entry as [`parse`] reads it.
pub(crate) fn written(grant: &NetworkGrant) -> String {
    match grant.port {
        Some(port) => format!("{}:{port}", grant.host),
        None => format!("{}:*", grant.host),
    }
}

fn parse(text: &str) -> Result<NetworkGrant, Hint> {
    if let Some(inner) = text.strip_prefix('[') {
        let (inner, rest) = inner
            .split_once(']')
            .ok_or("close the bracket of the IPv6 address: \"[2001:db8::1]:443\"")?;
        let port = rest.strip_prefix(':').ok_or_else(|| no_port(&format!("[{inner}]")))?;
        return Ok(NetworkGrant { host: network::<Ipv6Addr>(inner)?, port: parse_port(port)? });
    }
    let (host, port) = text.rsplit_once(':').ok_or_else(|| no_port(text))?;
    if host.contains(':') {
        return Err("an IPv6 address stands in brackets: \"[2001:db8::1]:443\"".to_owned());
    }
    Ok(NetworkGrant { host: parse_host(host)?, port: parse_port(port)? })
}

fn no_port(host: &str) -> Hint {
    format!("say which port: {}, or {}", example(host, "443"), example(host, "*"))
}

fn example(host: &str, port: &str) -> String {
    render::quoted(&format!("{host}:{port}"))
}

/// `None` is every port.
fn parse_port(port: &str) -> Result<Option<u16>, Hint> {
    if port == "*" {
        return Ok(None);
    }
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    match port.parse() {
        Ok(number) if digits && number > 0 => Ok(Some(number)),
        _ => Err("the port is 1 to 65535, or * for every port".to_owned()),
    }
}

fn parse_host(host: &str) -> Result<HostPattern, Hint> {
    let host = host.to_ascii_lowercase();
    if host == "localhost" {
        return Ok(HostPattern::Loopback);
    }
    if host == "*" {
        return Err(
            "for all machines except this one, write both \"0.0.0.0/0:PORT\" and \"[::/0]:PORT\""
                .to_owned(),
        );
    }
    if host.contains('/') || host.parse::<Ipv4Addr>().is_ok() {
        return network::<Ipv4Addr>(&host);
    }
    match host.strip_prefix("*.") {
        Some(name) => check_name(name).map(|()| HostPattern::Below(name.to_owned())),
        None => check_name(&host).map(|()| HostPattern::Name(host)),
    }
}

/// Checks that a resolver takes this for a DNS name.
fn check_name(name: &str) -> Result<(), Hint> {
    if !name.is_ascii() {
        return Err("write the name as DNS has it, in ASCII: xn--…".to_owned());
    }
    if name.len() > 253 {
        return Err("a name has at most 253 bytes".to_owned());
    }
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let good = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(plain)
    };
    if !name.split('.').all(good) {
        return Err("a name is letters, digits and hyphens between single dots; \
                    \"*.\" may stand before it, and nowhere else"
            .to_owned());
    }
    // Resolvers read such names as addresses, in octal or hexadecimal too.
    let last = name.rsplit('.').next().unwrap_or_default();
    let digits = last.bytes().all(|byte| byte.is_ascii_digit());
    let hexadecimal =
        last.strip_prefix("0x").is_some_and(|it| it.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if digits || hexadecimal {
        return Err("an IPv4 address has four decimal parts of 0 to 255: \"192.0.2.7\"".to_owned());
    }
    Ok(())
}

/// The addresses of one family.
trait Family: Into<IpAddr> + std::str::FromStr {
    /// In bits.
    const WIDTH: u8;
    const EXAMPLE: &'static str;

    /// Of which all but the first `bits` are zero.
    fn cut(&self, bits: u8) -> Self;
}

impl Family for Ipv4Addr {
    const WIDTH: u8 = 32;
    const EXAMPLE: &'static str = "\"192.0.2.7:443\" or \"10.0.0.0/8:443\"";

    fn cut(&self, bits: u8) -> Ipv4Addr {
        let mask = u32::MAX.checked_shl(u32::from(Self::WIDTH - bits)).unwrap_or_default();
        Ipv4Addr::from_bits(self.to_bits() & mask)
    }
}

impl Family for Ipv6Addr {
    const WIDTH: u8 = 128;
    const EXAMPLE: &'static str = "\"[2001:db8::1]:443\" or \"[2001:db8::/32]:443\"";

    fn cut(&self, bits: u8) -> Ipv6Addr {
        let mask = u128::MAX.checked_shl(u32::from(Self::WIDTH - bits)).unwrap_or_default();
        Ipv6Addr::from_bits(self.to_bits() & mask)
    }
}

/// `address` or `address/bits`.
fn network<F: Family>(text: &str) -> Result<HostPattern, Hint> {
    let (address, bits) = match text.split_once('/') {
        Some((address, bits)) => (address, Some(bits)),
        None => (text, None),
    };
    let address: F = address.parse().map_err(|_| format!("write an address as {}", F::EXAMPLE))?;
    let bits = match bits {
        None => F::WIDTH,
        Some(bits) => bits
            .parse()
            .ok()
            .filter(|&number: &u8| number <= F::WIDTH && bits.bytes().all(|it| it.is_ascii_digit()))
            .ok_or_else(|| format!("the prefix length of a network is 0 to {}", F::WIDTH))?,
    };
    let cut: IpAddr = address.cut(bits).into();
    let address: IpAddr = address.into();
    if cut != address {
        let network = HostPattern::Network(cut, bits);
        return Err(format!("the address has bits set beyond the prefix; write {network}"));
    }
    if let IpAddr::V6(v6) = address
        && v6.to_ipv4_mapped().is_some()
    {
        return Err("write the IPv4 address itself".to_owned());
    }
    Ok(HostPattern::Network(address, bits))
}
