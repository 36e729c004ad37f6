//! What a pick costs, against a lookup in Plugbay's registry: the budget is 1.2 times `limit`, which is a
//! lookup with a lease by `Registry::get`. A pick is the choice with the count of the call in flight and
//! its end.
//!
//! ```text
//! cargo bench -p plugbay-discovery --bench pick
//! ```

use std::hint::black_box;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use divan::Bencher;
use plugbay_discovery::Endpoint;
use plugbay_discovery::client::balance::{
    Balancer, ConsistentHash, LeastInFlight, P2c, Random, RoundRobin, Rules, Strategy, Weighted,
};
use plugbay_registry::Registry;

/// More than the small machines this runs on have cores, to see what sharing costs.
const THREADS: [usize; 2] = [1, 2];
/// Calls in one sample: enough for the threads to really run at the same time.
const TOGETHER: u32 = 20_000;
const ENDPOINTS: u16 = 8;

static REGISTRY: LazyLock<Registry<u64>> = LazyLock::new(|| {
    let registry = Registry::new("service");
    for (name, at) in ["a", "b", "c", "d", "e", "orders", "f", "g"].into_iter().zip(0..) {
        registry.must_register(name, at);
    }
    registry
});

fn endpoints(count: u16) -> Vec<Arc<Endpoint>> {
    let endpoint = |port: u16| {
        let endpoint = serde_json::json!({
            "id": format!("01890a5d-ac96-774b-bcce-b302099a{port:04x}"), "name": "orders",
            "host": "10.0.0.1", "port": port, "metadata": {}, "tags": [], "weight": 1 + port % 3,
            "health": "passing", "ttl": 30, "registered_at": "2026-12-01T00:00:00Z", "sequence": port,
        });
        serde_json::from_value(endpoint).map(Arc::new)
    };
    match (1..=count).map(endpoint).collect() {
        Ok(endpoints) => endpoints,
        Err(error) => panic!("these are endpoints: {error}"),
    }
}

fn balancer(strategy: impl Strategy, count: u16) -> Balancer {
    let balancer = Balancer::new(strategy, Rules::default(), 1);
    balancer.update(&endpoints(count));
    balancer
}

fn main() {
    LazyLock::force(&REGISTRY);
    divan::main();
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn limit(bencher: Bencher) {
    bencher.bench(|| black_box(REGISTRY.get(black_box("orders")).map(|lease| *lease).ok()));
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn round_robin(bencher: Bencher) {
    pick(bencher, RoundRobin);
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn random(bencher: Bencher) {
    pick(bencher, Random);
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn weighted(bencher: Bencher) {
    pick(bencher, Weighted);
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn least_in_flight(bencher: Bencher) {
    pick(bencher, LeastInFlight);
}

#[divan::bench(threads = THREADS, sample_size = TOGETHER)]
fn p2c(bencher: Bencher) {
    pick(bencher, P2c);
}

/// By the number of endpoints: the others do not depend on it, this and the least in flight do.
#[divan::bench(args = [8, 64, 512])]
fn consistent_hash(bencher: Bencher, count: u16) {
    let balancer = balancer(ConsistentHash::default(), count);
    bencher.bench(|| black_box(balancer.pick(black_box(Some(b"user 17"))).is_ok()));
}

/// What a call pays at its end, beside the pick.
#[divan::bench]
fn pick_and_report(bencher: Bencher) {
    let balancer = balancer(P2c, ENDPOINTS);
    bencher.bench(|| {
        if let Ok(pick) = balancer.pick(None) {
            pick.succeeded(black_box(Duration::from_millis(1)));
        }
    });
}

/// What a change of the endpoints costs.
#[divan::bench(args = [8, 64, 512])]
fn update(bencher: Bencher, count: u16) {
    let balancer = balancer(P2c, count);
    let endpoints = endpoints(count);
    bencher.bench(|| balancer.update(black_box(&endpoints)));
}

fn pick(bencher: Bencher, strategy: impl Strategy) {
    let balancer = balancer(strategy, ENDPOINTS);
    bencher.bench(|| black_box(balancer.pick(black_box(None)).is_ok()));
}
