//! The metrics of a host: what is counted, that no counter goes back, and who shares the registry.

#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use plugbay::metrics::{Collector, Collectors, Described, Family, Format, RegisterError, Samples};
use plugbay::{BuildError, CallErrorKind, Host};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, place, until};

const LONG: Duration = Duration::from_secs(60);

/// All series by their name and labels.
type Series = BTreeMap<String, f64>;

fn scrape(host: &Host) -> Series {
    let text = host.collectors().gather(LONG).encode(Format::Text);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let series = lines.map(|line| {
        let (name, value) = line.rsplit_once(' ').unwrap();
        (name.to_owned(), value.parse().unwrap())
    });
    series.collect()
}

fn calls(plugin: &str, version: &str, outcome: &str) -> String {
    format!(
        "plugbay_calls_total{{plugin=\"{plugin}\",version=\"{version}\",outcome=\"{outcome}\"}}"
    )
}

/// A host with puppets, which reconciles only when the test says so.
fn site(puppets: &Puppets, plugins: &[(&str, &str)]) -> Site {
    let mut place = place().unwatched();
    for (name, version) in plugins {
        let offers = [&*format!("codec:{name}")];
        place = place.plugin(&format!("{name}.wasm"), puppet(name, version, &offers));
    }
    place.host_with(|builder| builder.runtime(Arc::new(puppets.clone())))
}

/// Replaces a plugin by another version of it.
fn swap(site: &Site, name: &str, version: &str) {
    site.drop_in(&format!("{name}.wasm"), puppet(name, version, &[&*format!("codec:{name}")]));
    let report = site.reconcile();
    assert!(report.published, "{report:?}");
}

fn is_counter(name: &str) -> bool {
    let name = name.split('{').next().unwrap();
    ["_total", "_bucket", "_sum", "_count"].iter().any(|suffix| name.ends_with(suffix))
}

/// Asserts that no counter of `before` is smaller now.
fn assert_none_goes_back(before: &Series, now: &Series) {
    for (name, value) in before.iter().filter(|(name, _)| is_counter(name)) {
        if let Some(later) = now.get(name) {
            assert!(later >= value, "{name} went back from {value} to {later}");
        }
    }
}

#[test]
fn a_thousand_generations_of_one_plugin_change_nothing_for_ninety_nine_others() {
    const GENERATIONS: u64 = 1_000;
    /// Between two scrapes.
    const EVERY: u64 = 20;
    let puppets = Puppets::default();
    let names: Vec<String> = (0..99).map(|n| format!("other{n:02}")).collect();
    let mut plugins: Vec<(&str, &str)> = names.iter().map(|name| (&**name, "1.0.0")).collect();
    plugins.push(("changed", "1.0.0"));
    let site = site(&puppets, &plugins);
    for name in &names {
        site.encode(name);
    }
    let others = |series: &Series| -> Series {
        let of_others = series.iter().filter(|(name, _)| name.contains("{plugin=\"other"));
        of_others.map(|(name, value)| (name.clone(), *value)).collect()
    };
    let first = scrape(&site);
    assert!(others(&first).len() > 99 * 20, "{}", first.len());
    let mut before = first.clone();
    for generation in 1..=GENERATIONS {
        // The last increment of the version that goes.
        site.encode("changed");
        swap(&site, "changed", &format!("1.0.{generation}"));
        if !generation.is_multiple_of(EVERY) {
            continue;
        }
        let now = scrape(&site);
        assert_none_goes_back(&before, &now);
        let gone = calls("changed", &format!("1.0.{}", generation - 1), "answered");
        assert_eq!(now.get(&gone), Some(&1.0), "{gone}");
        assert_eq!(others(&now), others(&first));
        before = now;
    }
    let of =
        |series: &Series, what: &str| series.keys().filter(|name| name.starts_with(what)).count();
    // The versions that are gone are bounded, once they are freed.
    let versions = "plugbay_plugin_restarts_total{plugin=\"changed\"";
    until("the old versions are freed", || (2..=33).contains(&of(&scrape(&site), versions)));
    let end = scrape(&site);
    assert_eq!(end["plugbay_generation"], 1.0 + 1_000.0);
    assert_eq!(end["registry_reload_total{outcome=\"published\"}"], 1.0 + 1_000.0);
    // None that is gone has a gauge.
    assert_eq!(of(&end, "plugbay_calls_in_flight{plugin=\"changed\""), 1);
    assert_eq!(of(&end, "plugbay_plugin_info{plugin=\"changed\""), 1);
}

#[test]
fn the_counts_of_a_version_go_on_when_it_is_started_again() {
    let puppets = Puppets::default();
    let site = site(&puppets, &[("a", "1.0.0")]);
    let answered = calls("a", "1.0.0", "answered");
    for run in 1..=5 {
        site.encode("a");
        let now = scrape(&site);
        assert_eq!(now[&answered], f64::from(run));
        // The same version, with another configuration.
        site.configure(&format!("[plugins.a.config]\nrun = {run}\n"));
        assert!(site.reconcile().published);
        assert_none_goes_back(&now, &scrape(&site));
    }
    // The artifact was prepared once.
    let prepared = |outcome: &str| {
        scrape(&site)[&format!("plugbay_preparations_total{{outcome=\"{outcome}\"}}")]
    };
    assert_eq!((prepared("prepared"), prepared("shared")), (1.0, 5.0));
    // Back to an earlier version: its counts are still known.
    swap(&site, "a", "2.0.0");
    assert_eq!(scrape(&site)[&answered], 5.0);
    swap(&site, "a", "1.0.0");
    site.encode("a");
    assert_eq!(scrape(&site)[&answered], 6.0);
    site.remove("a.wasm");
    assert!(site.reconcile().published);
    until("it is freed", || site.status().draining.is_empty());
    let end = scrape(&site);
    assert_eq!((end[&answered], end["registry_size"], end["plugbay_plugins"]), (6.0, 0.0, 0.0));
}

#[test]
fn what_a_runtime_counted_is_read_once_more_when_its_plugin_is_freed() {
    let puppets = Puppets::default();
    let site = site(&puppets, &[("a", "1.0.0")]);
    for _ in 0..3 {
        site.encode("a");
    }
    // Nobody has scraped until it is gone.
    swap(&site, "a", "2.0.0");
    until("it is freed", || puppets.log().contains(&"free a@1.0.0".to_owned()));
    let counter = "plugbay_guest_calls_total{plugin=\"a\",version=\"1.0.0\"}";
    assert_eq!(scrape(&site)[counter], 3.0);
}

#[test]
fn plugins_that_disagree_on_a_kind_keep_their_series() {
    let puppets = Puppets::default();
    let gauge = |name: &'static str| Script { gauge: Some(name), ..Script::default() };
    puppets.script("b@1.0.0", gauge("depth"));
    let site = site(&puppets, &[("a", "1.0.0"), ("b", "1.0.0")]);
    site.encode("a");
    let text = || site.collectors().gather(LONG).encode(Format::OpenMetrics);
    let before = text();
    assert!(before.contains("# TYPE plugbay_guest_calls counter\n"), "{before}");
    assert!(before.contains("# TYPE plugbay_guest_depth gauge\n"), "{before}");
    let counter = "\nplugbay_guest_calls_total{plugin=\"a\",version=\"1.0.0\"} 1\n";
    // Each of these would take a name that the counter of `a` has.
    for name in ["calls", "calls_total", "calls_created"] {
        puppets.script("b@1.0.0", gauge(name));
        let now = text();
        assert!(now.contains(counter), "{now}");
        let gauge = format!("\nplugbay_guest_{name}{{plugin=\"b\",version=\"1.0.0\"}}");
        // Of `calls_total` it has a counter itself, which is the same series.
        assert!(now.contains(&gauge), "{now}");
        assert!(now.contains("# TYPE plugbay_guest_calls_total unknown\n"), "{now}");
    }
}

#[test]
fn the_time_of_a_components_calls_is_counted_whatever_their_result() {
    let spins = Guest::both("spins").on(Export::Encode, Behaviour::Spin);
    let spins = spins.on(Export::Handle, Behaviour::Spin);
    let site = place()
        .plugin("spins.wasm", spins)
        .plugin("works.wasm", Guest::codec("works"))
        .config("[plugins.spins]\ncpu = \"100ms\"\n")
        .unwatched()
        .host();
    let series =
        |name: &str, plugin: &str| format!("{name}{{plugin=\"{plugin}\",version=\"1.0.0\"}}");
    // On the caller's stack, and on a fiber.
    site.codec("spins").unwrap().encode_document(b"in").unwrap_err();
    site.handle("spins", "in").unwrap_err();
    for _ in 0..1_000 {
        site.encode("works");
    }
    let now = scrape(&site);
    let duration =
        |part: &str, plugin| now[&series(&format!("plugbay_call_duration_seconds_{part}"), plugin)];
    assert_eq!(duration("count", "spins"), 2.0);
    let (took, cpu) =
        (duration("sum", "spins"), series("plugbay_plugin_cpu_seconds_total", "spins"));
    assert!(took >= 0.2, "{took}");
    assert!(now[&cpu] >= 0.15 && now[&cpu] <= took + 0.05, "{} of {took}", now[&cpu]);
    let short =
        "plugbay_call_duration_seconds_bucket{plugin=\"spins\",version=\"1.0.0\",le=\"0.05\"}";
    assert_eq!(now[short], 0.0);
    // One in 17 is timed, and counts for 17.
    assert_eq!(duration("count", "works"), 1.0 + 17.0 * 58.0);
    let cpu = now[&series("plugbay_plugin_cpu_seconds_total", "works")];
    assert!(cpu > 0.0 && cpu < 10.0, "{cpu}");
}

#[test]
fn waits_for_an_instance_and_the_peak_of_the_memory_are_kept() {
    let waits =
        Guest::handler("waits").on(Export::Handle, Behaviour::Wait(Duration::from_millis(50)));
    let bomb = Behaviour::GrowMemory { pages: 16 };
    let site = place()
        .plugin("waits.wasm", waits)
        .plugin("bomb.wasm", Guest::codec("bomb").on(Export::Encode, bomb))
        .config("[plugins.waits]\ninstances = 1\n[plugins.bomb]\nmemory = \"8MiB\"\n")
        .unwatched()
        .host();
    let queue = "plugbay_call_queue_seconds_count{plugin=\"waits\",version=\"1.0.0\"}";
    site.handle("waits", "in").unwrap();
    assert_eq!(scrape(&site).get(queue), None, "it did not have to wait");
    until("two calls meet", || {
        thread::scope(|scope| {
            let calls = [(); 2].map(|()| scope.spawn(|| site.handle("waits", "in").unwrap()));
            for call in calls {
                call.join().unwrap();
            }
        });
        scrape(&site).get(queue).is_some_and(|count| *count >= 1.0)
    });
    let now = scrape(&site);
    assert!(now[&queue.replace("_count", "_sum")] > 0.0);

    let of_bomb = |now: &Series, what: &str| {
        now[&format!("plugbay_plugin_memory{what}_bytes{{plugin=\"bomb\",version=\"1.0.0\"}}")]
    };
    site.codec("bomb").unwrap().encode_document(b"in").unwrap_err();
    let now = scrape(&site);
    let (memory, peak) = (of_bomb(&now, ""), of_bomb(&now, "_peak"));
    assert!(peak > 6e6 && peak <= f64::from(8 << 20) && memory < peak, "{memory} of {peak}");
}

#[test]
fn failures_and_the_breaker_are_counted_where_they_happen() {
    let puppets = Puppets::default();
    let site = site(&puppets, &[("a", "1.0.0")]);
    puppets.script("a@1.0.0", Script { fails: Some(CallErrorKind::Trap), ..Script::default() });
    let codec = site.codec("a").unwrap();
    let state = |now: &Series, state: &str| {
        now[&format!("plugbay_plugin_state{{plugin=\"a\",version=\"1.0.0\",state=\"{state}\"}}")]
    };
    assert_eq!(state(&scrape(&site), "running"), 1.0);
    // Nobody subscribes to events.
    let failed = |now: &Series, reason: &str| now[&calls("a", "1.0.0", reason)];
    let mut made = 0.0;
    until("the breaker is open", || {
        made += 1.0;
        codec.encode_document(&[]).unwrap_err();
        failed(&scrape(&site), "breaker-open") >= 1.0
    });
    let now = scrape(&site);
    assert_eq!(failed(&now, "trap") + failed(&now, "breaker-open"), made);
    assert_eq!(failed(&now, "answered"), 0.0);
    assert_eq!((state(&now, "running"), state(&now, "breaker-open")), (0.0, 1.0));
    let opened =
        "plugbay_plugin_transitions_total{plugin=\"a\",version=\"1.0.0\",to=\"breaker-opened\"}";
    assert_eq!(now[opened], 1.0);
    assert_eq!(now["plugbay_events_total{reason=\"breaker-opened\"}"], 1.0);
}

#[test]
fn lookups_and_registrations_are_counted_by_outcome() {
    let puppets = Puppets::default();
    let site = site(&puppets, &[("a", "1.0.0")]);
    let before = scrape(&site);
    assert!(site.codec("b").is_err());
    assert!(site.snapshot().lease::<plugbay::Codec>("b").is_err());
    let codec = site.codec("a").unwrap();
    for _ in 0..100 {
        codec.encode_document(&[]).unwrap();
    }
    let now = scrape(&site);
    let more = |name: &str| now[name] - before[name];
    assert_eq!(more("registry_lookup_total{outcome=\"miss\"}"), 2.0);
    // A warm call by a handle searches for nothing.
    assert_eq!(more("registry_lookup_total{outcome=\"hit\"}"), 1.0);
    site.drop_in("other.wasm", puppet("other", "1.0.0", &["codec:a"]));
    site.drop_in("junk.wasm", b"junk".to_vec());
    let report = site.reconcile();
    assert_eq!(report.rejected.len(), 2, "{report:?}");
    let now = scrape(&site);
    let registered =
        |outcome: &str| now[&format!("registry_register_total{{outcome=\"{outcome}\"}}")];
    assert_eq!(
        (registered("success"), registered("duplicate"), registered("invalid")),
        (1.0, 1.0, 1.0)
    );
    assert_eq!((now["plugbay_rejected"], now["registry_size"]), (2.0, 1.0));
    // A look that finds the same again changes no count of rejections.
    drop(site.reconcile());
    let later = scrape(&site);
    let refused = "registry_reload_total{outcome=\"refused\"}";
    assert!(later[refused] > now[refused]);
    let rejections = "plugbay_rejections_total{reason=\"unknown-format\"}";
    assert_eq!((now[rejections], later[rejections]), (1.0, 1.0));
}

static ORDERS: Family = Family::counter("shop_orders_total", "Orders.");

/// A collector of an application.
struct Shop {
    hangs: Arc<AtomicBool>,
}

impl Collector for Shop {
    fn describe(&self) -> Vec<Described> {
        vec![ORDERS.clone().into()]
    }

    fn collect(&self, samples: &mut Samples) {
        while self.hangs.load(Ordering::Relaxed) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        samples.counter(&ORDERS, &[], 7_u64);
    }
}

struct Thief;

impl Collector for Thief {
    fn describe(&self) -> Vec<Described> {
        vec![Family::gauge("plugbay_generation", "Not the host's.").into()]
    }

    fn collect(&self, _samples: &mut Samples) {}
}

#[test]
fn an_application_shares_the_registry_and_cannot_take_names_of_the_host() {
    let collectors = Collectors::new();
    let hangs = Arc::new(AtomicBool::new(false));
    collectors.register("shop", Arc::new(Shop { hangs: Arc::clone(&hangs) })).unwrap();
    let site = place().unwatched().host_with(|builder| builder.collectors(collectors.clone()));
    assert_eq!(scrape(&site)["shop_orders_total"], 7.0);
    let error = site.collectors().register("thief", Arc::new(Thief)).unwrap_err();
    let RegisterError::Collision(collision) = &error else { panic!("{error}") };
    assert_eq!((&*collision.holder, collision.existing.is_some()), ("host", true));

    // One registry has one host.
    let second = Host::builder().watch(false).collectors(collectors.clone());
    let folder = tempfile::tempdir().unwrap();
    let error = second.plugins(folder.path()).build_blocking().unwrap_err();
    assert!(matches!(error, BuildError::Metrics(_)), "{error}");
    assert_eq!(scrape(&site)["plugbay_generation"], 1.0, "the first one is not affected");

    hangs.store(true, Ordering::Relaxed);
    let gathered = collectors.gather(Duration::from_secs(2));
    let text = gathered.encode(Format::Text);
    hangs.store(false, Ordering::Relaxed);
    assert!(text.contains("plugbay_collector_up{collector=\"shop\"} 0\n"), "{text}");
    assert!(text.contains("plugbay_generation 1\n"), "{text}");

    // The host takes its collector with it.
    drop(site);
    assert_eq!(collectors.names(), ["shop"]);
}

/// The page of `docs` that lists every family: `PLUGBAY_BLESS=1` and this test write it again.
#[test]
fn the_reference_of_the_metrics_is_current() {
    let site = place().unwatched().host();
    let families = site.collectors().families();
    let mut rows = String::new();
    for family in &families {
        let labels: Vec<String> =
            family.label_names().iter().map(|label| format!("`{label}`")).collect();
        let (name, kind, help) = (family.name(), family.kind().as_str(), family.help());
        writeln!(rows, "| `{name}` | {kind} | {} | {help} |", labels.join(", ")).unwrap();
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(path).unwrap();
    let (begin, end) =
        ("| name | kind | labels | meaning |\n|---|---|---|---|\n", "\n<!-- end -->");
    let (head, rest) = page.split_once(begin).expect("the head of the table");
    let (_, tail) = rest.split_once(end).expect("the mark after the table");
    let current = format!("{head}{begin}{rows}{end}{tail}");
    if std::env::var_os("PLUGBAY_BLESS").is_some() {
        std::fs::write(path, &current).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(path).unwrap(),
        current,
        "docs/metrics.md is out of date: run `PLUGBAY_BLESS=1 cargo test -p plugbay --test it \
         reference_of_the_metrics` and review the change"
    );
}
