//! What watchers and leases cost: `cargo run --release -p plugbay-discovery --example load`.
//!
//! Everything runs in this process, clients included, so the figures are those of a machine that does both.

use std::error::Error;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use axum::http::Request;
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use plugbay_discovery::{
    Actor, ApiSettings, Limits, LiveDirectory, LiveSettings, Query, Registration, Scope,
    ServiceName, router,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

type Failure = Box<dyn Error + Send + Sync>;

const REGISTRATIONS: usize = 1000;
const ROUNDS: usize = 4;
/// Open loop: a registration is sent at its time, whether the one before is answered or not yet.
const EVERY: Duration = Duration::from_millis(5);

#[tokio::main(worker_threads = 2)]
async fn main() -> Result<(), Failure> {
    registrations_with_watchers().await?;
    one_change_to_many_watchers().await?;
    many_endpoints()
}

/// Registrations over HTTP, without watches and with 100 of the same service.
async fn registrations_with_watchers() -> Result<(), Failure> {
    let directory = LiveDirectory::in_memory(LiveSettings::default());
    let _tasks = directory.start();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let app = router(directory.clone(), ApiSettings::default());
    tokio::spawn(async move { axum::serve(listener, app).await });
    let [mut without, mut with] = [Vec::new(), Vec::new()];
    let mut port = 0;
    for _ in 0..ROUNDS {
        without.extend(register_many(address, &mut port).await?);
        let mut watches = JoinSet::new();
        for _ in 0..100 {
            let mut connection = connect(address).await?;
            watches.spawn(async move {
                let request = Request::get("/services/web/watch").header("host", "directory");
                let answer = connection.send_request(request.body(Full::default())?).await?;
                let mut body = answer.into_body();
                while let Some(frame) = body.frame().await {
                    frame?;
                }
                Ok::<_, Failure>(())
            });
        }
        while directory.watchers().0 < 101 {
            tokio::task::yield_now().await;
        }
        with.extend(register_many(address, &mut port).await?);
    }
    let [without, with] = [Percentiles::of(without), Percentiles::of(with)];
    println!("registration, no watch      p50 {:>8.1?}  p99 {:>8.1?}", without.p50, without.p99);
    println!("registration, 100 watches   p50 {:>8.1?}  p99 {:>8.1?}", with.p50, with.p99);
    println!(
        "  ratio of p50 {:.2}, of p99 {:.2}",
        ratio(with.p50, without.p50),
        ratio(with.p99, without.p99)
    );
    Ok(())
}

async fn register_many(address: SocketAddr, port: &mut u16) -> Result<Vec<Duration>, Failure> {
    let mut connection = connect(address).await?;
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut times = Vec::with_capacity(REGISTRATIONS);
    for _ in 0..REGISTRATIONS {
        let due = ticks.tick().await.into_std();
        *port += 1;
        let body = format!(r#"{{"name": "web", "host": "10.0.0.1", "port": {port}, "ttl": 3600}}"#);
        let request = Request::post("/services").header("host", "directory");
        let answer = connection.send_request(request.body(Full::from(body))?).await?;
        assert_eq!(answer.status(), 201);
        answer.into_body().collect().await?;
        times.push(due.elapsed());
    }
    Ok(times)
}

async fn connect(address: SocketAddr) -> Result<SendRequest<Full<Bytes>>, Failure> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    let (connection, driver) = handshake(TokioIo::new(stream)).await?;
    tokio::spawn(driver);
    Ok(connection)
}

/// The time from the beginning of a registration until the last of 500 watchers in this process has it.
async fn one_change_to_many_watchers() -> Result<(), Failure> {
    let directory = LiveDirectory::in_memory(LiveSettings::default());
    let (seen, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let mut watchers = JoinSet::new();
    for _ in 0..500 {
        let mut watcher = directory.watch(Scope::Service("web".parse()?), None);
        let seen = seen.clone();
        watchers.spawn(async move {
            while let Ok(changes) = watcher.changes().await {
                if seen.send(changes.len()).is_err() {
                    return;
                }
            }
        });
    }
    let mut times = Vec::new();
    for port in 1..=200 {
        let begin = Instant::now();
        directory.register(web(port)?, Actor::anyone()).await?;
        let mut left = 500;
        while left > 0 {
            left -= heard.recv().await.ok_or("watchers")?;
        }
        times.push(begin.elapsed());
    }
    let times = Percentiles::of(times);
    println!("one change to 500 watchers  p50 {:>8.1?}  p99 {:>8.1?}", times.p50, times.p99);
    Ok(())
}

/// 10,000 endpoints of 100 services: heartbeats, lookups and sweeps, each on one thread.
fn many_endpoints() -> Result<(), Failure> {
    let mut settings = LiveSettings::default();
    settings.limits = Limits::default();
    let directory = LiveDirectory::in_memory(settings);
    let runtime = tokio::runtime::Handle::current();
    let mut ids = Vec::new();
    for number in 0..10_000_u16 {
        let name: ServiceName = format!("service-{}", number % 100).parse()?;
        let registration =
            Registration::new(name.clone(), "10.0.0.1".parse()?, (number + 1).try_into()?);
        let registering = directory.register(registration, Actor::anyone());
        let registered = tokio::task::block_in_place(|| runtime.block_on(registering))?;
        ids.push((name, registered.id));
    }
    let begin = Instant::now();
    for (name, id) in &ids {
        directory.heartbeat(name.as_str(), *id, &Actor::anyone(), None)?;
    }
    let each = begin.elapsed() / 10_000;
    println!(
        "a heartbeat of 10,000 endpoints   {each:?}: {:.0} a second",
        1.0 / each.as_secs_f64()
    );
    let lookups = (0..1000).map(|_| {
        let begin = Instant::now();
        let found = directory.read(|it, now| it.lookup("service-7", &Query::default(), now));
        assert_eq!(found.endpoints.len(), 100);
        begin.elapsed()
    });
    let lookups = Percentiles::of(lookups.collect());
    println!("a lookup of 100 endpoints   p50 {:>8.1?}  p99 {:>8.1?}", lookups.p50, lookups.p99);
    let begin = Instant::now();
    let left = tokio::task::block_in_place(|| runtime.block_on(directory.sweep()));
    println!("a sweep over 10,000 endpoints     {:?} ({left} left)", begin.elapsed());
    Ok(())
}

fn web(port: u16) -> Result<Registration, Failure> {
    Ok(Registration::new("web".parse()?, "10.0.0.1".parse()?, port.try_into()?))
}

struct Percentiles {
    p50: Duration,
    p99: Duration,
}

impl Percentiles {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    }
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}
