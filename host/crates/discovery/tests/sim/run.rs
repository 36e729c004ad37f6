//! One simulation.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use plugbay_discovery::client::{Backoff, Client, ServiceSnapshot};
use plugbay_discovery::{
    ApiSettings, EndpointId, LiveDirectory, LiveSettings, Query, Registration, Sequence, router,
};
use turmoil::{Builder, Sim};

use crate::faults::{CLIENTS, Fault, TROUBLE, plan};
use crate::net::{JumpingClock, Listener, Simulated};
use crate::oracle::Oracle;

const PORT: u16 = 8_500;
const TTL: Duration = Duration::from_secs(6);
/// Longer than a broken watch goes unnoticed (20 s), than a lease, and than any back-off.
const QUIET: Duration = Duration::from_secs(40);

/// What became of a simulation.
pub(crate) struct Report {
    pub(crate) log: Vec<String>,
    pub(crate) problems: Vec<String>,
}

/// A client of the simulation.
#[derive(Clone, Default)]
struct Control {
    /// Set to make it leave in order.
    leave: Arc<AtomicBool>,
}

pub(crate) fn simulate(seed: u64) -> Report {
    let oracle = Oracle::default();
    let clock = JumpingClock::default();
    let controls: Vec<_> = (0..CLIENTS).map(|_| Control::default()).collect();
    let mut sim = Builder::new()
        .rng_seed(seed)
        .epoch(SystemTime::UNIX_EPOCH)
        .simulation_duration(TROUBLE + QUIET + Duration::from_secs(60))
        .tick_duration(Duration::from_millis(10))
        .tcp_capacity(1_024)
        .build();
    add_directory(&mut sim, &oracle, &clock, seed);
    for (number, control) in controls.iter().enumerate() {
        add_client(&mut sim, &oracle, number, control, seed);
    }

    let mut latencies = fastrand::Rng::with_seed(seed);
    for client in (0..CLIENTS).map(name) {
        // Of one link it never varies, so that no order of messages within a step matters.
        let latency = Duration::from_millis(latencies.u64(1..40));
        sim.set_link_latency("directory", client.as_str(), latency);
    }

    let mut running = [true; CLIENTS];
    for (at, fault) in plan(seed) {
        run_until(&mut sim, at);
        oracle.log(at, &format!("FAULT {fault:?}"));
        apply(&mut sim, &fault, &clock, &controls, &mut running);
    }
    run_until(&mut sim, TROUBLE);
    oracle.log(sim.elapsed(), "QUIET");
    for client in (0..CLIENTS).map(name) {
        sim.repair("directory", client.as_str());
        sim.set_link_latency("directory", client.as_str(), Duration::from_millis(10));
    }
    let end = sim.elapsed() + QUIET;
    run_until(&mut sim, end);
    check_end(&oracle, &running, end);
    let mut facts = oracle.facts();
    // What happens within one step happens at once: tokio wakes those who wait for one change in an order
    // that no seed determines. The time is the first thing in each line.
    facts.log.sort();
    Report { log: std::mem::take(&mut facts.log), problems: std::mem::take(&mut facts.problems) }
}

fn run_until(sim: &mut Sim<'_>, at: Duration) {
    while sim.elapsed() < at {
        sim.step().expect("the hosts run");
    }
}

fn apply(
    sim: &mut Sim<'_>,
    fault: &Fault,
    clock: &JumpingClock,
    controls: &[Control],
    running: &mut [bool; CLIENTS],
) {
    match *fault {
        Fault::Partition(client) => sim.partition("directory", name(client).as_str()),
        Fault::Repair(client) => sim.repair("directory", name(client).as_str()),
        Fault::Slow(client, latency) => {
            sim.set_link_latency("directory", name(client).as_str(), latency);
        }
        Fault::Crash(client) => {
            running[client] = false;
            sim.crash(name(client).as_str());
        }
        Fault::Restart(client) => {
            running[client] = true;
            sim.bounce(name(client).as_str());
        }
        Fault::Leave(client) => {
            running[client] = false;
            controls[client].leave.store(true, Relaxed);
        }
        Fault::RestartDirectory => sim.bounce("directory"),
        Fault::Jump(seconds) => clock.jump(seconds),
    }
}

fn name(client: usize) -> String {
    format!("client-{client}")
}

fn port(client: usize) -> u16 {
    u16::try_from(9_000 + client).unwrap()
}

/// The time of the whole simulation.
fn now() -> Duration {
    turmoil::sim_elapsed().unwrap_or_default()
}

fn add_directory(sim: &mut Sim<'_>, oracle: &Oracle, clock: &JumpingClock, seed: u64) {
    let (oracle, clock) = (oracle.clone(), clock.clone());
    sim.host("directory", move || {
        let (oracle, clock) = (oracle.clone(), clock.clone());
        async move {
            let mut settings = LiveSettings::default();
            settings.clock = Arc::new(clock);
            settings.seed = Some(seed);
            let directory = LiveDirectory::in_memory(settings);
            let _tasks = directory.start();
            oracle.facts().new_directory();
            let renewals = oracle.clone();
            let note =
                move |request: Request, next: Next| note_renewal(renewals.clone(), request, next);
            let app = router(directory.clone(), ApiSettings::default()).layer(from_fn(note));
            tokio::spawn(inspect(directory, oracle));
            let listener = turmoil::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, PORT)).await?;
            Ok(axum::serve(Listener(listener), app).await?)
        }
    });
}

/// Notes which leases the directory promised to keep, from the time when it was asked on.
async fn note_renewal(oracle: Oracle, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let heartbeat = path.strip_suffix("/heartbeat").and_then(|path| path.rsplit('/').next());
    let mut id = heartbeat.and_then(|id| id.parse::<EndpointId>().ok());
    let mut request = request;
    if path == "/services" {
        let (parts, body) = request.into_parts();
        let bytes = axum::body::to_bytes(body, 1 << 16).await.unwrap_or_default();
        id = Registration::from_json(&bytes).ok().and_then(|registration| registration.id);
        request = Request::from_parts(parts, bytes.into());
    }
    let response = next.run(request).await;
    if let Some(id) = id.filter(|_| response.status().is_success()) {
        oracle.facts().renewed(id, now());
    }
    response
}

/// Looks at what the directory would return, many times a second.
async fn inspect(directory: LiveDirectory, oracle: Oracle) {
    loop {
        let found =
            directory.read(|directory, now| directory.lookup("orders", &Query::default(), now));
        oracle.facts().returned(now(), found.sequence, &found.endpoints);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn add_client(sim: &mut Sim<'_>, oracle: &Oracle, number: usize, control: &Control, seed: u64) {
    let (oracle, control) = (oracle.clone(), control.clone());
    let lives = Arc::new(std::sync::atomic::AtomicU64::new(0));
    sim.host(name(number).as_str(), move || {
        let (oracle, control) = (oracle.clone(), control.clone());
        let life = lives.fetch_add(1, Relaxed);
        async move {
            let seed = seed ^ ((number as u64) << 32) ^ (life << 48);
            let client = Client::builder()
                .directory(&format!("directory:{PORT}"))
                .connect(Simulated)
                .backoff(Backoff { base: Duration::from_millis(200), max: Duration::from_secs(3) })
                .silence(Duration::from_secs(20))
                .timeout(Duration::from_secs(2))
                .seed(seed)
                .build()
                .await?;
            let _registered = client.register(registration(number, life)).await?;
            let follower = tokio::spawn(follow(client.clone(), oracle.clone(), number));
            let caller = tokio::spawn(choose(client.clone(), oracle.clone(), number));
            while !control.leave.load(Relaxed) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            client.leave(Duration::from_secs(1)).await;
            follower.abort();
            caller.abort();
            oracle.log(now(), &format!("client {number} left"));
            Ok(())
        }
    });
}

fn registration(client: usize, life: u64) -> Registration {
    let mut registration = Registration::new(
        "orders".parse().unwrap(),
        format!("10.0.0.{}", client + 1).parse().unwrap(),
        NonZeroU16::new(port(client)).unwrap(),
    );
    registration.ttl = TTL;
    let mut random = [0; 10];
    // The first half of the first byte is the version of the identifier.
    random[1] = u8::try_from(client).unwrap();
    random[9] = u8::try_from(life).unwrap();
    registration.id = Some(EndpointId::new(SystemTime::UNIX_EPOCH, random));
    registration
}

/// Notes each snapshot that a client gets.
async fn follow(client: Client, oracle: Oracle, number: usize) {
    let orders = client.service(&"orders".parse().unwrap());
    let mut snapshots = orders.subscribe();
    let mut last = (0, Sequence::default());
    while snapshots.changed().await.is_ok() {
        let Some(snapshot) = snapshots.borrow_and_update().clone() else { continue };
        let ports = ports(&snapshot);
        let sequence = snapshot.sequence;
        let mut facts = oracle.facts();
        // Only a snapshot of the directory may go back: it can be of another life of it.
        let resyncs = client.figures().resyncs;
        if last.0 == resyncs && sequence < last.1 {
            facts.problem(
                now(),
                &format!("client {number} went back from {} to {sequence}", last.1),
            );
        }
        last = (resyncs, sequence);
        facts.known.insert(number, ports.clone());
        drop(facts);
        oracle.log(now(), &format!("client {number} knows {} at {sequence}", ports.len()));
    }
}

/// Notes once a second whom a client would call. Not at each snapshot: whom depends on how often it was asked, and how
/// many changes are seen as one depends on an order that no seed determines.
async fn choose(client: Client, oracle: Oracle, number: usize) {
    let orders = client.service(&"orders".parse().unwrap());
    // What arrives does so at the beginning of a step of 10 ms: within a step, after that.
    tokio::time::sleep(Duration::from_millis(7)).await;
    let mut ticks = tokio::time::interval(Duration::from_secs(1));
    loop {
        ticks.tick().await;
        let pick = orders.pick(None);
        let authority = pick.as_ref().map_or("nobody", |pick| pick.authority());
        oracle.log(now(), &format!("client {number} would call {authority}"));
    }
}

fn ports(snapshot: &ServiceSnapshot) -> BTreeSet<u16> {
    snapshot.endpoints.iter().map(|endpoint| endpoint.port.get()).collect()
}

fn check_end(oracle: &Oracle, running: &[bool; CLIENTS], end: Duration) {
    let expected: BTreeSet<_> = (0..CLIENTS).filter(|client| running[*client]).map(port).collect();
    let mut facts = oracle.facts();
    for client in (0..CLIENTS).filter(|client| running[*client]) {
        let known = facts.known.get(&client).cloned().unwrap_or_default();
        if known != expected {
            let missing: Vec<_> = expected.difference(&known).collect();
            let extra: Vec<_> = known.difference(&expected).collect();
            facts.problem(
                end,
                &format!("client {client} misses {missing:?}, has {extra:?} too much"),
            );
        }
    }
}
