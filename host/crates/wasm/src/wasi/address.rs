//! Which addresses a name must not lead to, and which a grant covers.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use plugbay_core::{HostPattern, NetworkGrant};

/// An address as it is: an IPv4 address that is written as IPv6 is an IPv4 address.
pub(super) fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// Addresses of the host itself, of its link, of many machines or of none, and those at which clouds
/// serve what a machine may know of itself, its keys among it. Each is a network and its bits.
const INTERNAL_V4: [(Ipv4Addr, u8); 8] = [
    // "This host" (RFC 6890); reserved, and the broadcast address; multicast.
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    // The link; most clouds serve there.
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    // Alibaba, Azure, Oracle.
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
    // A gateway of the own network (RFC 8215): where it keeps the IPv4 address is not known.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    // Amazon, Google, Scaleway.
    (Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0), 32),
];

/// Whether an address must not be reached by a name that someone else controls; only a grant that
/// names the address opens it. Private networks are not among them: names of a company's own machines
/// lead there.
pub(super) fn is_internal(address: IpAddr) -> bool {
    inner(address).is_some()
}

/// Of how many bits the network of such addresses is to which this one belongs.
fn inner(address: IpAddr) -> Option<u8> {
    let address = canonical(address);
    let among = |network: IpAddr, bits| within(network, bits, address).then_some(bits);
    match address {
        IpAddr::V4(_) => {
            INTERNAL_V4.iter().find_map(|(network, bits)| among((*network).into(), *bits))
        }
        IpAddr::V6(v6) => {
            let found =
                INTERNAL_V6.iter().find_map(|(network, bits)| among((*network).into(), *bits));
            let is_internal_v4 = |v4: Ipv4Addr| inner(v4.into()).is_some();
            found.or_else(|| embedded(v6).into_iter().flatten().any(is_internal_v4).then_some(128))
        }
    }
}

/// The IPv4 addresses that gateways between the two families would make of this one.
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

/// Whether the grant names this address, whatever its port. A network that holds others beside them
/// does not name internal addresses: a grant of `0.0.0.0/0` means the world, not the host.
pub(super) fn covers(grant: &NetworkGrant, address: IpAddr) -> bool {
    let address = canonical(address);
    match &grant.host {
        HostPattern::Loopback => address.is_loopback(),
        HostPattern::Network(network, bits) => {
            within(*network, *bits, address) && inner(address).is_none_or(|inner| *bits >= inner)
        }
        HostPattern::Name(_) | HostPattern::Below(_) => false,
    }
}

/// Whether the grant's port is this one.
pub(super) fn opens(port: Option<u16>, asked: u16) -> bool {
    port.is_none_or(|port| port == asked)
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

/// A name as grants write it: in lower case, without the dot at its end. `None` if it cannot
/// be the name of a machine.
pub(super) fn name(name: &str) -> Option<String> {
    let name = name.strip_suffix('.').unwrap_or(name);
    let is_label = |label: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        (1..=63).contains(&label.len()) && label.bytes().all(known)
    };
    let is_name = name.len() <= 253 && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

/// Whether the grant names this machine.
pub(super) fn names(grant: &NetworkGrant, name: &str) -> bool {
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
    fn inner_addresses_in_every_dress() {
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
    fn outer_addresses() {
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
    fn a_wide_network_does_not_name_inner_addresses() {
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
    fn machines() {
        assert_eq!(name("API.Example.org.").as_deref(), Some("api.example.org"));
        for wrong in ["", ".", "a..b", "a b", "a/b", "é.org", "a\0b", "[::1]"] {
            assert_eq!(name(wrong), None, "{wrong:?}");
        }
        let one = grant(HostPattern::Name("example.org".into()));
        assert!(names(&one, "example.org") && !names(&one, "a.example.org"));
        let below = grant(HostPattern::Below("example.org".into()));
        assert!(names(&below, "a.example.org") && names(&below, "a.b.example.org"));
        assert!(!names(&below, "example.org") && !names(&below, "anexample.org"));
        assert!(!names(&below, ".example.org"));
    }
}
