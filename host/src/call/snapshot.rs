//! A caller's view of one generation.

use std::fmt::{self, Write as _};
use std::sync::Arc;

use arrayvec::ArrayString;
use plugbay_core::{Kind, MAX_NAME};

use super::error::Error;
use super::handle::Handle;
use super::leased::CapabilityLease;
use crate::config::Config;
use crate::set::{Cell, PublishedSet};

/// `kind:name`, without an allocation.
type Key = ArrayString<{ 2 * MAX_NAME + 1 }>;

/// A caller's view of one generation: everything it returns comes from the same set.
///
/// ```
/// use plugbay::{CallOptions, Codec, Host, RouteMatch};
/// # use plugbay::{Config, Request};
/// # use plugbay_fixtures::Guest;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut config = Config::default();
/// # config.host.linked = false;
/// # config.host.cache = Default::default();
/// # let builder = Host::builder().config(config).watch(false);
/// # let builder = builder.artifact("both", Guest::both("mirror").route("POST", "/mirror/{id}").build());
/// # let host = builder.build().await?;
/// let snapshot = host.snapshot();
/// assert_eq!((snapshot.generation(), snapshot.names("codec")), (1, vec!["mirror".to_owned()]));
///
/// // The lease keeps the plugin's version from being shut down.
/// let codec = snapshot.lease::<Codec>("mirror")?;
/// let null = [0xf6]; // CBOR
/// assert_eq!(codec.encode_document(CallOptions::default(), &null)?, null);
///
/// let RouteMatch::Found(routed) = snapshot.route("POST", "/mirror/7") else { panic!() };
/// assert_eq!((routed.handler(), routed.pattern()), ("mirror", "/mirror/{id}"));
/// let request = Request { method: "POST".into(), body: b"hi".to_vec(), ..Request::default() };
/// let response = routed.handle(CallOptions::default(), request).await?;
/// assert_eq!(response.body, b"hi");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) cell: Arc<Cell>,
    pub(crate) published: Arc<PublishedSet>,
}

impl Snapshot {
    /// The generation's number: 1 for the first, one more for each that follows.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.published.generation.number
    }

    /// The names of a kind's capabilities, sorted; see [`Host::names`](crate::Host::names).
    #[must_use]
    pub fn names(&self, kind: &str) -> Vec<String> {
        self.published.generation.names(kind)
    }

    /// The configuration of this generation.
    #[must_use]
    pub fn config(&self) -> &Arc<Config> {
        &self.published.generation.config
    }

    /// Takes a lease of a capability in this generation. If the generation was retired since the
    /// snapshot was taken, the lease is of the current generation. So take the lease before the
    /// work begins, and keep it to the end.
    ///
    /// # Errors
    ///
    /// If the generation does not hold the capability, or the host is shut down.
    pub fn lease<K: Kind>(&self, name: &str) -> Result<CapabilityLease<K>, Error> {
        let mut key = Key::new();
        match write!(key, "{}:{name}", K::NAME) {
            Ok(()) => self.lease_key(&key),
            // Too long to be there, but an error names it.
            Err(fmt::Error) => self.lease_key(&format!("{}:{name}", K::NAME)),
        }
    }

    /// As [`Snapshot::lease`], by `kind:name`.
    pub(super) fn lease_key<K: Kind>(&self, key: &str) -> Result<CapabilityLease<K>, Error> {
        let (position, capability) = self.published.generation.capability(K::NAME, key)?;
        CapabilityLease::take(&self.published, position)
            .or_else(|_missed| Handle::new(Arc::clone(&self.cell), &capability.key.name)?.lease())
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("generation", &self.generation()).finish_non_exhaustive()
    }
}
