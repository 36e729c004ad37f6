//! `[plugins.NAME.grants] network`: where a plugin may connect to.

use std::net::IpAddr;

use plugbay_core::{HostPattern, NetworkGrant};
use proptest::prelude::*;

use super::{brief, good, refused};
use crate::config::section::network::written;

fn config(entry: &str) -> String {
    format!("[plugins.x.grants]\nnetwork = [{entry:?}]")
}

fn read(entry: &str) -> NetworkGrant {
    good(&config(entry)).plugins["x"].grants.network[0].clone()
}

#[test]
fn hosts_and_ports_are_read() {
    let network = |address: &str, bits| HostPattern::Network(address.parse().unwrap(), bits);
    for (entry, host, port) in [
        ("API.example.org:443", HostPattern::Name("api.example.org".into()), Some(443)),
        ("*.Example.org:443", HostPattern::Below("example.org".into()), Some(443)),
        ("db-1:65535", HostPattern::Name("db-1".into()), Some(65535)),
        ("1.example:*", HostPattern::Name("1.example".into()), None),
        ("10.0.0.0/8:5432", network("10.0.0.0", 8), Some(5432)),
        ("0.0.0.0/0:*", network("0.0.0.0", 0), None),
        ("192.0.2.7:*", network("192.0.2.7", 32), None),
        ("[2001:DB8::1]:80", network("2001:db8::1", 128), Some(80)),
        ("[2001:db8::/32]:443", network("2001:db8::", 32), Some(443)),
        ("[::/0]:*", network("::", 0), None),
        ("LOCALHOST:6379", HostPattern::Loopback, Some(6379)),
    ] {
        assert_eq!(read(entry), NetworkGrant { host, port }, "{entry}");
    }
}

#[test]
fn other_entries_are_refused_with_a_hint() {
    let port = "the port is 1 to 65535, or * for every port";
    let name = "letters, digits and hyphens";
    let decimal = "four decimal parts";
    let long = format!("{}.org:1", "a.".repeat(125) + "a");
    for (entry, remedy) in [
        ("", "say which port"),
        ("example.org", "say which port: \"example.org:443\", or \"example.org:*\""),
        ("example.org:", port),
        ("example.org:0", port),
        ("example.org:65536", port),
        ("example.org:+1", port),
        ("example.org:http", port),
        ("*:443", "\"0.0.0.0/0:PORT\" and \"[::/0]:PORT\""),
        (":443", name),
        ("example..org:1", name),
        ("example.org.:1", name),
        ("-a.org:1", name),
        ("a_b.org:1", name),
        ("api.*.org:1", name),
        ("*.*.org:1", name),
        ("*.:1", name),
        ("https://example.org:443", "stands in brackets"),
        ("straße.example:1", "in ASCII"),
        (&long, "253"),
        (&format!("{}.org:1", "a".repeat(64)), name),
        ("10.0.0.256:1", decimal),
        ("10.1:1", decimal),
        ("0x7f000001:1", decimal),
        ("*.127:1", decimal),
        ("10.0.0.0/33:1", "0 to 32"),
        ("10.0.0.0/+8:1", "0 to 32"),
        ("10.0.0.1/8:1", "beyond the prefix; write 10.0.0.0/8"),
        ("example.org/8:1", "write an address"),
        ("2001:db8::1:443", "stands in brackets"),
        ("[2001:db8::1]", "say which port: \"[2001:db8::1]:443\""),
        ("[2001:db8::1:443", "close the bracket"),
        ("[2001:db8::/129]:1", "0 to 128"),
        ("[2001:db8::1/32]:1", "write [2001:db8::/32]"),
        ("[192.0.2.7]:1", "write an address"),
        ("[::ffff:192.0.2.7]:1", "the IPv4 address itself"),
        ("[fe80::1%eth0]:1", "write an address"),
    ] {
        let error = refused(&config(entry));
        let hint = error.problems[0].hint.as_deref().unwrap_or_default();
        assert!(hint.contains(remedy), "{entry}: {hint}");
        assert_eq!(error.problems[0].key.as_deref(), Some("plugins.x.grants.network[0]"));
    }
    let twice = "[plugins.x.grants]\nnetwork = ['A.org:1', 'a.org:1', 5]";
    assert_eq!(
        brief(&refused(twice)),
        [
            "plugins.x.grants.network[1]: expected each once, found \"a.org:1\" again",
            "plugins.x.grants.network[2]: expected a host and port such as \"api.example.org:443\", found the integer 5",
        ]
    );
}

proptest! {
    #[test]
    fn a_grant_is_read_back_as_it_is_shown(
        address: IpAddr, bits in 0..=128_u8, name in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]{2,9}){0,3}",
        port: Option<std::num::NonZero<u16>>, which in 0..4,
    ) {
        let (cut, bits): (IpAddr, u8) = match address {
            IpAddr::V4(v4) => {
                let bits = bits.min(32);
                let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
                (std::net::Ipv4Addr::from_bits(v4.to_bits() & mask).into(), bits)
            }
            IpAddr::V6(v6) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
                (std::net::Ipv6Addr::from_bits(v6.to_bits() & mask).into(), bits)
            }
        };
        // An IPv4 address in the form of IPv6 is refused.
        prop_assume!(cut == cut.to_canonical());
        let host = match which {
            0 if name != "localhost" => HostPattern::Name(name),
            1 => HostPattern::Below(name),
            2 => HostPattern::Network(cut, bits),
            _ => HostPattern::Loopback,
        };
        let grant = NetworkGrant { host, port: port.map(std::num::NonZero::get) };
        prop_assert_eq!(read(&written(&grant)), grant);
    }
}
