//! What a lookup with a lease costs, against what it could cost without one. `limit` is the
//! hand-written equivalent: load the map from an `ArcSwap`, get from it, clone the `Arc`. It has no
//! drain and no refusal. The budget is 1.2 times that for [`Registry::get`], and flat in the number
//! of readers.
//!
//! ```text
//! cargo bench -p plugbay-registry --bench lookup
//! ```

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use divan::Bencher;
use plugbay_registry::{Leased, Registry, Swap, Table};

const NAMES: [&str; 8] = ["cbor", "csv", "hex", "json", "msgpack", "toml", "xml", "yaml"];
const NAME: &str = "json";
/// More than the small machines this runs on have cores, to see it stay flat.
const THREADS: [usize; 3] = [1, 2, 4];
/// Calls in one sample: enough for the threads to really run at the same time.
const TOGETHER: u32 = 20_000;

static LIMIT: LazyLock<ArcSwap<HashMap<String, Arc<u64>>>> = LazyLock::new(|| {
    let entries = NAMES.iter().zip(0..).map(|(name, at)| ((*name).to_owned(), Arc::new(at)));
    ArcSwap::from_pointee(entries.collect())
});

static REGISTRY: LazyLock<Registry<u64>> = LazyLock::new(|| {
    let registry = Registry::new("codec");
    for (name, at) in NAMES.iter().zip(0..) {
        registry.must_register(*name, at);
    }
    registry
});

static SET: LazyLock<Swap<Table<Arc<Leased<u64>>>>> = LazyLock::new(|| {
    let entries = NAMES.iter().zip(0..).map(|(name, at)| (*name, Arc::new(Leased::new(at))));
    match Table::try_from_iter(entries) {
        Ok(table) => Swap::new(table),
        Err(twice) => panic!("{twice}"),
    }
});

fn main() {
    LazyLock::force(&LIMIT);
    LazyLock::force(&SET);
    LazyLock::force(&REGISTRY);
    divan::main();
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn limit(bencher: Bencher) {
    bencher.bench(|| {
        let value = LIMIT.load().get(black_box(NAME)).map(Arc::clone);
        black_box(value.as_deref().copied())
    });
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn get(bencher: Bencher) {
    bencher.bench(|| black_box(REGISTRY.get(black_box(NAME)).map(|lease| *lease).ok()));
}

/// What a call by one of Plugbay's handles does: it finds the entry by its position in the current set,
/// and holds both for the length of the call.
#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn call_by_handle(bencher: Bencher) {
    let at = SET.load().index_of(NAME).unwrap_or_default();
    bencher.bench(|| {
        SET.peek(|table| {
            let (_, entry) = table.at(black_box(at))?;
            let pass = entry.enter().ok()?;
            Some(black_box(*pass))
        })
    });
}

/// A request's way: the snapshot was loaded before, the lease is taken from it.
#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn lease_from_a_snapshot(bencher: Bencher) {
    let snapshot = REGISTRY.snapshot();
    bencher.bench(|| black_box(snapshot.lease(black_box(NAME)).map(|lease| *lease).ok()));
}

/// The same by position.
#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn lease_by_cached_position(bencher: Bencher) {
    let snapshot = REGISTRY.snapshot();
    let at = snapshot.table.index_of(NAME).unwrap_or_default();
    bencher.bench(|| {
        let (_, entry) = snapshot.table.at(black_box(at))?;
        black_box(entry.lease().map(|lease| *lease).ok())
    });
}

/// A handle's way: the entry was looked up before, and is leased for each call.
#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn lease_of_a_cached_entry(bencher: Bencher) {
    let entry = REGISTRY.must_entry();
    bencher.bench(|| black_box(black_box(&entry).lease().map(|lease| *lease).ok()));
}

/// The same for a synchronous call.
#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn pass_of_a_cached_entry(bencher: Bencher) {
    let entry = REGISTRY.must_entry();
    bencher.bench(|| black_box(black_box(&entry).enter().map(|pass| *pass).ok()));
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn contains(bencher: Bencher) {
    bencher.bench(|| REGISTRY.contains(black_box(NAME)));
}

/// Names in the table against the cost of one change, which copies the table.
#[divan::bench(args = [8, 64, 512])]
fn replace(bencher: Bencher, names: usize) {
    let registry = Registry::new("codec");
    let entries = (0..names).map(|at| (format!("codec-{at}"), at));
    if let Err(refused) = registry.publish(entries) {
        panic!("{refused}");
    }
    bencher.bench(|| registry.replace("codec-3", black_box(1)).is_ok());
}

trait MustEntry<T> {
    fn must_entry(&self) -> Arc<Leased<T>>;
}

impl<T> MustEntry<T> for Registry<T> {
    fn must_entry(&self) -> Arc<Leased<T>> {
        match self.entry(NAME) {
            Some(entry) => entry,
            None => panic!("{NAME} was registered"),
        }
    }
}
