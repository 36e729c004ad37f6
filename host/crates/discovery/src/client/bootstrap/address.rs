//! The address of a directory.

use std::fmt;
use std::str::FromStr;

use http::Uri;
use http::uri::{Authority, Scheme};
use thiserror::Error;

/// Where a directory listens: `http://host:port` or `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Address {
    is_tls: bool,
    authority: Authority,
}

/// A text that is no address of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("expected an address such as http://host:8500 or host:8500, found {found:?}")]
pub struct InvalidAddress {
    /// The text.
    pub found: String,
}

impl Address {
    /// An address without TLS.
    pub(super) fn plain(host: &str, port: u16) -> Result<Self, InvalidAddress> {
        format!("{host}:{port}").parse()
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }

    /// `host:port`.
    #[must_use]
    pub fn authority(&self) -> &str {
        self.authority.as_str()
    }

    /// The URL of a path, which begins with a slash.
    pub(crate) fn url(&self, path: &str) -> Result<Uri, http::Error> {
        let scheme = if self.is_tls { Scheme::HTTPS } else { Scheme::HTTP };
        Uri::builder().scheme(scheme).authority(self.authority.clone()).path_and_query(path).build()
    }
}

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        let invalid = || InvalidAddress { found: text.chars().take(200).collect() };
        let with_scheme =
            if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let uri: Uri = with_scheme.parse().map_err(|_| invalid())?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(invalid()),
        };
        let authority = uri.authority().ok_or_else(invalid)?;
        let is_plain = matches!(uri.path(), "" | "/") && uri.query().is_none();
        // Credentials belong into a token, which no log shows.
        let has_user = authority.as_str().contains('@');
        let has_port = authority.as_str() != authority.host();
        let is_port_wrong = has_port && authority.port_u16().is_none_or(|port| port == 0);
        if !is_plain || has_user || authority.host().is_empty() || is_port_wrong {
            return Err(invalid());
        }
        Ok(Self { is_tls, authority: authority.clone() })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.is_tls { "https" } else { "http" }, self.authority)
    }
}
