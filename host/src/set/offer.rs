//! A described artifact, and the plugins that should run from it.

use std::sync::Arc;

use plugbay_core::{Description, Digest, Isolation, Refusal, Source};

use super::identity::PluginIdentity;
use crate::report::Rejection;

/// An artifact that was described.
#[derive(Clone, Debug)]
pub(crate) struct Offer {
    pub(crate) source: Source,
    pub(crate) digest: Digest,
    pub(crate) size: u64,
    /// Whether it is native code.
    pub(crate) native: bool,
    /// If it is native code, where it was described.
    pub(crate) described_in: Isolation,
    pub(crate) description: Arc<Description>,
}

/// A plugin that should run.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    pub(crate) identity: PluginIdentity,
    pub(crate) offer: Offer,
}

impl Wanted {
    /// A rejection of this plugin.
    pub(crate) fn refused(&self, refusal: Refusal) -> Rejection {
        Rejection {
            source: self.offer.source.clone(),
            plugin: Some(self.identity.name.clone()),
            digest: Some(self.offer.digest),
            refusal,
        }
    }
}

/// A running plugin, as far as clashes and precedence depend on it.
#[derive(Clone, Debug)]
pub(crate) struct Incumbent {
    /// The sources of its versions, and first the source where it was found last. While one of
    /// these exists but cannot be read, the plugin stays.
    pub(crate) sources: Vec<Source>,
    /// The descriptions of its versions; the version that is not on trial first.
    pub(crate) descriptions: Vec<Arc<Description>>,
}
