//! A thousand swaps under load, or half as many on a slow machine: no call fails, no call is answered by an older version than
//! the one that served when it began, each old version is shut down once, and memory does not grow.
//!
//! The only test of its file, because it measures the process.

mod support;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay::{CallOptions, Outcome, Report, RouteMatch};
use plugbay_fixtures::{Behaviour, Export, Guest};
use support::{Site, lines, place, request, until, wait};

const SWAPS: u64 = 1_000;
/// Before one in this many swaps of `a`, `b` is swapped.
const EVERY: u64 = 10;
/// The number of swaps after which caches are filled.
const WARM: u64 = SWAPS / 2;
/// On a slow machine, fewer swaps than a thousand are enough after this time.
const LONG: Duration = Duration::from_mins(2);
/// How much the process may grow afterwards, in bytes.
const GROWTH: u64 = 12 << 20;

/// Components of one plugin that differ only in their version.
struct Versions {
    bytes: Vec<u8>,
}

/// The number in the template, with as many digits as all others.
const TEMPLATE: u64 = 5_555_555;

impl Versions {
    fn new(guest: Guest) -> Self {
        let guest = guest.version(&format!("1.0.{TEMPLATE}")).stamp(format!("<{TEMPLATE}>"));
        Self { bytes: guest.on(Export::Shutdown, Behaviour::Log(1)).build() }
    }

    fn version(&self, number: u64) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        let (from, to) = (TEMPLATE.to_string(), (1_000_000 + number).to_string());
        while let Some(at) = bytes.windows(7).position(|window| window == from.as_bytes()) {
            bytes[at..at + 7].copy_from_slice(to.as_bytes());
        }
        bytes
    }
}

/// The numbers of the versions that stamped an answer, in order.
fn stamps(answer: &[u8]) -> Vec<u64> {
    let text = std::str::from_utf8(answer).unwrap();
    let number = |stamp: &str| stamp.trim_end_matches('>').parse::<u64>().unwrap() - 1_000_000;
    text.split('<').skip(1).map(number).collect()
}

fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(statm.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

/// Calls in each of four ways in turn until `over`, and compares every answer with the version that
/// served when the call began.
fn call(site: &Site, serving: &AtomicU64, over: &AtomicBool) -> u64 {
    let (codec, outer) = (site.codec("a").unwrap(), site.codec("outer").unwrap());
    let handler = site.handler("a").unwrap();
    let mut calls = 0;
    while !over.load(Ordering::Relaxed) {
        let began = serving.load(Ordering::SeqCst);
        let answer = codec.encode_document(b"").unwrap();
        assert!(stamps(&answer)[0] >= began, "{answer:?} after {began}");
        let began = serving.load(Ordering::SeqCst);
        let both = stamps(&outer.encode_document(b"").unwrap());
        // Before each tenth version of `a`, the next version of `b` has a generation of its own.
        let of_one_generation = [both[0] / EVERY, (both[0] + 1) / EVERY];
        assert!(of_one_generation.contains(&both[1]), "answers of two generations: {both:?}");
        assert!(both[0] >= began, "{both:?} after {began}");
        let began = serving.load(Ordering::SeqCst);
        let answer = wait(handler.handle(request(""))).unwrap();
        assert!(stamps(&answer.body)[0] >= began, "{answer:?} after {began}");
        let began = serving.load(Ordering::SeqCst);
        let RouteMatch::Found(routed) = site.snapshot().route("POST", "/a") else {
            panic!("expected a route")
        };
        let answer = wait(routed.handle(CallOptions::default(), request(""))).unwrap();
        assert!(stamps(&answer.body)[0] >= began, "{answer:?} after {began}");
        calls += 4;
        // The swaps need a processor too; otherwise this takes minutes on a small machine.
        std::thread::park_timeout(Duration::from_millis(4));
    }
    calls
}

#[test]
fn a_thousand_swaps_lose_no_call() {
    let (a, b) = (Versions::new(Guest::both("a")), Versions::new(Guest::codec("b")));
    let chain = Behaviour::Chain(vec!["a".into(), "b".into()]);
    let site = place()
        .plugin("a.wasm", a.version(0))
        .plugin("b.wasm", b.version(0))
        .plugin("outer.wasm", Guest::codec("outer").on(Export::Encode, chain))
        .config("[defaults]\ncpu = '1m'\ndeadline = '5m'")
        .unwatched()
        .host();
    let (serving, over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut events = site.subscribe();
    let mut drained: BTreeMap<String, u32> = BTreeMap::new();
    let (mut warm, mut swaps, start) = (None, 0, Instant::now());
    let calls: u64 = std::thread::scope(|scope| {
        let callers: Vec<_> =
            (0..8).map(|_| scope.spawn(|| call(&site, &serving, &over))).collect();
        for number in 1..=SWAPS {
            if number % EVERY == 0 {
                site.drop_in("b.wasm", b.version(number / EVERY));
                assert_published(&site.reconcile());
            }
            site.drop_in("a.wasm", a.version(number));
            assert_published(&site.reconcile());
            serving.store(number, Ordering::SeqCst);
            while let Some(event) = events.try_recv() {
                count_drained(&event.outcome, &mut drained);
            }
            if number == WARM {
                warm = resident();
            }
            swaps = number;
            let is_long = number > WARM && number % EVERY == 0 && start.elapsed() > LONG;
            if is_long || callers.iter().any(std::thread::ScopedJoinHandle::is_finished) {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().unwrap()).sum()
    });
    assert!(calls > swaps, "expected more than {swaps} calls, found {calls}");
    until("all old versions are drained", || {
        while let Some(event) = events.try_recv() {
            count_drained(&event.outcome, &mut drained);
        }
        site.status().draining.is_empty() && drained.len() as u64 >= swaps + swaps / EVERY
    });
    for number in 0..swaps {
        let label = format!("a@1.0.{}", 1_000_000 + number);
        assert_eq!(drained.get(&label), Some(&1), "{label}");
        assert!(lines::of(&label) >= 1, "`shutdown` of {label} was not called");
    }
    assert_eq!(u64::from(drained.values().sum::<u32>()), swaps + swaps / EVERY);
    assert_eq!(lines::of(&format!("a@1.0.{}", 1_000_000 + swaps)), 0);
    if let (Some(warm), Some(end)) = (warm, resident()) {
        eprintln!("{calls} calls; resident memory {warm} -> {end}");
        assert!(end < warm + GROWTH, "resident memory grew from {warm} to {end} bytes");
    }
}

fn assert_published(report: &Report) {
    assert_eq!((report.published, report.rejected.len()), (true, 0), "{report:?}");
}

fn count_drained(outcome: &Outcome, drained: &mut BTreeMap<String, u32>) {
    match outcome {
        Outcome::Drained { plugin, .. } => *drained.entry(plugin.clone()).or_default() += 1,
        Outcome::DrainDeadline { plugin, .. } => panic!("{plugin} did not drain"),
        _ => {}
    }
}
