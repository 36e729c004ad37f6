//! Where an endpoint is reached: an address or a DNS name.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::name::is_label;

/// The longest DNS name as text, in bytes (RFC 1035, section 3.1, less the root and the first length).
const MAX_NAME: usize = 253;

/// The host of an endpoint: an IP address, or a DNS name (RFC 1123). Names are kept in lower case and
/// without a final dot, and addresses in their canonical form, so that equal hosts are equal texts.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Host {
    /// An address of IPv4 or IPv6. In JSON, one of IPv6 has no brackets.
    Address(IpAddr),
    /// A DNS name.
    Name(Box<str>),
}

impl Host {
    /// The host as it stands before the port: IPv6 in brackets.
    #[must_use]
    pub fn authority(&self, port: u16) -> String {
        match self {
            Self::Address(IpAddr::V6(address)) => format!("[{address}]:{port}"),
            other => format!("{other}:{port}"),
        }
    }
}

impl FromStr for Host {
    type Err = String;

    /// # Errors
    ///
    /// What is expected and what was found, as text.
    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("expected a DNS name or an IP address, found an empty text".into());
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            let unusable = address.is_unspecified() || address.is_multicast();
            return if unusable {
                Err(format!("expected an address that clients can connect to, found {address}"))
            } else {
                Ok(Self::Address(address))
            };
        }
        let name = text.strip_suffix('.').unwrap_or(text);
        // A last label of digits is a mistyped address (RFC 1123, section 2.1).
        let numeric = |label: &str| label.bytes().all(|byte| byte.is_ascii_digit());
        let labels = name.len() <= MAX_NAME && name.split('.').all(is_label);
        if labels && !name.rsplit('.').next().is_some_and(numeric) {
            return Ok(Self::Name(name.to_ascii_lowercase().into()));
        }
        let found = super::invalid::shortened(text);
        Err(format!("expected a DNS name or an IP address, found {found}"))
    }
}

impl TryFrom<String> for Host {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Host> for String {
    fn from(host: Host) -> Self {
        host.to_string()
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{self}\"")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_names_and_addresses() {
        for (text, kept) in [
            ("localhost", "localhost"),
            ("DB.Example.", "db.example"),
            ("10.0.0.1", "10.0.0.1"),
            ("0:0:0:0:0:0:0:1", "::1"),
            ("3com.example", "3com.example"),
        ] {
            assert_eq!(text.parse::<Host>().unwrap().to_string(), kept);
        }
        for bad in [
            "",
            ".",
            "a..b",
            "-a",
            "a_b",
            "a/b",
            "a:80",
            "[::1]",
            "10.0.0.256",
            "1.2.3",
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "a b",
            "http://a",
            &"a.".repeat(128),
        ] {
            assert!(bad.parse::<Host>().is_err(), "{bad:?}");
        }
        assert_eq!("::1".parse::<Host>().unwrap().authority(80), "[::1]:80");
        assert_eq!("a".parse::<Host>().unwrap().authority(80), "a:80");
    }
}
