//! Where a directory listens, and what secures it.

use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use plugbay::config::{ListenAddress, Rate, TlsSettings};

/// The default of `rate`: twice the heartbeats of 10,000 endpoints that renew every two seconds with one token.
const REQUESTS: u32 = 10_000;
/// The default of `change_rate`: 10,000 processes with one token that start at the same time register in ten seconds.
const CHANGES: u32 = 1_000;

/// Where a directory listens, and what secures it.
#[derive(Clone, Debug)]
pub struct DirectorySettings {
    /// The addresses.
    pub listen: Vec<ListenAddress>,
    /// The file of the hashes of tokens, with lines `NAME GRANTS SHA256`. Without it everybody who reaches the
    /// directory may do everything.
    pub tokens: Option<PathBuf>,
    /// The certificate.
    pub tls: Option<TlsSettings>,
    /// The most requests with one token. Default 10,000 a second.
    pub rate: Rate,
    /// The most requests with one token that register or remove an endpoint. Default 1,000 a second.
    pub change_rate: Rate,
}

impl Default for DirectorySettings {
    fn default() -> Self {
        let each_second = |count| {
            NonZeroU32::new(count)
                .map_or(Rate::NONE, |count| Rate::new(count, Duration::from_secs(1)))
        };
        Self {
            listen: Vec::new(),
            tokens: None,
            tls: None,
            rate: each_second(REQUESTS),
            change_rate: each_second(CHANGES),
        }
    }
}

impl DirectorySettings {
    /// Whether only this machine reaches it.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.listen.iter().all(ListenAddress::is_local)
    }

    /// The first address beyond this machine, if the directory is not for those alone who have a token, or if others
    /// could read it on its way.
    pub(super) fn exposed(&self) -> Option<&ListenAddress> {
        let is_guarded = self.tokens.is_some() && self.tls.is_some();
        self.listen.iter().find(|address| !is_guarded && !address.is_local())
    }
}
