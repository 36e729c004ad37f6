//! The load, phase by phase, and what is measured in each.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the results are for people"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::BodyExt as _;
use tokio::sync::{Barrier, mpsc};
use tokio::task::JoinSet;

use super::backend::Backend;
use super::client::Connection;

const ENDPOINTS: u16 = 10_000;
const SERVICES: u16 = 100;
/// Connections that register at the same time.
const REGISTRARS: u16 = 32;
const HEARTBEATS_PER_SECOND: u32 = 5000;
/// Connections that send heartbeats.
const HEARTS: u32 = 16;
const HEARTBEATS_FOR: Duration = Duration::from_secs(5);
const WATCHERS: usize = 500;
const CHANGES: u16 = 30;
/// Watchers of the comparison of registrations, and its registrations in each of four blocks.
const SOME_WATCHERS: usize = 100;
const BLOCK: u16 = 250;
/// The service that is watched.
const WATCHED: &str = "s0";

/// What was measured.
pub(crate) struct Figures {
    registered: Duration,
    heartbeats: u32,
    heartbeat: [Duration; 2],
    /// Processors that the server used under the heartbeats.
    processors: f64,
    delivery: [Duration; 2],
    memory: u64,
    alone: Duration,
    watched: Duration,
}

impl Figures {
    pub(crate) const HEAD: &str = "| | 10,000 registrations | heartbeats/s, p50, p99 | processors | one change to 500 watchers: median, worst | memory | registration p99 alone, with 100 watchers |\n|---|---|---|---|---|---|---|";

    pub(crate) fn line(&self, name: &str) -> String {
        let ms = |it: Duration| format!("{:.2}", it.as_secs_f64() * 1000.0);
        let [p50, p99] = self.heartbeat.map(ms);
        let [median, worst] = self.delivery.map(ms);
        format!(
            "| {name} | {:.1} s | {}, {p50}, {p99} ms | {:.2} | {median}, {worst} ms | {} MB | {}, {} ms: {:.2} × |",
            self.registered.as_secs_f64(),
            self.heartbeats,
            self.processors,
            self.memory,
            ms(self.alone),
            ms(self.watched),
            self.ratio(),
        )
    }

    fn ratio(&self) -> f64 {
        self.watched.as_secs_f64() / self.alone.as_secs_f64()
    }

    /// Whether the budgets of the directory are met.
    pub(crate) fn met(&self) -> bool {
        self.delivery[0] < Duration::from_millis(20) && self.ratio() <= 1.1
    }
}

pub(crate) async fn run<B: Backend>(backend: &Arc<B>) -> Figures {
    let process = backend.process();
    let begun = Instant::now();
    let endpoints = register_all(backend).await;
    let registered = begun.elapsed();
    let mut watchers = Watchers::open(backend, WATCHERS).await;
    let (begun, used) = (Instant::now(), processor_time(process));
    let beating = tokio::spawn(beat(Arc::clone(backend), endpoints));
    let delivery = changes(backend, &mut watchers).await;
    let (heartbeats, latencies) = beating.await.expect("heartbeats");
    let processors = (processor_time(process) - used) / begun.elapsed().as_secs_f64();
    let memory = resident(process);
    drop(watchers);
    // In the order A B B A, so that a slow change of the machine affects both.
    let mut alone = block(backend, 50_000, 0).await;
    let mut watched = block(backend, 51_000, SOME_WATCHERS).await;
    watched.extend(block(backend, 52_000, SOME_WATCHERS).await);
    alone.extend(block(backend, 53_000, 0).await);
    Figures {
        registered,
        heartbeats,
        heartbeat: [quantile(&latencies, 0.5), quantile(&latencies, 0.99)],
        processors,
        delivery: [quantile(&delivery, 0.5), quantile(&delivery, 1.0)],
        memory,
        alone: quantile(&alone, 0.99),
        watched: quantile(&watched, 0.99),
    }
}

/// Registers all endpoints. Returns what their heartbeats need.
async fn register_all<B: Backend>(backend: &Arc<B>) -> Vec<String> {
    let mut registrars = JoinSet::new();
    for first in 0..REGISTRARS {
        let backend = Arc::clone(backend);
        registrars.spawn(async move {
            let mut connection = Connection::open(backend.address()).await;
            let mut registered = Vec::new();
            for number in (first..ENDPOINTS).step_by(REGISTRARS.into()) {
                let service = format!("s{}", number % SERVICES);
                registered.push(backend.register(&mut connection, &service, 1 + number).await);
            }
            registered
        });
    }
    registrars.join_all().await.into_iter().flatten().collect()
}

/// Sends heartbeats at a fixed rate. Returns how many a second were answered, and how long each took.
async fn beat<B: Backend>(backend: Arc<B>, endpoints: Vec<String>) -> (u32, Vec<Duration>) {
    let endpoints = Arc::new(endpoints);
    let begun = Instant::now();
    let mut hearts = JoinSet::new();
    for heart in 0..HEARTS {
        let (backend, endpoints) = (Arc::clone(&backend), Arc::clone(&endpoints));
        hearts.spawn(async move {
            let mut connection = Connection::open(backend.address()).await;
            let mut ticks =
                tokio::time::interval(Duration::from_secs(1) * HEARTS / HEARTBEATS_PER_SECOND);
            let mut latencies = Vec::new();
            let own = endpoints.iter().skip(heart as usize).step_by(HEARTS as usize).cycle();
            for endpoint in own {
                // A tick that was missed comes at once, so the rate is kept.
                ticks.tick().await;
                if begun.elapsed() > HEARTBEATS_FOR {
                    break;
                }
                let sent = Instant::now();
                connection.call(backend.heartbeat(endpoint)).await;
                latencies.push(sent.elapsed());
            }
            latencies
        });
    }
    let latencies: Vec<_> = hearts.join_all().await.into_iter().flatten().collect();
    let rate = latencies.len() as f64 / HEARTBEATS_FOR.as_secs_f64();
    (rate as u32, latencies)
}

/// Watchers of one service, each on a connection of its own.
struct Watchers {
    /// When each saw a change.
    seen: mpsc::UnboundedReceiver<Instant>,
    count: usize,
    _tasks: JoinSet<()>,
}

impl Watchers {
    async fn open<B: Backend>(backend: &Arc<B>, count: usize) -> Self {
        let (sender, seen) = mpsc::unbounded_channel();
        let mut tasks = JoinSet::new();
        let opened = Arc::new(Barrier::new(count + 1));
        for _ in 0..count {
            let (backend, sender, opened) =
                (Arc::clone(backend), sender.clone(), Arc::clone(&opened));
            tasks.spawn(async move {
                let mut connection = Connection::open(backend.address()).await;
                let mut stream = connection.stream(backend.watch(WATCHED)).await;
                opened.wait().await;
                while let Some(Ok(frame)) = stream.frame().await {
                    let is_change = frame.data_ref().is_some_and(|part| backend.is_change(part));
                    if is_change && sender.send(Instant::now()).is_err() {
                        return;
                    }
                }
            });
        }
        opened.wait().await;
        Self { seen, count, _tasks: tasks }
    }

    /// When the last of them saw a change.
    async fn all(&mut self) -> Instant {
        let mut last = Instant::now();
        for _ in 0..self.count {
            let seen = tokio::time::timeout(Duration::from_secs(30), self.seen.recv()).await;
            last = last.max(seen.expect("in time").expect("watchers"));
        }
        last
    }
}

/// Makes changes, one after the other. Returns how long each took, from the request until the last
/// watcher had it.
async fn changes<B: Backend>(backend: &Arc<B>, watchers: &mut Watchers) -> Vec<Duration> {
    let mut connection = Connection::open(backend.address()).await;
    let mut delivery = Vec::new();
    for change in 0..CHANGES {
        let sent = Instant::now();
        backend.register(&mut connection, WATCHED, 40_000 + change).await;
        delivery.push(watchers.all().await.saturating_duration_since(sent));
    }
    delivery
}

/// Registrations one after the other, while so many watch their service.
async fn block<B: Backend>(backend: &Arc<B>, first: u16, watchers: usize) -> Vec<Duration> {
    let mut watching = Watchers::open(backend, watchers).await;
    let mut connection = Connection::open(backend.address()).await;
    let mut latencies = Vec::new();
    for port in first..first + BLOCK {
        let sent = Instant::now();
        backend.register(&mut connection, WATCHED, port).await;
        latencies.push(sent.elapsed());
    }
    for _ in 0..BLOCK {
        watching.all().await;
    }
    latencies
}

fn quantile(values: &[Duration], share: f64) -> Duration {
    let mut values = values.to_vec();
    values.sort_unstable();
    let index = ((values.len() - 1) as f64 * share).round() as usize;
    values[index]
}

/// The megabytes of a process that are in memory.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()).unwrap_or(0)
        / 1024
}

/// The seconds that a process was on a processor.
fn processor_time(process: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // After the name, which may have spaces: fields 14 and 15 of proc(5), in hundredths of seconds.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
    fields.skip(11).take(2).filter_map(|field| field.parse::<f64>().ok()).sum::<f64>() / 100.0
}
