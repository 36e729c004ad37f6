//! Maps that are read while they change: those that a program would use instead of a registry, and the
//! registry.
//!
//! ```text
//! cargo bench --profile dist -p plugbay-registry --bench maps
//! go run host/crates/registry/benches/maps.go
//! ```
//!
//! Both print a line of a Markdown table for each map, with the nanoseconds per operation of each
//! thread. A read gives a value that stays valid while others replace it, as a call needs it: a clone of
//! an `Arc`, or a lease. A write replaces the value of a name that is there.

#![expect(clippy::cast_precision_loss, reason = "the results are for people")]

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Barrier, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use plugbay_registry::Registry;

const NAMES: [usize; 5] = [10, 100, 1_000, 10_000, 100_000];
const THREADS: [usize; 2] = [1, 2];
/// Reads of a hundred operations.
const MIXES: [u32; 3] = [100, 99, 50];
/// How long each thread works on one map.
const WINDOW: Duration = Duration::from_millis(300);

type Value = Arc<u64>;

/// A map of names, as its users see it.
trait Map: Sync {
    fn read(&self, name: &str) -> u64;
    fn write(&self, name: &str, value: u64);
}

struct Locked(RwLock<HashMap<String, Value>>);

impl Map for Locked {
    fn read(&self, name: &str) -> u64 {
        let map = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let value = map.get(name).cloned();
        drop(map);
        *black_box(value.unwrap_or_default())
    }

    fn write(&self, name: &str, value: u64) {
        let value = Arc::new(value);
        let mut map = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = map.get_mut(name) {
            *old = value;
        }
    }
}

struct Sharded(dashmap::DashMap<String, Value>);

impl Map for Sharded {
    fn read(&self, name: &str) -> u64 {
        let value = self.0.get(name).map(|value| Arc::clone(&value));
        *black_box(value.unwrap_or_default())
    }

    fn write(&self, name: &str, value: u64) {
        if let Some(mut old) = self.0.get_mut(name) {
            *old = Arc::new(value);
        }
    }
}

struct Papaya(papaya::HashMap<String, Value>);

impl Map for Papaya {
    fn read(&self, name: &str) -> u64 {
        let value = self.0.pin().get(name).cloned();
        *black_box(value.unwrap_or_default())
    }

    fn write(&self, name: &str, value: u64) {
        self.0.pin().insert(name.to_owned(), Arc::new(value));
    }
}

struct Swapped(ArcSwap<HashMap<String, Value>>);

impl Map for Swapped {
    fn read(&self, name: &str) -> u64 {
        let value = self.0.load().get(name).cloned();
        *black_box(value.unwrap_or_default())
    }

    fn write(&self, name: &str, value: u64) {
        let value = Arc::new(value);
        self.0.rcu(|map| {
            let mut map = HashMap::clone(map);
            map.insert(name.to_owned(), Arc::clone(&value));
            map
        });
    }
}

/// A lease that its holder owns.
struct Leases(Registry<u64>);

impl Map for Leases {
    fn read(&self, name: &str) -> u64 {
        self.0.lookup(name).map(|lease| *black_box(lease)).unwrap_or_default()
    }

    fn write(&self, name: &str, value: u64) {
        // Another thread may replace the same name first; both have written then.
        let _ = self.0.replace(name, value);
    }
}

/// A lease for the length of a call.
struct Passes(Registry<u64>);

impl Map for Passes {
    fn read(&self, name: &str) -> u64 {
        self.0.with(name, |value| *black_box(value)).unwrap_or_default()
    }

    fn write(&self, name: &str, value: u64) {
        let _ = self.0.replace(name, value);
    }
}

fn maps(names: &[String]) -> Vec<(&'static str, Box<dyn Map>)> {
    let entries = || names.iter().map(|name| (name.clone(), Value::default()));
    let registry = || {
        let registry = Registry::new("name");
        if let Err(refused) = registry.publish(names.iter().map(|name| (name.as_str(), 0))) {
            panic!("{refused}");
        }
        registry
    };
    vec![
        ("`RwLock<HashMap>`", Box::new(Locked(RwLock::new(entries().collect())))),
        ("dashmap", Box::new(Sharded(entries().collect()))),
        ("papaya", Box::new(Papaya(entries().collect()))),
        (
            "`ArcSwap<HashMap>`, cloned",
            Box::new(Swapped(ArcSwap::from_pointee(entries().collect()))),
        ),
        ("`Registry::lookup`", Box::new(Leases(registry()))),
        ("`Registry::with`", Box::new(Passes(registry()))),
    ]
}

fn main() {
    // `cargo test --benches` only builds and starts it.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    for reads in MIXES {
        for threads in THREADS {
            println!("\n{reads} reads in 100, threads: {threads}\n");
            println!("| map | {} |", NAMES.map(|names| format!("{names} names")).join(" | "));
            println!("|---|{}", "---|".repeat(NAMES.len()));
            let columns: Vec<_> =
                NAMES.into_iter().map(|names| column(names, reads, threads)).collect();
            for row in 0..columns[0].len() {
                let times = columns.iter().map(|column| format!("{:.1}", column[row].1));
                println!("| {} | {} |", columns[0][row].0, times.collect::<Vec<_>>().join(" | "));
            }
        }
    }
}

/// The nanoseconds per operation of each map.
fn column(names: usize, reads: u32, threads: usize) -> Vec<(&'static str, f64)> {
    let names: Vec<String> = (0..names).map(|number| format!("codec-{number}")).collect();
    let measured = maps(&names)
        .into_iter()
        .map(|(label, map)| (label, measure(&*map, &names, reads, threads)));
    measured.collect()
}

fn measure(map: &dyn Map, names: &[String], reads: u32, threads: usize) -> f64 {
    let start = Barrier::new(threads);
    let times: Vec<f64> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads)
            .map(|seed| {
                let start = &start;
                scope.spawn(move || {
                    start.wait();
                    work(map, names, reads, seed as u64)
                })
            })
            .collect();
        workers.into_iter().filter_map(|worker| worker.join().ok()).collect()
    });
    assert_eq!(times.len(), threads, "a thread panicked");
    times.iter().sum::<f64>() / times.len() as f64
}

/// The nanoseconds per operation of one thread.
fn work(map: &dyn Map, names: &[String], reads: u32, seed: u64) -> f64 {
    let mut random = fastrand::Rng::with_seed(seed);
    let began = Instant::now();
    let mut operations = 0_u32;
    while began.elapsed() < WINDOW {
        // Few of them take long on a large map; reading the clock must not be what is measured.
        for _ in 0..64 {
            let name = &names[random.usize(..names.len())];
            if random.u32(..100) < reads {
                black_box(map.read(name));
            } else {
                map.write(name, u64::from(operations));
            }
            operations += 1;
        }
    }
    began.elapsed().as_nanos() as f64 / f64::from(operations)
}
