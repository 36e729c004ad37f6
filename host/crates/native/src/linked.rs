//! Plugins that are linked into the application.

use std::collections::BTreeMap;
use std::sync::Arc;

use plugbay_abi::host::Guest;
use plugbay_core::codec::Codec;
use plugbay_core::handler::Handler;
use plugbay_core::{
    Artifact, CapabilityDescription, Description, Isolation, Kind as _, Plugin, Prepared, Reason,
    Refusal, Runtime, Source, StartPlugin,
};
use tokio::runtime::Handle;

use crate::in_process::code::Code;
use crate::in_process::plugin::InProcessPlugin;

/// The largest input, in bytes, that a linked codec converts on the thread of its caller. It is a part of the
/// program, and does nothing but compute: some microseconds for that much.
const MAX_INLINE: usize = 4 << 10;

/// A linked handler may do anything, so it says itself whether it waits.
fn max_inline(capability: &CapabilityDescription) -> Option<usize> {
    match &*capability.kind {
        Codec::NAME => Some(MAX_INLINE),
        Handler::NAME if capability.nonblocking => Some(usize::MAX),
        _ => None,
    }
}

/// Runs the plugins that registered themselves at link time.
#[derive(Debug)]
pub struct LinkedRuntime {
    tokio: Handle,
    /// The plugins by the name of their artifact. If two plugins have one name, the second one's
    /// artifact gets a number, so that the host sees both and refuses the clash.
    linked: BTreeMap<String, (Code, Result<Description, Refusal>)>,
}

impl LinkedRuntime {
    /// Collects and describes the plugins that are linked. Handlers that may wait run on `tokio`'s threads for
    /// blocking work.
    #[must_use]
    pub fn new(tokio: Handle) -> Self {
        let mut linked = BTreeMap::new();
        for (index, plugin) in plugbay_abi::linked::plugins().enumerate() {
            let code = Code::new(Guest::linked(plugin));
            let description = code.description();
            let name = match &description {
                Ok(description) => description.name.clone(),
                Err(_) => format!("unnamed-{index}"),
            };
            let name = if linked.contains_key(&name) { format!("{name}-{index}") } else { name };
            linked.insert(name, (code, description));
        }
        Self { tokio, linked }
    }

    /// An artifact for each plugin, sorted by name.
    #[must_use]
    pub fn artifacts(&self) -> Vec<Artifact> {
        let artifacts = self.linked.iter().map(|(name, (_, description))| {
            let version = description.as_ref().map(|it| it.version.to_string());
            Artifact::linked(name, &version.unwrap_or_default())
        });
        artifacts.collect()
    }
}

impl Runtime for LinkedRuntime {
    fn name(&self) -> &'static str {
        "linked"
    }

    fn recognises(&self, artifact: &Artifact) -> bool {
        matches!(artifact.source, Source::Linked(_))
    }

    fn is_whole(&self, _artifact: &Artifact) -> bool {
        true
    }

    fn prepare(&self, artifact: &Artifact) -> Result<Arc<dyn Prepared>, Refusal> {
        let linked = match &artifact.source {
            Source::Linked(name) => self.linked.get(name),
            Source::File(_) | Source::Memory(_) => None,
        };
        let (code, description) = linked.ok_or_else(|| {
            Refusal::new(
                Reason::UnknownFormat,
                "expected a plugin that is linked into this program",
            )
        })?;
        Ok(Arc::new(LinkedPrepared {
            tokio: self.tokio.clone(),
            code: code.clone(),
            description: description.clone(),
        }))
    }
}

struct LinkedPrepared {
    tokio: Handle,
    code: Code,
    description: Result<Description, Refusal>,
}

impl Prepared for LinkedPrepared {
    fn describe(&self, _isolation: Isolation) -> Result<Description, Refusal> {
        self.description.clone()
    }

    fn imports(&self) -> &[String] {
        &[]
    }

    fn exports(&self) -> &[String] {
        &[]
    }

    fn code_size(&self) -> u64 {
        0
    }

    fn start(&self, start: StartPlugin) -> Result<Arc<dyn Plugin>, Refusal> {
        let (code, tokio) = (self.code.clone(), self.tokio.clone());
        Ok(Arc::new(InProcessPlugin::start(code, start, tokio, max_inline)?))
    }
}
