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
    /// Where it was described, if it is.
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
    /// It is refused.
    pub(crate) fn refused(&self, refusal: Refusal) -> Rejection {
        Rejection {
            source: self.offer.source.clone(),
            plugin: Some(self.identity.name.clone()),
            digest: Some(self.offer.digest),
            refusal,
        }
    }
}

/// A plugin that runs: what clashes and precedence are judged by.
#[derive(Clone, Debug)]
pub(crate) struct Incumbent {
    /// Where its versions come from, and where it was found last: that first. While any of these
    /// is there but cannot be read, it stays.
    pub(crate) sources: Vec<Source>,
    /// What its versions describe; the version that is not on trial first.
    pub(crate) descriptions: Vec<Arc<Description>>,
}
