//! What is true in the simulation, and what contradicts it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use plugbay_discovery::{Endpoint, EndpointId, Sequence};

/// Shared by all parts of one simulation.
#[derive(Clone, Debug, Default)]
pub(crate) struct Oracle(Arc<Mutex<Facts>>);

#[derive(Debug, Default)]
pub(crate) struct Facts {
    pub(crate) log: Vec<String>,
    pub(crate) problems: Vec<String>,
    /// When the directory that lives now answered a registration or heartbeat last.
    renewed: BTreeMap<EndpointId, Duration>,
    /// The greatest number of the directory that lives.
    sequence: Sequence,
    /// What each client knows.
    pub(crate) known: BTreeMap<usize, BTreeSet<u16>>,
}

impl Oracle {
    pub(crate) fn facts(&self) -> MutexGuard<'_, Facts> {
        self.0.lock().unwrap()
    }

    pub(crate) fn log(&self, at: Duration, what: &str) {
        self.facts().log.push(format!("{:9.3} {what}", at.as_secs_f64()));
    }
}

impl Facts {
    pub(crate) fn problem(&mut self, at: Duration, what: &str) {
        // The first few say what went wrong.
        if self.problems.len() < 10 {
            self.problems.push(format!("{:.3} s: {what}", at.as_secs_f64()));
        }
    }

    /// A directory begins to live, without knowing anything.
    pub(crate) fn new_directory(&mut self) {
        self.renewed.clear();
        self.sequence = Sequence::default();
    }

    pub(crate) fn renewed(&mut self, id: EndpointId, at: Duration) {
        self.renewed.insert(id, at);
    }

    /// The directory returns these.
    pub(crate) fn returned(
        &mut self,
        at: Duration,
        sequence: Sequence,
        endpoints: &[Arc<Endpoint>],
    ) {
        if sequence < self.sequence {
            self.problem(
                at,
                &format!("the directory went back from {} to {sequence}", self.sequence),
            );
        }
        self.sequence = sequence;
        for endpoint in endpoints {
            let renewed = self.renewed.get(&endpoint.id).copied();
            let is_good = renewed.is_some_and(|renewed| at <= renewed + endpoint.ttl);
            if !is_good && !endpoint.retained {
                let port = endpoint.port;
                self.problem(at, &format!("{port} is returned, and was renewed at {renewed:?}"));
            }
        }
    }
}
