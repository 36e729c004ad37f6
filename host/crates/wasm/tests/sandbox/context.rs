//! What a guest learns about its call, and the histograms that it reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{
    Bucket, Context, Correlation, GuestMetric, MetricValue, NoServices, Policy, Services,
};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{TestPlugin, start, try_start};

fn services() -> Arc<dyn Services> {
    Arc::new(NoServices)
}

fn codec(name: &str, behaviour: Behaviour) -> TestPlugin {
    start(&Guest::codec(name).on(Export::Encode, behaviour), name, Policy::default())
}

/// The number in an answer of 8 bytes; `None` for no bytes.
fn number(answer: &[u8]) -> Option<u64> {
    let bytes = (!answer.is_empty()).then(|| answer.try_into().unwrap());
    bytes.map(u64::from_le_bytes)
}

/// A codec that imports nothing but `call` runs on its caller's stack.
#[test]
fn a_guest_reads_what_its_call_belongs_to() {
    let services = services();
    let request = Arc::new(Correlation::default().request_id("request-7".parse().unwrap()));
    let context = Context::new(&services).in_generation(3).correlated(&request);
    let id = codec("reads-id", Behaviour::RequestId).codec();
    assert_eq!(id.encode(&context, b"in").unwrap(), b"request-7");
    // The next call of the same instance belongs to no request.
    assert_eq!(id.encode(&Context::new(&services), b"in").unwrap(), b"");
    let generation = codec("reads-generation", Behaviour::Generation).codec();
    assert_eq!(number(&generation.encode(&context, b"in").unwrap()), Some(3));
    assert_eq!(number(&generation.encode(&Context::new(&services), b"in").unwrap()), None);
}

#[test]
fn a_guest_reads_the_time_until_the_earlier_deadline() {
    let services = services();
    let policy = Policy { deadline: Duration::from_secs(9), ..Policy::default() };
    let guest = Guest::codec("reads-time").on(Export::Encode, Behaviour::TimeLeft);
    let plugin = start(&guest, "reads-time", policy.clone());
    let left = |context: &Context<'_>| {
        let answer = plugin.codec().encode(context, b"in").unwrap();
        Duration::from_nanos(number(&answer).expect("a deadline"))
    };
    // No clock was read for this call before the guest asked.
    let own = left(&Context::new(&services));
    assert!(own > Duration::ZERO && own <= policy.deadline, "{own:?}");
    let deadline = Instant::now() + Duration::from_secs(5);
    let callers = left(&Context::new(&services).until(deadline));
    assert!(callers > Duration::ZERO && callers <= Duration::from_secs(5), "{callers:?}");
}

#[test]
fn outside_of_a_call_nothing_is_known() {
    for (name, behaviour) in [
        ("init-id", Behaviour::RequestId),
        ("init-generation", Behaviour::Generation),
        ("init-time", Behaviour::TimeLeft),
    ] {
        let guest = Guest::codec(name).on(Export::Init, behaviour);
        let refusal = try_start(name, guest.build(), Policy::default(), None).err().unwrap();
        assert_eq!(refusal.message, "init: ", "it returns what it learned as an error");
    }
}

#[test]
fn a_guests_histogram_has_its_buckets() {
    let plugin = codec("observes", Behaviour::Observe(1.5));
    for _ in 0..3 {
        plugin.encode().unwrap();
    }
    let value = MetricValue::Histogram {
        buckets: vec![Bucket { le: 1.0, count: 0 }, Bucket { le: 2.0, count: 3 }],
        sum: 4.5,
        count: 3,
    };
    let (name, help) = ("observed".into(), "what was observed".into());
    let expected = GuestMetric { name, help, unit: "units".into(), value };
    assert_eq!(plugin.stats().metrics, [expected]);
}
