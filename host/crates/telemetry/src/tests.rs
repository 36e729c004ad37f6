use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Barrier, Mutex, mpsc};
use std::time::{Duration, Instant};

use crate::{
    Collector, Collectors, Described, DropReason, Failure, Family, Format, Gathered, Histogram,
    Kind, Limits, RegisterError, Samples,
};

const LONG: Duration = Duration::from_secs(60);

/// A collector of these descriptions, which collects by a function.
struct Test<F> {
    described: Vec<Described>,
    collect: F,
}

impl<F: Fn(&mut Samples) + Send + Sync + 'static> Collector for Test<F> {
    fn describe(&self) -> Vec<Described> {
        self.described.clone()
    }

    fn collect(&self, samples: &mut Samples) {
        (self.collect)(samples);
    }
}

fn collector(
    described: impl IntoIterator<Item = impl Into<Described>>,
    collect: impl Fn(&mut Samples) + Send + Sync + 'static,
) -> Arc<dyn Collector> {
    Arc::new(Test { described: described.into_iter().map(Into::into).collect(), collect })
}

fn describes(families: &[Family]) -> Arc<dyn Collector> {
    collector(families.to_vec(), |_| {})
}

fn refused(collectors: &Collectors, name: &str, families: &[Family]) -> RegisterError {
    collectors.register(name, describes(families)).unwrap_err()
}

fn one(family: &'static Family) -> Arc<dyn Collector> {
    collector([family.clone()], |samples| samples.gauge(family, &[], 1_u64))
}

fn lines<'a>(text: &'a str, name: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.starts_with(name)).collect()
}

fn gather(collectors: &Collectors) -> Gathered {
    collectors.gather(LONG)
}

static A: Family = Family::gauge("a", "The first.");
static B: Family = Family::gauge("b", "The second.");

#[test]
fn a_name_that_is_taken_is_refused_before_anything_changes() {
    let collectors = Collectors::new();
    let first = one(&A);
    collectors.register("first", Arc::clone(&first)).unwrap();
    let (before, families) = (collectors.names(), collectors.families());

    // `new` alone would be welcome: nothing of the collector is registered.
    let error = refused(&collectors, "second", &[Family::gauge("new", "New."), A.clone()]);
    let RegisterError::Collision(collision) = &error else { panic!("{error}") };
    assert_eq!((&*collision.name, &*collision.holder), ("a", "first"));
    assert!(Arc::ptr_eq(collision.existing.as_ref().unwrap(), &first), "the one that is there");
    assert!(error.to_string().contains("a would take a, which a of the collector \"first\" has"));
    assert_eq!((collectors.names(), collectors.families()), (before, families));
    collectors.register("third", describes(&[Family::gauge("new", "New.")])).unwrap();

    let error = refused(&collectors, "first", &[]);
    let RegisterError::Collision(collision) = &error else { panic!("{error}") };
    assert!(collision.family.is_none() && collision.existing.is_some(), "{error}");
}

#[test]
fn names_of_series_collide_too() {
    let collectors = Collectors::new();
    let held = [
        Family::counter("jobs_total", "Jobs."),
        Family::histogram("wait_seconds", "Waits."),
        Family::info("build_info", "Build."),
    ];
    collectors.register("held", describes(&held)).unwrap();
    let unknown = |name: &'static str| Family::new(Kind::Unknown, name.into(), "Unknown.".into());
    for taken in ["jobs", "jobs_total", "jobs_created", "wait_seconds", "wait_seconds_count"] {
        let error = refused(&collectors, "other", &[unknown(taken)]);
        assert!(matches!(error, RegisterError::Collision(_)), "{taken}: {error}");
    }
    for taken in ["wait_seconds_bucket", "wait_seconds_sum", "build", "build_info"] {
        let error = refused(&collectors, "other", &[unknown(taken)]);
        assert!(matches!(error, RegisterError::Collision(_)), "{taken}: {error}");
    }
    // The other way round: the series of the new one.
    collectors.register("flat", describes(&[unknown("size_sum")])).unwrap();
    let error = refused(&collectors, "other", &[Family::histogram("size", "Sizes.")]);
    assert!(error.to_string().contains("size would take size_sum"), "{error}");
}

#[test]
fn a_collector_does_not_collide_with_itself() {
    let collectors = Collectors::new();
    let twice = [Family::counter("jobs_total", "Jobs."), Family::gauge("jobs", "Jobs now.")];
    let error = refused(&collectors, "one", &twice);
    let RegisterError::Collision(collision) = &error else { panic!("{error}") };
    assert_eq!((&*collision.holder, collision.existing.is_none()), ("one", true));
    assert!(collectors.names().is_empty());
}

#[test]
fn the_registrys_own_names_are_taken() {
    let error = refused(
        &Collectors::new(),
        "one",
        &[Family::gauge("plugbay_collector_up", "Not the registry's.")],
    );
    assert!(error.to_string().contains("\"collectors\""), "{error}");
}

#[test]
fn namespaces_collide_with_what_is_in_them() {
    let collectors = Collectors::new();
    let space = |prefix: &str| collector([Described::Namespace(prefix.into())], |_| {});
    collectors.register("guests", space("guest_")).unwrap();
    let names = [Family::gauge("guest_x", "In it."), Family::gauge("guests", "Beside it.")];
    assert!(refused(&collectors, "inner", &names[..1]).to_string().contains("guest_*"));
    collectors.register("beside", describes(&names[1..])).unwrap();
    for overlapping in ["guest_", "guest_more_"] {
        assert!(collectors.register("more", space(overlapping)).is_err(), "{overlapping}");
    }
    collectors.register("other", describes(&[Family::gauge("other_x", "Another.")])).unwrap();
    assert!(collectors.register("late", space("other_")).is_err());
    assert!(collectors.register("bad", space("no-good_")).is_err());
}

/// Does not know what it collects.
struct Panics;

impl Collector for Panics {
    fn describe(&self) -> Vec<Described> {
        panic!("no idea")
    }

    fn collect(&self, _samples: &mut Samples) {}
}

#[test]
fn descriptions_that_break_a_rule_are_refused() {
    let collectors = Collectors::new();
    let bad = [
        Family::counter("jobs", "No suffix."),
        Family::counter("_total", "No name."),
        Family::gauge("jobs_total", "A suffix of counters."),
        Family::gauge("queue_count", "A suffix of histograms."),
        Family::gauge("queue bytes", "A space."),
        Family::gauge("0queue", "A digit."),
        Family::gauge("queue", " "),
        Family::gauge("queue_bytes", "Another unit.").unit("seconds"),
        Family::gauge("queue", "A bad label.").labels(&["a-b"]),
        Family::gauge("queue", "A reserved label.").labels(&["__name__"]),
        Family::gauge("queue", "A label twice.").labels(&["a", "a"]),
        Family::histogram("queue", "A label of buckets.").labels(&["le"]),
    ];
    for family in bad {
        let error = refused(&collectors, "one", std::slice::from_ref(&family));
        assert!(matches!(error, RegisterError::Invalid { .. }), "{family:?}: {error}");
    }
    assert!(refused(&collectors, "", &[]).to_string().contains("1 to 64 bytes"));
    assert!(refused(&collectors, "a\nb", &[]).to_string().contains("control"));
    let error = collectors.register("one", Arc::new(Panics)).unwrap_err();
    assert!(error.to_string().contains("no idea"), "{error}");
    assert!(collectors.names().is_empty());
}

#[test]
fn an_unregistered_collector_is_gone_and_its_names_are_free() {
    let collectors = Collectors::new();
    let first = one(&A);
    collectors.register("first", Arc::clone(&first)).unwrap();
    assert_eq!(lines(&gather(&collectors).encode(Format::Text), "a "), ["a 1"]);
    assert!(Arc::ptr_eq(&collectors.unregister("first").unwrap(), &first));
    assert!(collectors.unregister("first").is_none());
    let text = gather(&collectors).encode(Format::Text);
    assert!(!text.contains("a 1") && !text.contains("first"), "{text}");
    collectors.register("second", one(&A)).unwrap();
}

#[test]
fn collectors_are_asked_in_parallel() {
    let collectors = Collectors::new();
    let together = Arc::new(Barrier::new(2));
    for family in [&A, &B] {
        let together = Arc::clone(&together);
        let waits = move |samples: &mut Samples| {
            // One after the other, this would never end.
            together.wait();
            samples.gauge(family, &[], 1_u64);
        };
        collectors.register(family.name(), collector([family.clone()], waits)).unwrap();
    }
    let gathered = gather(&collectors);
    assert!(gathered.reports().iter().all(|report| report.failure.is_none()), "{gathered:?}");
}

#[test]
fn a_collector_that_hangs_costs_only_its_own_figures_and_is_not_asked_again() {
    let collectors = Collectors::new();
    let asked = Arc::new(AtomicUsize::new(0));
    let (release, hold) = mpsc::channel::<()>();
    let hold = Mutex::new(hold);
    let hangs = {
        let asked = Arc::clone(&asked);
        move |samples: &mut Samples| {
            asked.fetch_add(1, SeqCst);
            // Ends when the test says so.
            let _ = hold.lock().unwrap().recv();
            samples.gauge(&A, &[], 1_u64);
        }
    };
    collectors.register("hangs", collector([A.clone()], hangs)).unwrap();
    collectors.register("works", one(&B)).unwrap();
    // Long enough for the other one on a busy machine.
    let gathered = collectors.gather(Duration::from_secs(2));
    let failures: Vec<_> = gathered.reports().iter().map(|it| it.failure).collect();
    assert_eq!(failures, [Some(Failure::Deadline), None]);
    let text = gathered.encode(Format::Text);
    assert_eq!((lines(&text, "a "), lines(&text, "b ")), (vec![], vec!["b 1"]));
    assert!(text.contains("plugbay_collector_up{collector=\"hangs\"} 0\n"), "{text}");
    assert!(text.contains("plugbay_collector_up{collector=\"works\"} 1\n"), "{text}");

    // It still hangs: nothing waits for it.
    let begun = Instant::now();
    let text = gather(&collectors).encode(Format::Text);
    assert!(begun.elapsed() < LONG / 2, "the second request waited for it");
    let failures = "plugbay_collector_failures_total{collector=\"hangs\",reason=\"deadline\"} 2\n";
    assert!(text.contains(failures), "{text}");
    assert_eq!(asked.load(SeqCst), 1);

    drop(release);
    let deadline = Instant::now() + LONG;
    while gather(&collectors).reports()[0].failure.is_some() {
        assert!(Instant::now() < deadline, "it is never asked again");
        std::thread::yield_now();
    }
    assert!(asked.load(SeqCst) > 1);
}

#[test]
fn requests_at_the_same_time_do_not_take_each_other_for_a_hang() {
    const REQUESTS: usize = 4;
    let collectors = Collectors::new();
    let begun = Arc::new(AtomicUsize::new(0));
    let waits = {
        let begun = Arc::clone(&begun);
        move |samples: &mut Samples| {
            // The other requests come while it works on the first one.
            while begun.load(SeqCst) < REQUESTS {
                std::thread::yield_now();
            }
            samples.gauge(&A, &[], 1_u64);
        }
    };
    collectors.register("waits", collector([A.clone()], waits)).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..REQUESTS {
            scope.spawn(|| {
                begun.fetch_add(1, SeqCst);
                assert!(gather(&collectors).reports()[0].failure.is_none());
            });
        }
    });
}

#[test]
fn a_collector_that_panics_costs_only_its_own_figures() {
    let collectors = Collectors::new();
    let panics = |samples: &mut Samples| {
        samples.gauge(&A, &[], 1_u64);
        panic!("out of figures");
    };
    collectors.register("panics", collector([A.clone()], panics)).unwrap();
    collectors.register("works", one(&B)).unwrap();
    let gathered = gather(&collectors);
    let report = &gathered.reports()[0];
    assert_eq!(report.failure, Some(Failure::Panic));
    assert_eq!(report.message.as_deref(), Some("out of figures"));
    let text = gathered.encode(Format::Text);
    assert_eq!((lines(&text, "a "), lines(&text, "b ")), (vec![], vec!["b 1"]));
    assert!(text.contains("{collector=\"panics\",reason=\"panic\"} 1\n"), "{text}");
}

/// The series of the family, and what was left out.
fn collected(
    described: impl IntoIterator<Item = impl Into<Described>>,
    limits: Limits,
    collect: impl Fn(&mut Samples) + Send + Sync + 'static,
) -> String {
    let collectors = Collectors::with_limits(limits);
    collectors.register("one", collector(described, collect)).unwrap();
    gather(&collectors).encode(Format::Text)
}

fn dropped(text: &str, reason: DropReason) -> u64 {
    let reason = reason.as_str();
    let name =
        format!("plugbay_collector_dropped_series_total{{collector=\"one\",reason=\"{reason}\"}} ");
    text.lines().find_map(|line| line.strip_prefix(&name)).unwrap().parse().unwrap()
}

#[test]
fn series_that_break_a_rule_are_left_out_and_counted() {
    static X: Family = Family::gauge("x", "Labelled.").labels(&["k"]);
    static OTHER: Family = Family::gauge("other", "Not described.");
    static SIZES: Family = Family::histogram("sizes", "Sizes.");
    let text = collected([X.clone(), SIZES.clone()], Limits::default(), |samples| {
        samples.gauge(&X, &["one"], 1_u64);
        samples.gauge(&X, &["one"], 2_u64);
        samples.gauge(&X, &["two"], 3_u64);
        samples.gauge(&X, &[], 4_u64);
        samples.gauge(&OTHER, &[], 5_u64);
        samples.gauge(&X.clone().labels(&["other"]), &["six"], 6_u64);
        samples.counter(&X, &["seven"], 7_u64);
        let buckets = vec![(2.0, 1), (1.0, 1)];
        samples.histogram(&SIZES, &[], Histogram { buckets, ..Histogram::default() });
    });
    assert_eq!(lines(&text, "x{"), ["x{k=\"one\"} 1", "x{k=\"two\"} 3"]);
    assert_eq!(dropped(&text, DropReason::Duplicate), 1);
    assert_eq!(dropped(&text, DropReason::Labels), 1);
    assert_eq!(dropped(&text, DropReason::Undescribed), 2);
    assert_eq!(dropped(&text, DropReason::Value), 2);
    assert!(!text.contains("\nother") && !text.contains("\nsizes"), "{text}");
}

#[test]
fn series_are_bounded_by_collector_and_by_plugin() {
    static X: Family = Family::gauge("x", "By plugin.").labels(&["plugin", "n"]);
    let text = collected([X.clone()], Limits::new(10, 4), |samples| {
        for plugin in ["a", "b", "c"] {
            for n in 0..6 {
                samples.gauge(&X, &[plugin, &n.to_string()], 1_u64);
            }
        }
    });
    let of = |plugin: &str| lines(&text, &format!("x{{plugin=\"{plugin}\"")).len();
    // One plugin that has too many costs no other one its own.
    assert_eq!((of("a"), of("b"), of("c")), (4, 4, 2));
    assert_eq!(dropped(&text, DropReason::PluginLimit), 4);
    assert_eq!(dropped(&text, DropReason::CollectorLimit), 4);
}

#[test]
fn values_of_labels_cannot_break_the_exposition() {
    static X: Family = Family::gauge("x", "A \"quoted\" \\ help.").labels(&["k"]);
    let text = collected([X.clone()], Limits::default(), |samples| {
        samples.gauge(&X, &["a\"} 7\nx{k=\"b\\"], 1_u64);
        samples.gauge(&X, &["\0\r\u{1b}[31m"], f64::NAN);
        samples.gauge(&X, &["\u{e9}".repeat(400).as_str()], f64::INFINITY);
    });
    let found = lines(&text, "x{");
    assert_eq!(found.len(), 3, "{text}");
    assert!(found.contains(&"x{k=\"a\\\"} 7\u{fffd}x{k=\\\"b\\\\\"} 1"), "{text}");
    assert!(text.contains("# HELP x A 'quoted' / help.\n"), "{text}");
    assert!(found.iter().all(|line| line.len() < 300));
}

#[test]
fn families_of_a_namespace_are_checked_when_they_come() {
    let namespace = Described::Namespace("guest_".to_owned());
    let text = collected([namespace], Limits::default(), |samples| {
        let family =
            |kind, name: &str| Family::new(kind, name.to_owned().into(), "Of a guest.".into());
        samples.counter(&family(Kind::Counter, "guest_x_total"), &[], 1_u64);
        samples.gauge(&family(Kind::Gauge, "guest_x"), &[], 2_u64);
        samples.gauge(&family(Kind::Gauge, "guest_y"), &[], 3_u64);
        samples.gauge(&family(Kind::Gauge, "guest_bad name"), &[], 4_u64);
        samples.gauge(&family(Kind::Gauge, "elsewhere"), &[], 5_u64);
    });
    assert_eq!(lines(&text, "guest_"), ["guest_x_total 1", "guest_y 3"]);
    assert_eq!(dropped(&text, DropReason::Undescribed), 3);
}

#[test]
fn both_formats_have_every_kind() {
    static JOBS: Family = Family::counter("jobs_seconds_total", "Seconds of jobs.").unit("seconds");
    static SIZES: Family = Family::histogram("sizes_bytes", "Sizes.").unit("bytes").labels(&["k"]);
    static BUILD: Family = Family::info("build_info", "The build.").labels(&["version"]);
    let collectors = Collectors::new();
    let described = [JOBS.clone(), SIZES.clone(), BUILD.clone()];
    let collect = |samples: &mut Samples| {
        samples.counter(&JOBS, &[], 1.5);
        let buckets = vec![(1.0, 2), (10.0, 3)];
        samples.histogram(&SIZES, &["v"], Histogram { sum: 40.0, buckets, above: 4 });
        samples.info(&BUILD, &["1.0"]);
    };
    collectors.register("one", collector(described, collect)).unwrap();
    let gathered = gather(&collectors);
    let (text, open) = (gathered.encode(Format::Text), gathered.encode(Format::OpenMetrics));
    for format in [&text, &open] {
        assert!(format.contains("\njobs_seconds_total 1.5\n"), "{format}");
        assert!(format.contains("build_info{version=\"1.0\"} 1\n"), "{format}");
        assert!(format.contains("sizes_bytes_count{k=\"v\"} 9\n"), "{format}");
    }
    assert!(text.contains("sizes_bytes_bucket{k=\"v\",le=\"10\"} 5\n"), "{text}");
    assert!(text.contains("sizes_bytes_bucket{k=\"v\",le=\"+Inf\"} 9\n"), "{text}");
    assert!(text.contains("# TYPE jobs_seconds_total counter\n") && !text.contains("# EOF"));
    assert!(open.contains("# TYPE jobs_seconds counter\n# UNIT jobs_seconds seconds\n"), "{open}");
    assert!(open.contains("# TYPE build info\n") && open.ends_with("# EOF\n"), "{open}");
}
