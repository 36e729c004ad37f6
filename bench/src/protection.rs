//! The protections around a plugin: their cost for the plugin's own calls, and how much a hostile
//! plugin slows down another.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use plugbay::config::{PluginOverrides, PluginSettings, Size};
use plugbay::wasm::{Engine, WasmRuntime};
use plugbay::{CallOptions, CodecHandle, Config, Context, Host, Runtime};
use plugbay_core::codec::{Codec, CodecCall};
use plugbay_core::{
    Artifact, Identity, Isolation, NoServices, Policy, Services, Source, StartPlugin, Unobserved,
};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::calls::document;
use crate::measure::{Spread, median};
use crate::setup::HostFolder;
use crate::table::{Budget, Table};

/// How long the other plugin is called without an attack, and then during it.
const WINDOW: Duration = Duration::from_millis(300);
/// Pairs of windows for each attack.
const PAIRS: usize = 11;

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the baseline fails.
pub fn run(table: &mut Table) -> Result<()> {
    over_the_bare_pool(table)?;
    let name = "neighbour's p99 beside a hostile plugin, over its quiet p99";
    if table.selects(name) {
        // Log lines are formatted as text, as the server does.
        let _ = tracing_subscriber::fmt().with_writer(std::io::sink).try_init();
        let mut worst = ("nothing", 0.0);
        for (attack, behaviour) in [
            ("an endless loop", Behaviour::Spin),
            ("a memory bomb", Behaviour::GrowMemory { pages: 16 }),
            ("a log flood", Behaviour::FloodLog),
        ] {
            let ratio = slowdown(&behaviour)?;
            if ratio > worst.1 {
                worst = (attack, ratio);
            }
        }
        table.bound(name, Spread::single(worst.1), "×", 2.0, &format!(" ({})", worst.0))?;
    }
    Ok(())
}

/// The same call of the same plugin under the same policy: by the host, and by its runtime alone,
/// without guard, counters and a choice of providers.
fn over_the_bare_pool(table: &mut Table) -> Result<()> {
    let name = "all protections, over the bare pool call";
    if !table.selects(name) {
        return Ok(());
    }
    let bytes = Guest::codec("echo").build();
    let folder = HostFolder::new()?;
    folder.put("echo.wasm", &bytes)?;
    let host = folder.host(folder.config())?;
    // Lookup and lease are a row of their own.
    let echo = host.get::<Codec>("echo")?.lease()?;
    let bare = Bare::start(bytes)?;
    let document = document(64);
    table.ratio(
        name,
        Budget::AtMost(1.05),
        || {
            black_box(echo.encode_document(CallOptions::default(), black_box(&document))?);
            Ok(())
        },
        || {
            let context = Context::new(&bare.services);
            black_box(bare.codec.encode(&context, black_box(&document))?);
            Ok(())
        },
    )
}

/// A codec that its runtime has started, without a host.
struct Bare {
    codec: Arc<dyn CodecCall>,
    services: Arc<dyn Services>,
    _tokio: tokio::runtime::Runtime,
}

impl Bare {
    fn start(bytes: Vec<u8>) -> Result<Self> {
        let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build()?;
        let runtime = WasmRuntime::builder(Engine::new()?, tokio.handle().clone()).build()?;
        let prepared = runtime.prepare(&Artifact::new(Source::Memory("echo".into()), bytes))?;
        let description = Arc::new(prepared.describe(Isolation::default())?);
        let plugin = prepared.start(StartPlugin {
            identity: Identity::new("echo", &description.version),
            description,
            config: serde_json::json!({}),
            policy: Policy::default(),
            observer: Arc::new(Unobserved),
        })?;
        let provider = plugin.provide(0).context("expected a capability")?;
        let codec = Arc::clone(provider.get::<Codec>().context("expected a codec")?);
        Ok(Self { codec, services: Arc::new(NoServices), _tokio: tokio })
    }
}

/// The 99th percentile of a warm call while a thread calls a plugin with this behaviour, over that
/// without an attack: the median of the pairs.
fn slowdown(behaviour: &Behaviour) -> Result<f64> {
    let folder = HostFolder::new()?;
    folder.put("bad.wasm", &Guest::codec("bad").on(Export::Encode, behaviour.clone()).build())?;
    folder.put("echo.wasm", &Guest::codec("echo").build())?;
    let host = folder.host(at_its_limits(folder.config()))?;
    let echo = host.codec("echo")?;
    let document = document(64);
    p99(&echo, &document)?;
    let mut ratios = Vec::new();
    for _ in 0..PAIRS {
        let quiet = p99(&echo, &document)?;
        let loud = attacked(&host, || p99(&echo, &document))?;
        ratios.push(loud / quiet);
    }
    Ok(median(ratios.into_iter()))
}

/// The configuration with the default limits for the hostile plugin, but without its breaker and
/// health checks, so that calls reach it all the time.
fn at_its_limits(mut config: Config) -> Config {
    let bad = PluginSettings {
        limits: PluginOverrides {
            cpu: Some(Duration::from_millis(100)),
            memory: Some(Size::mib(64)),
            breaker_failures: Some(0),
            health_every: Some(Duration::ZERO),
            ..PluginOverrides::default()
        },
        ..PluginSettings::default()
    };
    config.plugins.insert("bad".into(), bad);
    config
}

/// Runs `work` while a thread calls the hostile plugin again and again.
fn attacked<R>(host: &Host, work: impl FnOnce() -> Result<R>) -> Result<R> {
    let bad = host.codec("bad")?;
    let (over, calls) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let attacker = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                calls.store(true, Ordering::Relaxed);
                anyhow::ensure!(bad.encode_document(&[0xf6]).is_err(), "expected a hostile plugin");
            }
            Ok(())
        });
        while !calls.load(Ordering::Relaxed) && !attacker.is_finished() {
            std::thread::yield_now();
        }
        let result = work();
        over.store(true, Ordering::Relaxed);
        match attacker.join() {
            Ok(called) => called.and(result),
            Err(panicked) => std::panic::resume_unwind(panicked),
        }
    })
}

/// The 99th percentile of the calls of one window, in nanoseconds.
pub(crate) fn p99(echo: &CodecHandle, document: &[u8]) -> Result<f64> {
    let mut latencies = Vec::with_capacity(1 << 21);
    let end = Instant::now() + WINDOW;
    let mut before = Instant::now();
    while before < end {
        black_box(echo.encode_document(black_box(document))?);
        let after = Instant::now();
        latencies.push((after - before).as_nanos() as u64);
        before = after;
    }
    let rank = latencies.len() * 99 / 100;
    let (_, p99, _) = latencies.select_nth_unstable(rank);
    Ok(*p99 as f64)
}
