//! Internal addresses, to which a name must not resolve, and the addresses that a grant covers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plugbay_core::{HostPattern, NetworkGrant};

/// The IPv4 address of an IPv4-mapped IPv6 address; any other address as it is.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Internal networks, each with its prefix length: of the host itself and of its link, multicast and
/// reserved networks, and those at which clouds serve the metadata of a machine, its keys included.
const INTERNAL_V4: [(Ipv4Addr, u8); 8] = [
    // "This host" (RFC 6890); reserved, and the broadcast address; multicast.
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // Link-local; most clouds serve metadata there.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Metadata of Alibaba, Azure and Oracle.
    (Ipv4Addr::new(100, 100, 100, 200), 32),
    (Ipv4Addr::new(168, 63, 129, 16), 32),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
];

/// As [`INTERNAL_V4`].
const INTERNAL_V6: [(Ipv6Addr, u8); 9] = [
    (Ipv6Addr::UNSPECIFIED, 128),
    (Ipv6Addr::LOCALHOST, 128),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    // Site-local, as link-local was once widened (RFC 3879).
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    // Local-use NAT64 (RFC 8215): the position of the IPv4 address in it is not known.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    // Metadata of Amazon, Google and Scaleway.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0), 32),
];

/// Whether an address is internal: a name, which others may control, must not lead there unless a
/// grant covers the address. Private networks are not internal: a company's own names lead there.
pub(super) fn is_internal(address: IpAddr) -> bool {
    internal_prefix(address).is_some()
}

/// The prefix length of the internal network of an address; `None` if it is not internal.
fn internal_prefix(address: IpAddr) -> Option<u8> {
    let address = canonical(address);
    let among = |network: IpAddr, bits| within(network, bits, address).then_some(bits);
    match address {
        IpAddr::V4(_) => {
            INTERNAL_V4.iter().find_map(|(network, bits)| among((*network).into(), *bits))
        }
        IpAddr::V6(v6) => {
            let found =
                INTERNAL_V6.iter().find_map(|(network, bits)| among((*network).into(), *bits));
            let is_internal_v4 = |v4: Ipv4Addr| is_internal(v4.into());
            found.or_else(|| embedded(v6).into_iter().flatten().any(is_internal_v4).then_some(128))
        }
    }
}

/// The IPv4 addresses to which gateways between IPv6 and IPv4 translate this address.
fn embedded(address: Ipv6Addr) -> [Option<Ipv4Addr>; 3] {
    let segments = address.segments();
    let v4 = |high: u16, low: u16| Ipv4Addr::from((u32::from(high) << 16) | u32::from(low));
    let [.., high, low] = segments;
    let last = v4(high, low);
    let [first, second] = match segments {
        // Compatible (RFC 4291), translated (RFC 2765), NAT64 (RFC 6052).
        [0, 0, 0, 0, 0 | 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => [Some(last), None],
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => [Some(v4(high, low)), None],
        // Teredo (RFC 4380): the server, and the client with its bits turned.
        [0x2001, 0, high, low, ..] => [Some(v4(high, low)), Some(Ipv4Addr::from(!last.to_bits()))],
        _ => [None, None],
    };
    // ISATAP (RFC 5214), in any network.
    let isatap = matches!(segments, [_, _, _, _, 0 | 0x200, 0x5efe, ..]);
    [first, second, isatap.then_some(last)]
}

/// Whether the grant covers this address, whatever the port. A network covers internal addresses only
/// if all of its addresses are internal: a grant of `0.0.0.0/0` does not cover the host itself.
pub(super) fn covers(grant: &NetworkGrant, address: IpAddr) -> bool {
    let address = canonical(address);
    match &grant.host {
        HostPattern::Loopback => address.is_loopback(),
        HostPattern::Network(network, bits) => {
            within(*network, *bits, address)
                && internal_prefix(address).is_none_or(|prefix| *bits >= prefix)
        }
        HostPattern::Name(_) | HostPattern::Below(_) => false,
    }
}

/// Whether a grant with the port `granted`, or with none, covers `port`.
pub(super) fn covers_port(granted: Option<u16>, port: u16) -> bool {
    granted.is_none_or(|granted| granted == port)
}

/// Whether the first `bits` bits of two addresses of one family are the same.
fn within(network: IpAddr, bits: u8, address: IpAddr) -> bool {
    match (network, address) {
        (IpAddr::V4(network), IpAddr::V4(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.leading_zeros() >= u32::from(bits.min(32))
        }
        (IpAddr::V6(network), IpAddr::V6(address)) => {
            let differ = network.to_bits() ^ address.to_bits();
            differ.leading_zeros() >= u32::from(bits.min(128))
        }
        _ => false,
    }
}

/// The name in the form that grants have: in lower case, without the dot at its end. `None` if it
/// is not a valid host name.
pub(super) fn normalized(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(known)
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

/// Whether the grant covers this host name.
pub(super) fn covers_name(grant: &NetworkGrant, name: &str) -> bool {
    match &grant.host {
        HostPattern::Name(granted) => granted == name,
        HostPattern::Below(granted) => name
            .strip_suffix(granted.as_str())
            .is_some_and(|rest| rest.len() > 1 && rest.ends_with('.')),
        HostPattern::Loopback | HostPattern::Network(..) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn internal_addresses_in_every_notation() {
        for inner in [
            "127.0.0.1",
            "127.255.255.254",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.169.254",
            "224.0.0.1",
            "255.255.255.255",
            "240.0.0.1",
            "100.100.100.200",
            "192.0.0.192",
            "fd00:ec2::253",
            "fd00:ec2::23",
            "fd00:42::42",
            "fd20:ce::254",
            "::",
            "::1",
            "fe80::1",
            "febf:ffff::1",
            "fec0::1",
            "ff02::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:0.0.0.0",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "2001:0:7f00:1::",
            "2001:0:101:101::80ff:fffe",
            "2001:db8::5efe:127.0.0.1",
            "2001:db8::200:5efe:7f00:1",
            "fd00:ec2::254",
            "fd20:ce::254",
            "168.63.129.16",
            "64:ff9b:1:7f00:0:100::",
        ] {
            assert!(is_internal(address(inner)), "{inner}");
        }
    }

    #[test]
    fn other_addresses_are_not_internal() {
        for outer in [
            "1.1.1.1",
            "10.0.0.1",
            "172.16.0.1",
            "192.168.1.1",
            "100.64.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "2606:4700::1111",
            "fd12::1",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::1",
            "2001:db8::1",
            "fe00::1",
            "2001:0:101:101::fefe:fefe",
        ] {
            assert!(!is_internal(address(outer)), "{outer}");
        }
    }

    fn grant(host: HostPattern) -> NetworkGrant {
        NetworkGrant { host, port: None }
    }

    #[test]
    fn networks() {
        let ten = grant(HostPattern::Network(address("10.0.0.0"), 8));
        assert!(covers(&ten, address("10.255.0.1")) && covers(&ten, address("::ffff:10.0.0.1")));
        assert!(!covers(&ten, address("11.0.0.1")) && !covers(&ten, address("::a00:1")));
        let all = grant(HostPattern::Network(address("::"), 0));
        assert!(covers(&all, address("2001:db8::1")) && !covers(&all, address("10.0.0.1")));
        let one = grant(HostPattern::Network(address("2001:db8::1"), 128));
        assert!(covers(&one, address("2001:db8::1")) && !covers(&one, address("2001:db8::2")));
        let own = grant(HostPattern::Loopback);
        assert!(covers(&own, address("127.8.8.8")) && covers(&own, address("::ffff:127.0.0.1")));
        assert!(covers(&own, address("::1")) && !covers(&own, address("0.0.0.0")));
    }

    #[test]
    fn a_wide_network_does_not_cover_internal_addresses() {
        let covers = |network: &str, bits, it: &str| {
            covers(&grant(HostPattern::Network(address(network), bits)), address(it))
        };
        for inner in
            ["127.0.0.1", "::ffff:127.0.0.1", "169.254.169.254", "0.0.0.0", "100.100.100.200"]
        {
            assert!(!covers("0.0.0.0", 0, inner), "{inner}");
        }
        for inner in ["::1", "::", "fe80::1", "fd00:ec2::254", "64:ff9b::7f00:1", "2002:7f00:1::"] {
            assert!(!covers("::", 0, inner), "{inner}");
        }
        assert!(covers("0.0.0.0", 0, "1.1.1.1") && covers("::", 0, "2606:4700::1111"));
        assert!(
            !covers("100.64.0.0", 10, "100.100.100.200") && covers("100.64.0.0", 10, "100.64.0.1")
        );
        assert!(!covers("fd00::", 8, "fd00:ec2::254") && covers("fd00::", 8, "fd12::1"));
        assert!(covers("127.0.0.0", 8, "127.0.0.1") && covers("127.0.0.1", 32, "127.0.0.1"));
        assert!(covers("169.254.0.0", 16, "169.254.169.254") && covers("fe80::", 64, "fe80::1"));
        assert!(covers("100.100.100.200", 32, "100.100.100.200"));
        assert!(!covers("64:ff9b::", 96, "64:ff9b::7f00:1"));
        assert!(covers("64:ff9b::7f00:1", 128, "64:ff9b::7f00:1"));
    }

    #[test]
    fn host_names() {
        assert_eq!(normalized("API.Example.org.").as_deref(), Some("api.example.org"));
        for wrong in ["", ".", "a..b", "a b", "a/b", "é.org", "a\0b", "[::1]"] {
            assert_eq!(normalized(wrong), None, "{wrong:?}");
        }
        let one = grant(HostPattern::Name("example.org".into()));
        assert!(covers_name(&one, "example.org") && !covers_name(&one, "a.example.org"));
        let below = grant(HostPattern::Below("example.org".into()));
        assert!(covers_name(&below, "a.example.org") && covers_name(&below, "a.b.example.org"));
        assert!(!covers_name(&below, "example.org") && !covers_name(&below, "anexample.org"));
        assert!(!covers_name(&below, ".example.org"));
    }
}
