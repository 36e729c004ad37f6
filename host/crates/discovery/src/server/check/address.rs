//! Which addresses are checked.

use std::net::{IpAddr, Ipv6Addr};

use super::settings::CheckSettings;

/// Why an address is not checked; `None` if it is. Metadata services of clouds have link-local
/// addresses, and what they answer is not for everybody who may register an endpoint.
pub(super) fn refused(address: IpAddr, settings: CheckSettings) -> Option<&'static str> {
    let address = address.to_canonical();
    let link_local = match address {
        IpAddr::V4(it) => it.is_link_local(),
        IpAddr::V6(it) => it.is_unicast_link_local(),
    };
    // That of one cloud is unique local.
    let metadata = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);
    let broadcast = matches!(address, IpAddr::V4(it) if it.is_broadcast());
    if link_local || address == metadata {
        Some("link-local addresses are not checked")
    } else if address.is_unspecified() || address.is_multicast() || broadcast {
        Some("only unicast addresses are checked")
    } else if address.is_loopback() && !settings.loopback {
        Some("loopback addresses are not checked by a directory that others can reach")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_services_and_loopback_are_out_of_reach() {
        let is_refused = |text: &str, settings| refused(text.parse().unwrap(), settings).is_some();
        let outer = CheckSettings::default();
        for bad in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
        ] {
            assert!(is_refused(bad, outer) && is_refused(bad, outer.with_loopback()), "{bad}");
        }
        for own in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
            assert!(is_refused(own, outer) && !is_refused(own, outer.with_loopback()), "{own}");
        }
        assert!(!is_refused("10.0.0.1", outer) && !is_refused("2001:db8::1", outer));
    }
}
