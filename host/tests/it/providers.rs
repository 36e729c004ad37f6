//! Several plugins for one capability: failover and shares.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay::{
    CallErrorKind, CallOptions, Codec, Error, Handler, Outcome, Reason, Rejected, Request,
};

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Place, Site, is_done, place, until, wait};

/// Two plugins that both offer `codec:c` and `handler:h`.
fn two(puppets: &Puppets, config: &str) -> Site {
    let runtime = std::sync::Arc::new(puppets.clone());
    pair().config(&format!("{QUIET}{config}")).host_with(|builder| builder.runtime(runtime))
}

fn pair() -> Place {
    place()
        .plugin("one.wasm", puppet("one", "1.0.0", &["codec:c", "handler:h"]))
        .plugin("two.wasm", puppet("two", "1.0.0", &["codec:c", "handler:h"]))
}

const QUIET: &str = "[defaults]\nhealth_every = '0s'\nbreaker_open = '1h'\n";

/// The counts of retries of `codec:c`: failovers, retries, and retries beyond the budget.
fn retries(site: &Site) -> (u64, u64, u64) {
    let codec = site.status().capabilities.into_iter().find(|it| it.name == "c").unwrap();
    let tries = codec.retries.unwrap();
    (tries.failed_over, tries.retried, tries.budget_exhausted)
}

const FAILOVER: &str = "[capabilities.'codec:c']\nstrategy = 'failover'\nproviders = ['one', 'two']\n\
    [capabilities.'handler:h']\nstrategy = 'failover'\nproviders = ['one', 'two']\n";

fn fails(kind: CallErrorKind) -> Script {
    Script { fails: Some(kind), ..Script::default() }
}

fn handled(site: &Site, request: Request) -> Result<String, Error> {
    let response = wait(site.handler("h")?.handle(request))?;
    Ok(String::from_utf8(response.body).unwrap())
}

fn with_method(method: &str) -> Request {
    Request { method: method.into(), path: "/h".into(), ..Request::default() }
}

#[test]
fn a_second_provider_is_a_conflict_unless_both_are_named() {
    let puppets = Puppets::default();
    let site = two(&puppets, "");
    let rejected = site.rejected("two.wasm").unwrap();
    assert_eq!(rejected.reason, Reason::CapabilityClash);
    assert!(rejected.message.contains("codec:c") && rejected.message.contains("\"one\""));
    // The hints work as they are written, a key on each line: first of the codec, then of the handler.
    let followed = |rejected: &Rejected| {
        let (_, hint) = rejected.hint.split_once("let both offer it: ").unwrap();
        format!("{}\n", hint.replacen("] ", "]\n", 1).replacen(", providers", "\nproviders", 1))
    };
    let codec = followed(&rejected);
    site.configure(&codec);
    let of_the_handler = || site.rejected("two.wasm").filter(|it| it.message.contains("handler:h"));
    until("the handler clashes", || of_the_handler().is_some());
    site.configure(&(codec + &followed(&of_the_handler().unwrap())));
    site.recovers("two.wasm");
    let codec = site.status().capabilities.into_iter().find(|it| it.kind == "codec").unwrap();
    assert_eq!(codec.strategy.as_deref(), Some("failover"));
    assert_eq!(codec.providers, ["one@1.0.0", "two@1.0.0"]);
}

#[test]
fn failover_loses_no_call() {
    let puppets = Puppets::default();
    let site = two(&puppets, FAILOVER);
    let (over, answered) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let answer = site.encode("c");
                    assert!(answer == "one@1.0.0" || answer == "two@1.0.0", "{answer}");
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let more = |calls: u64| {
            let before = answered.load(Ordering::Relaxed);
            until("more calls", || answered.load(Ordering::Relaxed) > before + calls);
        };
        more(100);
        assert_eq!(puppets.calls("two@1.0.0"), 0);
        puppets.script("one@1.0.0", fails(CallErrorKind::Unavailable));
        more(1000);
        over.store(true, Ordering::Relaxed);
    });
    // The breaker of `one` is open, so `one` gets no calls.
    site.wait_for_event(
        "the open breaker",
        |outcome| matches!(outcome, Outcome::BreakerOpened { plugin, .. } if plugin == "one@1.0.0"),
    );
    let asked = puppets.calls("one@1.0.0");
    assert_eq!(site.encode("c"), "two@1.0.0");
    assert_eq!(puppets.calls("one@1.0.0"), asked);
    assert_eq!(site.running("one").unwrap().state.as_str(), "breaker-open");
}

#[test]
fn the_callers_mistake_is_not_a_failure() {
    let puppets = Puppets::default();
    let site = two(&puppets, FAILOVER);
    puppets.script("one@1.0.0", fails(CallErrorKind::InvalidInput));
    for _ in 0..20 {
        let error = site.codec("c").unwrap().encode_document(&[]).unwrap_err();
        assert_eq!(error.reason(), "invalid-input");
    }
    assert_eq!(puppets.calls("two@1.0.0"), 0);
    assert_eq!(site.running("one").unwrap().state.as_str(), "running");
}

#[test]
fn unsafe_requests_are_not_repeated() {
    let puppets = Puppets::default();
    let site = two(&puppets, FAILOVER);
    puppets.script("one@1.0.0", fails(CallErrorKind::Trap));
    assert_eq!(handled(&site, with_method("GET")).unwrap(), "two@1.0.0");
    assert_eq!(handled(&site, with_method("POST")).unwrap_err().reason(), "trap");
    assert_eq!(site.encode("c"), "two@1.0.0");
    // `unavailable` says that the plugin did nothing, so another provider may be called.
    puppets.script("one@1.0.0", fails(CallErrorKind::Unavailable));
    assert_eq!(handled(&site, with_method("POST")).unwrap(), "two@1.0.0");
}

#[test]
fn retries_stay_within_their_budget() {
    let puppets = Puppets::default();
    let config = FAILOVER.replace("['one', 'two']\n", "['one', 'two']\nretries = 0\n");
    let site = two(&puppets, &format!("breaker_failures = 0\n{config}"));
    puppets.script("one@1.0.0", fails(CallErrorKind::Internal));
    let codec = site.codec("c").unwrap();
    let answers = |calls: u64| (0..calls).filter(|_| codec.encode_document(&[]).is_ok()).count();
    assert_eq!(answers(500), 0, "a budget of 0 allows no retries");
    assert_eq!(retries(&site), (0, 0, 500));
    // The budget always allows ten retries per second for ten seconds.
    let one = config.replace("retries = 0", "retries = 1");
    site.configure(&format!("{QUIET}breaker_failures = 0\n{one}"));
    until("the new budget", || retries(&site).2 == 0);
    assert!((100..=200).contains(&answers(500)));
    // A new generation does not reset the budget.
    let (_, repeated, refused) = retries(&site);
    site.drop_in("more.wasm", puppet("more", "1.0.0", &["codec:more"]));
    site.answers("more", "more@1.0.0");
    assert_eq!(retries(&site), (0, repeated, refused));
    assert!(answers(50) <= 10);
}

#[test]
fn calls_of_an_own_kind_are_repeated_only_if_they_are_marked_repeatable() {
    let puppets = Puppets::default();
    let site = two(&puppets, FAILOVER);
    puppets.script("one@1.0.0", fails(CallErrorKind::Trap));
    let handle = site.get::<Codec>("c").unwrap();
    let call = |how| handle.call(how, |codec, context| codec.encode(context, &[]));
    assert_eq!(call(CallOptions::default()).unwrap_err().reason(), "trap");
    assert_eq!(puppets.calls("two@1.0.0"), 0);
    assert_eq!(call(CallOptions::default().repeatable(true)).unwrap(), b"two@1.0.0");
}

fn answers(status: u16) -> Script {
    Script { status, ..Script::default() }
}

#[test]
fn a_status_of_500_is_a_failure_and_goes_to_the_caller() {
    let puppets = Puppets::default();
    let site = two(&puppets, "");
    puppets.script("one@1.0.0", answers(500));
    for _ in 0..5 {
        let response = wait(site.handler("h").unwrap().handle(with_method("GET"))).unwrap();
        assert_eq!((response.status, &*response.body), (500, &b"one@1.0.0"[..]));
    }
    assert_eq!(handled(&site, with_method("GET")).unwrap_err().reason(), "breaker-open");
    let one = site.running("one").unwrap();
    assert_eq!((one.calls.answered, one.calls.failed["internal"]), (0, 5));
}

#[test]
fn a_status_of_503_goes_to_the_next_provider_if_the_request_may_be_repeated() {
    let puppets = Puppets::default();
    let site = two(&puppets, FAILOVER);
    puppets.script("one@1.0.0", answers(503));
    let status = |method| {
        let response = wait(site.handler("h").unwrap().handle(with_method(method))).unwrap();
        (response.status, String::from_utf8(response.body).unwrap())
    };
    assert_eq!(status("GET"), (200, "two@1.0.0".to_owned()));
    assert_eq!(status("POST"), (503, "one@1.0.0".to_owned()));
    // If no provider succeeds, the caller gets the last response instead of an error.
    puppets.script("two@1.0.0", answers(503));
    assert_eq!(status("GET"), (503, "two@1.0.0".to_owned()));
    puppets.script("two@1.0.0", fails(CallErrorKind::Trap));
    assert_eq!(status("GET"), (503, "one@1.0.0".to_owned()));
    // A bad status is not a success: both breakers open after five.
    assert_eq!(status("GET"), (503, "one@1.0.0".to_owned()));
    assert_eq!(site.running("one").unwrap().state.as_str(), "breaker-open");
}

#[test]
fn retry_after_is_the_shortest_time_of_all_providers() {
    let puppets = Puppets::default();
    let site = two(&puppets, &format!("{FAILOVER}[plugins.two]\nbreaker_open = '1d'\n"));
    for label in ["one@1.0.0", "two@1.0.0"] {
        puppets.script(label, fails(CallErrorKind::Unavailable));
    }
    let codec = site.codec("c").unwrap();
    for _ in 0..5 {
        codec.encode_document(&[]).unwrap_err();
    }
    let Error::Call(error) = codec.encode_document(&[]).unwrap_err() else { panic!() };
    assert_eq!((error.reason(), error.plugin()), ("breaker-open", Some("one@1.0.0")));
    assert!(error.wait().unwrap().as_secs() < 5000, "{error:?}");
}

#[test]
fn calls_in_flight_are_shown_for_each_provider() {
    let puppets = Puppets::default();
    let site = two(&puppets, FAILOVER);
    puppets.script("one@1.0.0", Script { hangs: true, ..Script::default() });
    let handler = site.handler("h").unwrap();
    let mut call = Box::pin(handler.handle(with_method("GET")));
    assert!(!is_done(&mut call));
    let leases = |name| site.running(name).unwrap().leases;
    assert_eq!((leases("one"), leases("two")), (1, 0));
    drop(call);
    assert_eq!(leases("one"), 0);
}

#[test]
fn a_call_that_outlives_its_deadline_is_the_plugins_failure() {
    let puppets = Puppets::default();
    let site = two(&puppets, "breaker_failures = 2\n");
    puppets.script("one@1.0.0", Script { hangs: true, ..Script::default() });
    let give_up = |how: CallOptions<'_>, passes: bool| {
        let lease = site.get::<Handler>("h").unwrap().lease().unwrap();
        let mut call = Box::pin(lease.handle(how, with_method("GET")));
        assert!(!is_done(&mut call));
        if passes {
            until("the deadline", || how.deadline.is_none_or(|it| it < Instant::now()));
        }
    };
    let soon = || CallOptions::default().until(Instant::now() + Duration::from_millis(500));
    let state = || site.running("one").unwrap().state.as_str();
    // A call that is cancelled before its deadline does not count.
    for _ in 0..3 {
        give_up(CallOptions::default(), true);
        give_up(CallOptions::default().until(Instant::now() + Duration::from_hours(1)), false);
    }
    assert_eq!(state(), "running");
    give_up(soon(), true);
    give_up(soon(), true);
    assert_eq!(state(), "breaker-open");
    let calls = site.running("one").unwrap().calls;
    assert_eq!((calls.cancelled, calls.failed["deadline"]), (6, 2));
    // A call without any time left does not count as a failure.
    let lease = site.get::<Handler>("h").unwrap().lease().unwrap();
    let error =
        wait(lease.handle(CallOptions::default().until(Instant::now()), with_method("GET")));
    let error = error.unwrap_err();
    assert_eq!((error.reason(), error.plugin()), ("deadline", None));
}

#[test]
fn without_any_provider_left_the_last_error_is_returned() {
    let puppets = Puppets::default();
    let site = two(&puppets, FAILOVER);
    puppets.script("one@1.0.0", fails(CallErrorKind::Unavailable));
    puppets.script("two@1.0.0", fails(CallErrorKind::Unavailable));
    let codec = site.codec("c").unwrap();
    for _ in 0..5 {
        let Error::Call(error) = codec.encode_document(&[]).unwrap_err() else { panic!() };
        assert_eq!((error.reason(), error.plugin()), ("unavailable", Some("two@1.0.0")));
    }
    let Error::Call(error) = codec.encode_document(&[]).unwrap_err() else { panic!() };
    assert_eq!(error.reason(), "breaker-open");
    assert!(error.wait().unwrap().as_secs() > 3000, "{error:?}");
}

#[test]
fn calls_are_split_by_weight_and_sticky_by_key() {
    let puppets = Puppets::default();
    let site = two(
        &puppets,
        "[capabilities.'codec:c']\nstrategy = 'split'\nproviders = ['one', 'two']\nweights = [90, 10]\n\
         [capabilities.'handler:h']\nstrategy = 'split'\nproviders = ['one', 'two']\n\
         weights = [50, 50]\nkey = 'header:x-user'\n",
    );
    for _ in 0..2000 {
        site.encode("c");
    }
    let of_two = puppets.calls("two@1.0.0");
    assert!((100..300).contains(&of_two), "{of_two} of 2000");
    let mut first = BTreeMap::new();
    for user in (0..100).chain(0..100) {
        let request = Request {
            headers: vec![("x-user".into(), format!("user {user}").into_bytes())],
            ..with_method("GET")
        };
        let answer = handled(&site, request).unwrap();
        assert_eq!(*first.entry(user).or_insert_with(|| answer.clone()), answer, "user {user}");
    }
    let of_one = first.values().filter(|answer| *answer == "one@1.0.0").count();
    assert!((25..=75).contains(&of_one), "{of_one} of 100");
}

#[test]
fn the_share_of_a_failing_plugin_goes_to_the_others() {
    let puppets = Puppets::default();
    let site = two(
        &puppets,
        "[capabilities.'codec:c']\nstrategy = 'split'\nproviders = ['one', 'two']\n\
         [capabilities.'handler:h']\nstrategy = 'split'\nproviders = ['one', 'two']\n",
    );
    puppets.script("one@1.0.0", fails(CallErrorKind::Trap));
    let codec = site.codec("c").unwrap();
    let failed = (0..200).filter(|_| codec.encode_document(&[]).is_err()).count();
    assert_eq!(failed, 5, "as many failures as open the breaker");
}

#[test]
fn a_plugin_with_weight_zero_does_not_get_the_share_of_an_absent_one() {
    let puppets = Puppets::default();
    let site = two(
        &puppets,
        "[capabilities.'codec:c']\nstrategy = 'split'\nproviders = ['one', 'two']\nweights = [100, 0]\n\
         [capabilities.'handler:h']\nstrategy = 'split'\nproviders = ['one', 'two']\n",
    );
    assert_eq!(site.encode("c"), "one@1.0.0");
    site.remove("one.wasm");
    until("`one` is removed", || site.running("one").is_none());
    let error = site.codec("c").unwrap().encode_document(&[]).unwrap_err();
    assert_eq!(error.reason(), "unavailable");
    assert_eq!(
        handled(&site, with_method("GET")).unwrap(),
        "two@1.0.0",
        "`two` has a share of the handler"
    );
    assert_eq!(puppets.calls("two@1.0.0"), 1);
}

#[test]
fn a_version_that_clashes_with_a_last_good_version_keeps_its_own_last_good_version() {
    let puppets = Puppets::default();
    let site = place()
        .plugin("one.wasm", puppet("one", "1.0.0", &["codec:x", "codec:one"]))
        .plugin("two.wasm", puppet("two", "1.0.0", &["codec:two"]))
        .unwatched()
        .host_with(|builder| builder.runtime(std::sync::Arc::new(puppets.clone())));
    // The new version of `one`, which gives up a capability, fails to start, and the new version of
    // `two` claims that capability.
    let fails_to_start = Script { start_error: Some("port in use".into()), ..Script::default() };
    puppets.script("one@2.0.0", fails_to_start);
    site.drop_in("one.wasm", puppet("one", "2.0.0", &["codec:one"]));
    site.drop_in("two.wasm", puppet("two", "2.0.0", &["codec:two", "codec:x"]));
    let report = site.reconcile();
    assert_eq!(report.rejected.len(), 2, "{report:?}");
    assert_eq!(site.encode("x"), "one@1.0.0");
    assert_eq!(site.encode("two"), "two@1.0.0");
    assert_eq!(site.rejected("two.wasm").unwrap().reason, Reason::CapabilityClash);
}
