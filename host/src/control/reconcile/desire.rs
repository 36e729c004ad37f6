//! What a reconciliation finds: the configuration, the artifacts, and the plugins that are desired by both.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::trace::SpanKind;
use plugbay_core::{Reason, Refusal, Source};

use super::{Reconciler, workers};
use crate::change::{
    ArtifactSource, Desired, Known, Preparation, Retry, described_as, folder, is_disabled,
    is_whole, names, resolve,
};
use crate::config::Config;
use crate::control::config_file::{Patience, Reading};
use crate::control::leaving;
use crate::control::shared::ConfigLoader;
use crate::report::Rejection;
use crate::set::{Generation, Offer, Overrides, is_enabled};

/// How long a reconciliation waits for the artifacts that it begins to prepare. Most plugins are compiled
/// by then, and one reconciliation is quicker than two. Commands of operators wait for this.
const SHORT_WAIT: Duration = Duration::from_millis(50);
/// How long a host that starts waits for the next artifact to be prepared. Slower artifacts are taken
/// over later, so that a slow or hostile one keeps no other from serving.
const START_WAIT: Duration = Duration::from_secs(10);

impl Reconciler {
    /// The configuration, the same with these overrides, and the desired plugins.
    pub(super) fn desire(
        &mut self,
        running: &Generation,
        retry: Retry,
        refused: &mut Vec<Rejection>,
        overrides: &Overrides,
    ) -> (Arc<Config>, Arc<Config>, Desired) {
        let cause = self.cause.as_ref();
        let span = cause.and_then(|it| it.begin(SpanKind::Internal, || "read".into()));
        let base = self.read_config(retry, refused);
        let config = overrides.apply(&base);
        self.watching.follow(&self.shared, &config, self.source.file(), retry);
        let (origins, mut failed) = self.list(&config, running, refused);
        if let Some(span) = span {
            span.end();
        }
        let mut keep = self.publisher.history().keys();
        let members = running.plugins.iter().flat_map(|(_, member)| member.all());
        keep.extend(members.map(|it| (it.identity.digest, it.offer.described_in)));
        let most = workers(&config);
        let mut prepared = self.store.prepare(&origins, &config, &keep, most, retry);
        if running.number == 0 && !prepared.pending.is_empty() {
            let is_watched = self.watching.is_wanted() && !config.host.strict;
            let patience = if is_watched { START_WAIT } else { Duration::MAX };
            self.store.wait(patience, || {
                self.shared.liveness.step_begins_again();
                true
            });
            prepared = self.store.prepare(&origins, &config, &keep, most, Retry::None);
        } else if !prepared.begun.is_empty() && self.store.wait_for(&prepared.begun, SHORT_WAIT) {
            prepared = self.store.prepare(&origins, &config, &keep, most, Retry::None);
        }
        let Preparation { offers, refused: unprepared, pending, .. } = prepared;
        failed.extend(unprepared.iter().map(|it| it.source.clone()));
        failed.extend(pending.values().cloned());
        // A file that is refused may hold the plugin of its name.
        let stems = failed.iter().map(|source| {
            let file = source.file_name();
            Path::new(&file).file_stem().unwrap_or_default().to_string_lossy().into_owned()
        });
        self.found = offers.iter().map(|it| it.description.name.clone()).chain(stems).collect();
        refused.extend(unprepared);
        let incumbents = running.incumbents(&self.places);
        let mut present = failed.clone();
        present.extend(origins.iter().map(ArtifactSource::source));
        let waiting = self.leaving.waiting(&incumbents, &present, &pending, Instant::now());
        if !waiting.is_empty() {
            self.shared.wake_after(leaving::MAX_WAIT);
            failed.extend(waiting);
        }
        self.set_pending(pending);
        self.know(&config, running, &offers, &failed);
        let mut desired = resolve(&config, &offers, &failed, &incumbents);
        refused.append(&mut desired.refused);
        (base, config, desired)
    }

    /// Keeps the descriptions of plugins that are there, or whose file is there, or that are disabled: disabled ones may
    /// not be described again.
    fn know(
        &mut self,
        config: &Config,
        running: &Generation,
        offers: &[Offer],
        failed: &BTreeSet<Source>,
    ) {
        let stays = |name: &str, places: &BTreeMap<String, Source>| {
            running.plugins.contains(name)
                || !is_enabled(config, name)
                || places.get(name).is_some_and(|place| failed.contains(place))
        };
        self.known.retain(|name, _| stays(name, &self.places));
        for offer in offers {
            for name in names(config, offer) {
                if let Ok(description) = described_as(&offer.description, &name) {
                    self.known.insert(name, Known { description, is_coming: false });
                }
            }
        }
    }

    /// The known plugins, with those that are coming. During a rollback none is: that generation was chosen.
    pub(super) fn known(&self, desired: &Desired) -> BTreeMap<String, Known> {
        if self.pinned.is_some() {
            return BTreeMap::new();
        }
        let preparing = |name: &String| {
            let place = self.places.get(name);
            place.is_some_and(|place| self.pending.values().any(|it| it == place))
        };
        let wanted = |name: &String| desired.wanted.iter().any(|it| it.identity.name == *name);
        let known = self.known.iter().map(|(name, known)| {
            let is_coming = wanted(name) || preparing(name);
            (name.clone(), Known { is_coming, ..known.clone() })
        });
        known.collect()
    }

    /// Reads the configuration; if it has a mistake, or is not yet complete, the current one stays.
    fn read_config(&mut self, retry: Retry, refused: &mut Vec<Rejection>) -> Arc<Config> {
        let file = match &mut self.source {
            ConfigLoader::Fixed(config) => return Arc::clone(config),
            ConfigLoader::Layers(file) => file,
        };
        let patience = if retry == Retry::All { Patience::JudgeNow } else { Patience::Wait };
        let refusal = match file.read(patience) {
            Reading::Config(config) if *config == *self.config => None,
            Reading::Config(config) => return Arc::from(config),
            Reading::Refused(error) => Some(error),
            Reading::NotYet(before) => {
                (self.unsettled, self.config_unsettled) = (true, true);
                before
            }
        };
        refused.extend(refusal.map(|error| {
            Rejection {
                source: Source::File(file.path().unwrap_or(Path::new("configuration")).to_owned()),
                plugin: None,
                digest: None,
                refusal: Refusal::new(Reason::Config, error.to_string())
                    .hint("the running configuration stays"),
            }
        }));
        Arc::clone(&self.config)
    }

    /// All artifacts, and the sources that exist but could not be read.
    fn list(
        &mut self,
        config: &Config,
        running: &Generation,
        refused: &mut Vec<Rejection>,
    ) -> (Vec<ArtifactSource>, BTreeSet<Source>) {
        let mut origins = Vec::new();
        let mut failed = BTreeSet::new();
        let runtimes = self.store.runtimes();
        let listed = folder::list(&config.host.plugins, &mut self.memory, |artifact| {
            is_whole(runtimes, artifact)
        });
        match listed {
            Ok(listing) => {
                self.unsettled |= !listing.not_yet.is_empty();
                failed.extend(listing.not_yet.into_iter().map(Source::File));
                for (source, refusal) in listing.refused {
                    failed.insert(source.clone());
                    refused.push(Rejection { source, plugin: None, digest: None, refusal });
                }
                origins.extend(listing.artifacts.into_iter().map(ArtifactSource::Folder));
            }
            Err(refusal) => {
                // Nothing is known about the files: all plugins that came from files stay.
                let incumbents = running.incumbents(&self.places);
                let sources = incumbents.into_values().flat_map(|it| it.sources);
                failed.extend(sources.filter(|source| matches!(source, Source::File(_))));
                let source = Source::File(config.host.plugins.clone());
                refused.push(Rejection { source, plugin: None, digest: None, refusal });
            }
        }
        origins.extend(self.given.iter().cloned().map(ArtifactSource::Given));
        if config.host.linked {
            origins.extend(self.linked.iter().cloned().map(ArtifactSource::Given));
        }
        origins.retain(|origin| !is_disabled(config, &origin.source()));
        (origins, failed)
    }
}
