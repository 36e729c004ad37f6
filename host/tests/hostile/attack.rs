//! An attack by calls: a hostile version replaces the good one, is called from several threads at
//! the same time, and is replaced again.

use plugbay::{CallError, CallErrorKind, Error};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::figures::{Figures, alone};
use crate::neighbour::Watch;
use crate::support::{Bytes, Place, Site, place, until};

/// The default number of threads that call the hostile plugin.
const THREADS: usize = 3;
/// The default number of calls of its codec and its handler by each thread.
const ROUNDS: usize = 4;

/// A hostile plugin, its limits, and the expected results of its calls.
pub(crate) struct Attack {
    guest: Guest,
    instances: u32,
    threads: usize,
    rounds: usize,
    limits: String,
    ends: Vec<CallErrorKind>,
    holds: u64,
}

/// An attack by a plugin whose codec and handler have this behaviour at each call.
pub(crate) fn attack(behaviour: &Behaviour) -> Attack {
    let guest = Guest::both("bad");
    attack_by(
        [Export::Encode, Export::Decode, Export::Handle]
            .into_iter()
            .fold(guest, |guest, export| guest.on(export, behaviour.clone())),
    )
}

/// An attack by this plugin, which is named `bad`.
pub(crate) fn attack_by(guest: Guest) -> Attack {
    Attack {
        guest: guest.version("2.0.0"),
        instances: 2,
        threads: THREADS,
        rounds: ROUNDS,
        limits: String::new(),
        ends: Vec::new(),
        holds: 0,
    }
}

impl Attack {
    /// Sets the maximum number of instances, which is two by default.
    pub(crate) fn instances(mut self, instances: u32) -> Self {
        self.instances = instances;
        self
    }

    /// Uses one thread, one instance and one round, for long calls.
    pub(crate) fn once(mut self) -> Self {
        (self.instances, self.threads, self.rounds) = (1, 1, 1);
        self
    }

    /// Adds lines to `[plugins.bad]`.
    pub(crate) fn limits(mut self, lines: &str) -> Self {
        lines.clone_into(&mut self.limits);
        self
    }

    /// Sets the kinds of errors with which every call must end; without any, every call must
    /// succeed.
    pub(crate) fn ends_as(mut self, kinds: &[CallErrorKind]) -> Self {
        self.ends = kinds.to_vec();
        self
    }

    /// Expects that the process uses this many MiB more at its peak.
    pub(crate) fn holds_mib(mut self, mib: u64) -> Self {
        self.holds = mib << 20;
        self
    }
}

/// A place with a good version of `bad` and its neighbour. The limits are for `bad`, which has no
/// breaker and no health checks.
pub(crate) fn beside_a_neighbour(limits: &str) -> Place {
    place()
        .plugin("bad.wasm", good())
        .plugin("neighbour.wasm", Guest::both("neighbour").stamp("here"))
        .config(&format!(
            "[plugins.bad]\nbreaker_failures = 0\nhealth_every = '0s'\n{limits}\n\
             [plugins.neighbour]\ndeadline = '4s'\nhealth_every = '0s'\n"
        ))
        // Generations of the history stay in memory.
        .host_key("history = 0")
        .unwatched()
}

pub(crate) fn good() -> Guest {
    Guest::both("bad").stamp("good")
}

/// Replaces the file of `bad`, and reconciles.
pub(crate) fn replace(site: &Site, bytes: impl Into<Bytes>) -> plugbay::Report {
    site.drop_in("bad.wasm", bytes);
    site.reconcile()
}

/// Restores the good version, and waits until the old version is shut down.
pub(crate) fn restore_good(site: &Site) {
    let report = replace(site, good());
    assert!(report.rejected.is_empty(), "{report:?}");
    until("the old version is shut down", || site.status().draining.is_empty());
    assert_eq!(site.encode("bad"), "good");
}

/// Runs the attack. Asserts that the neighbour answers meanwhile, and that all resources are
/// released.
pub(crate) fn withstand(attack: &Attack) {
    let _alone = alone();
    let limits = format!("instances = {}\n{}", attack.instances, attack.limits);
    let site = beside_a_neighbour(&limits).host();
    // The first attack fills the caches before the measurement.
    strike(&site, attack, 1, 1);
    let before = Figures::before();
    Watch::during(&site, || strike(&site, attack, attack.threads, attack.rounds));
    before.wait_until_released();
    before.assert_exceeded_by(attack.holds);
}

fn strike(site: &Site, attack: &Attack, threads: usize, rounds: usize) {
    let report = replace(site, attack.guest.clone());
    assert_eq!(report.loaded, ["bad@2.0.0"], "{report:?}");
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                for _ in 0..rounds {
                    let codec = site.codec("bad").unwrap();
                    attack.check(codec.encode_document(b"in").map(drop));
                    attack.check(codec.decode_document(b"\xf6").map(drop));
                    attack.check(site.handle("bad", "in").map(drop));
                }
            });
        }
    });
    restore_good(site);
}

impl Attack {
    fn check(&self, answer: Result<(), Error>) {
        let error = match answer {
            Ok(()) => return assert!(self.ends.is_empty(), "expected a failed call"),
            Err(Error::Call(error)) => error,
            Err(error) => panic!("expected an answer or a failed call, found {error}"),
        };
        assert!(self.ends.contains(&error.kind()), "{:?}: {error}", error.kind());
        assert_eq!(CallError::plugin(&error), Some("bad@2.0.0"), "{error}");
    }
}
