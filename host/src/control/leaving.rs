//! Plugins whose file is gone while new files are being prepared. One of these may hold the plugin's next
//! version under another file name, so the plugin serves until they are prepared, for a bounded time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use plugbay_core::Source;

use crate::change::Key;
use crate::set::Incumbent;

/// The longest time that a plugin without a file waits for its next version. A plugin of usual size is
/// compiled long before; a slow or hostile file must not keep what an operator removed.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(15);

/// The plugins without a file, by name.
#[derive(Default)]
pub(super) struct Leaving(BTreeMap<String, Wait>);

struct Wait {
    since: Instant,
    /// The artifacts that were being prepared when the file was found gone, and still are.
    pending: BTreeSet<Key>,
}

impl Leaving {
    /// The sources of the plugins that wait. `present` are the sources that exist; `pending` are the
    /// artifacts that are being prepared.
    pub(super) fn waiting(
        &mut self,
        running: &BTreeMap<String, Incumbent>,
        present: &BTreeSet<Source>,
        pending: &BTreeMap<Key, Source>,
        now: Instant,
    ) -> BTreeSet<Source> {
        let is_gone = |it: &Incumbent| {
            it.sources.iter().all(|it| matches!(it, Source::File(_)) && !present.contains(it))
        };
        self.0.retain(|name, _| running.get(name).is_some_and(is_gone));
        let mut sources = BTreeSet::new();
        for (name, incumbent) in running.iter().filter(|(_, incumbent)| is_gone(incumbent)) {
            let wait = self
                .0
                .entry(name.clone())
                .or_insert_with(|| Wait { since: now, pending: pending.keys().copied().collect() });
            wait.pending.retain(|key| pending.contains_key(key));
            if !wait.pending.is_empty() && now.duration_since(wait.since) < MAX_WAIT {
                sources.extend(incumbent.sources.iter().cloned());
            }
        }
        sources
    }
}

#[cfg(test)]
mod tests {
    use plugbay_core::{Digest, Isolation};

    use super::*;

    fn file(name: &str) -> Source {
        Source::File(name.into())
    }

    fn running(source: Source) -> BTreeMap<String, Incumbent> {
        let incumbent = Incumbent { sources: vec![source], descriptions: Vec::new() };
        [("a".to_owned(), incumbent)].into()
    }

    fn pending(names: &[&str]) -> BTreeMap<Key, Source> {
        let key = |name: &&str| (Digest::of(name.as_bytes()), Isolation::Refuse);
        names.iter().map(|name| (key(name), file(name))).collect()
    }

    #[test]
    fn a_plugin_without_a_file_waits_for_the_files_of_that_time() {
        let (mut leaving, now, none) = (Leaving::default(), Instant::now(), BTreeSet::new());
        let a = running(file("a-1.wasm"));
        let mut waits =
            |names: &[&str], now| !leaving.waiting(&a, &none, &pending(names), now).is_empty();
        assert!(waits(&["a-2.wasm", "b.wasm"], now));
        assert!(waits(&["a-2.wasm", "c.wasm"], now));
        assert!(!waits(&["c.wasm"], now), "c came later");
        assert!(!waits(&["a-2.wasm"], now), "it is over");
    }

    #[test]
    fn the_wait_is_bounded_and_only_for_files_that_are_gone() {
        let (now, none) = (Instant::now(), BTreeSet::new());
        let mut leaving = Leaving::default();
        let a = running(file("a.wasm"));
        let slow = pending(&["slow.wasm"]);
        assert!(leaving.waiting(&a, &[file("a.wasm")].into(), &slow, now).is_empty());
        assert_eq!(leaving.waiting(&a, &none, &slow, now), [file("a.wasm")].into());
        assert!(leaving.waiting(&a, &none, &slow, now + MAX_WAIT).is_empty());
        assert!(
            leaving.waiting(&running(Source::Linked("a".into())), &none, &slow, now).is_empty()
        );
        let mut leaving = Leaving::default();
        assert!(
            leaving.waiting(&a, &none, &pending(&[]), now).is_empty(),
            "there is none to wait for"
        );
    }
}
