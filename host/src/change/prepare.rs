//! Prepares artifacts and starts plugins from them: one at a time, and without state.

use std::sync::Arc;
use std::sync::atomic::AtomicU8;
use std::time::{Instant, SystemTime};

use plugbay_core::{
    Artifact, Description, Digest, Identity as Label, Isolation, Prepared, Protection, Reason,
    Refusal, Runtime, Source, StartPlugin,
};
use plugbay_guard::{Guard, Rules};

use super::catch_panic::CatchPanic;
use crate::config::without_secrets;
use crate::report::Journal;
use crate::set::{DropOnThread, HealthRecord, Running, Shutdown, Wanted};

/// A prepared artifact: kept as long as its digest is in use.
#[derive(Clone)]
pub(crate) struct Ready {
    prepared: Arc<dyn Prepared>,
    description: Arc<Description>,
    runtime: &'static str,
}

/// The most that a breaker's open time grows by, as a factor, while its probes fail.
const LONGEST_OPEN: u32 = 16;

/// The key of a prepared artifact: its digest, and where it may run to be described.
pub(crate) type Key = (Digest, Isolation);

pub(crate) fn key_of(wanted: &Wanted) -> Key {
    (wanted.identity.digest, wanted.offer.described_in)
}

/// Finds the runtime, checks and compiles the artifact, and calls `describe`.
pub(crate) fn prepare(
    runtimes: &[CatchPanic<dyn Runtime>],
    artifact: &Artifact,
    isolation: Isolation,
) -> Result<Ready, Refusal> {
    let runtime = find(runtimes, artifact)?.ok_or_else(|| unknown(artifact))?;
    let prepared = runtime.prepare(artifact)?;
    let description = prepared.describe(isolation)?;
    Ok(Ready { prepared, description: Arc::new(description), runtime: runtime.name() })
}

/// The first runtime that recognises the artifact.
///
/// # Errors
/// If none does, and one of them panicked: the artifact may be of its form.
fn find<'r>(
    runtimes: &'r [CatchPanic<dyn Runtime>],
    artifact: &Artifact,
) -> Result<Option<&'r CatchPanic<dyn Runtime>>, Refusal> {
    let mut panicked = None;
    for runtime in runtimes {
        match runtime.recognises(artifact) {
            Ok(true) => return Ok(Some(runtime)),
            Ok(false) => {}
            Err(refusal) => panicked = panicked.or(Some(refusal)),
        }
    }
    panicked.map_or(Ok(None), Err)
}

/// The refusal of an unknown format. Mentions the feature `native` in a build without it.
fn unknown(artifact: &Artifact) -> Refusal {
    let found = match &artifact.source {
        // Who may write to the folder may not be allowed to read what a link leads to.
        Source::File(path) if path.is_symlink() => "a link to a file with other bytes".to_owned(),
        _ => artifact.bytes.iter().take(8).fold(String::new(), |mut found, byte| {
            use std::fmt::Write as _;
            // Writing to a String cannot fail.
            let _ = write!(found, "{byte:02x} ");
            found
        }),
    };
    let library = if cfg!(feature = "native") {
        " or a native library"
    } else {
        "; this host is built without the feature `native`, which loads native libraries"
    };
    let message = format!(
        "expected a WebAssembly component (it begins with 00 61 73 6d 0d 00 01 00){library}, found {}",
        found.trim_end()
    );
    let how = if cfg!(feature = "native") { "for wasm32 or as a cdylib" } else { "for wasm32" };
    Refusal::new(Reason::UnknownFormat, message).hint(format!("build it with plugbay-sdk, {how}"))
}

impl Ready {
    pub(crate) fn description(&self) -> &Arc<Description> {
        &self.description
    }

    pub(crate) fn prepared(&self) -> &dyn Prepared {
        &*self.prepared
    }

    pub(crate) fn runtime(&self) -> &'static str {
        self.runtime
    }

    /// Starts a plugin from this artifact.
    pub(crate) fn start(&self, wanted: &Wanted, journal: &Journal) -> Result<Running, Refusal> {
        let Wanted { identity, offer } = wanted;
        let label = Label::new(&identity.name, &offer.description.version);
        let plugin = self.prepared.start(StartPlugin {
            identity: label.clone(),
            description: Arc::clone(&offer.description),
            config: identity.config.clone(),
            policy: identity.policy.clone(),
            observer: Arc::new(journal.clone()),
        });
        // The plugin's own error may repeat what it was given.
        let plugin = plugin.map_err(|refusal| {
            let environment = &identity.policy.grants.environment;
            let message = without_secrets(refusal.message, &identity.config, environment);
            Refusal { message, ..refusal }
        })?;
        let mut providers = Vec::new();
        for (index, capability) in offer.description.capabilities.iter().enumerate() {
            let provider = u32::try_from(index).ok().and_then(|index| plugin.provide(index));
            providers.push(provider.ok_or_else(|| {
                let message = format!(
                    "expected capability {}:{} to be of a kind that the runtime {} serves",
                    capability.kind, capability.name, self.runtime
                );
                Refusal::new(Reason::WrongWorld, message)
            })?);
        }
        let figures = Arc::default();
        Ok(Running {
            identity: identity.clone(),
            label: Arc::clone(label.label()),
            description: Arc::clone(&offer.description),
            calls_others: plugin.calls_others(),
            plugin: DropOnThread::new(plugin, &figures),
            providers,
            runtime: self.runtime,
            imports: self.prepared.imports().to_vec(),
            exports: self.prepared.exports().to_vec(),
            offer: offer.clone(),
            code_size: self.prepared.code_size(),
            started: SystemTime::now(),
            guard: guard(&identity.policy.protection),
            holds: AtomicU8::default(),
            figures,
            health: HealthRecord::default(),
            shutdown: Shutdown::default(),
            journal: journal.clone(),
        })
    }
}

/// The guard of a plugin, by its protection settings.
fn guard(protection: &Protection) -> Guard {
    let rules = Rules {
        failures: protection.breaker_failures,
        open: protection.breaker_open,
        max_open: protection.breaker_open.saturating_mul(LONGEST_OPEN),
        probes: 1,
        successes: protection.breaker_successes,
    };
    Guard::new(rules, Instant::now(), fastrand::u64(..))
}

/// Whether an artifact is complete by its format; an unknown format counts as complete.
pub(crate) fn is_whole(runtimes: &[CatchPanic<dyn Runtime>], artifact: &Artifact) -> bool {
    let runtime = find(runtimes, artifact).ok().flatten();
    runtime.is_none_or(|runtime| runtime.is_whole(artifact))
}
