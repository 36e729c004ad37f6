//! Rollback to an earlier generation, and the resumption after it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use plugbay::{Outcome, Reason, RollbackError};
use plugbay_fixtures::Guest;

use crate::support::puppet::{Puppets, Script, puppet};
use crate::support::{Site, place, until, wait};

/// A host that served the versions 1 and 2 of `a`; returns the numbers of both generations.
fn two_versions() -> (Site, u64, u64) {
    let site = place().plugin("a.wasm", Guest::codec("a").stamp("1")).host();
    let first = site.snapshot().generation();
    site.drop_in("a.wasm", Guest::codec("a").stamp("2"));
    site.answers("a", "2");
    let second = site.snapshot().generation();
    (site, first, second)
}

#[test]
fn rollback_and_resumption_lose_no_call() {
    let (site, first, second) = two_versions();
    let numbers: Vec<u64> = site.status().history.iter().map(|it| it.generation).collect();
    assert_eq!(numbers, [first, second]);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let caller = scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let answer = site.encode("a");
                assert!(answer == "1" || answer == "2", "{answer}");
            }
        });
        let report = wait(site.roll_back(first)).unwrap();
        assert!(report.published && report.generation > second);
        assert_eq!(site.encode("a"), "1");
        assert_eq!(site.status().pinned, Some(first));
        site.wait_for_event(
            "the rollback",
            |it| matches!(it, Outcome::RolledBack { to } if *to == first),
        );
        // The newer version of `a` and the new file are ignored until the resumption.
        site.drop_in("b.wasm", Guest::codec("b").stamp("b"));
        assert!(!site.reconcile().published);
        assert_eq!((site.encode("a").as_str(), site.names("codec").len()), ("1", 1));
        let report = wait(site.resume()).unwrap();
        assert!(report.published);
        assert_eq!((site.encode("a").as_str(), site.status().pinned), ("2", None));
        // The resumption does not wait for the new file.
        site.answers("b", "b");
        site.wait_for_event("the resumption", |it| matches!(it, Outcome::Resumed));
        over.store(true, Ordering::Relaxed);
        caller.join().unwrap();
    });
}

#[test]
fn what_is_still_refused_is_not_said_to_have_recovered() {
    let (site, first, _second) = two_versions();
    site.drop_in("junk.wasm", b"no plugin".to_vec());
    until("it is refused", || site.rejected("junk.wasm").is_some());
    let since = site.rejected("junk.wasm").unwrap().since;
    let recovered = || site.count(|it| matches!(it, Outcome::Recovered { .. }));
    // A rollback, one that fails, and the resumption: the file is what it was.
    assert!(!wait(site.roll_back(first)).unwrap().rejected.is_empty());
    assert!(wait(site.roll_back(99)).is_err());
    assert_eq!(site.rejected("junk.wasm").unwrap().since, since);
    drop(wait(site.resume()).unwrap());
    assert_eq!((site.rejected("junk.wasm").unwrap().since, recovered()), (since, 0));
    // What is fixed while changes are held back recovers after them.
    wait(site.roll_back(first)).unwrap();
    site.drop_in("junk.wasm", Guest::codec("b"));
    drop(wait(site.resume()).unwrap());
    until("it has recovered", || recovered() == 1 && site.rejected("junk.wasm").is_none());
}

#[test]
fn the_configuration_is_rolled_back_too() {
    let puppets = Puppets::default();
    let site = place()
        .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]))
        .config("[server]\ntimeout = '11s'\n[plugins.a.config]\ncolour = 'red'\n")
        .host_with(|builder| builder.runtime(Arc::new(puppets.clone())));
    let first = site.snapshot().generation();
    site.configure("[server]\ntimeout = '12s'\n[plugins.a.config]\ncolour = 'blue'\n");
    until("the new configuration", || site.config().server.timeout.as_secs() == 12);
    wait(site.roll_back(first)).unwrap();
    assert_eq!(site.config().server.timeout.as_secs(), 11);
    assert_eq!(puppets.starts("a@1.0.0"), 3, "red, blue, and red again");
}

#[test]
fn an_unknown_generation_is_refused_with_the_known_ones() {
    let (site, first, second) = two_versions();
    let error = wait(site.roll_back(99)).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("expected one of the generations {first}, {second}, found 99")
    );
    assert_eq!(site.encode("a"), "2");
}

#[test]
fn the_history_is_limited() {
    let site =
        place().plugin("a.wasm", Guest::codec("a").stamp("0")).host_key("history = 2").host();
    for version in 1..=4 {
        site.drop_in("a.wasm", Guest::codec("a").stamp(version.to_string()));
        site.answers("a", &version.to_string());
    }
    assert_eq!(site.status().history.len(), 3, "two earlier generations, and the one that serves");
    let oldest = site.status().history[0].generation;
    wait(site.roll_back(oldest)).unwrap();
    assert_eq!(site.encode("a"), "2");
}

#[test]
fn a_rollback_is_all_or_nothing() {
    let puppets = Puppets::default();
    let site = place()
        .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]))
        .plugin("b.wasm", puppet("b", "1.0.0", &["codec:b"]))
        .host_with(|builder| builder.runtime(Arc::new(puppets.clone())));
    let first = site.snapshot().generation();
    site.drop_in("a.wasm", puppet("a", "2.0.0", &["codec:a"]));
    site.answers("a", "a@2.0.0");
    site.drop_in("b.wasm", puppet("b", "2.0.0", &["codec:b"]));
    site.answers("b", "b@2.0.0");
    puppets
        .script("a@1.0.0", Script { start_error: Some("port in use".into()), ..Script::default() });
    let error = wait(site.roll_back(first)).unwrap_err();
    assert!(matches!(&error, RollbackError::Refused { .. }), "{error}");
    assert!(error.to_string().contains("port in use"), "{error}");
    assert_eq!((site.encode("a").as_str(), site.encode("b").as_str()), ("a@2.0.0", "b@2.0.0"));
    assert_eq!(site.status().pinned, None);
    // The plugins that were started for the rollback are shut down, and changes are applied as
    // before.
    until("version 1 of b is stopped", || {
        puppets.log().iter().filter(|line| *line == "stop b@1.0.0").count()
            == puppets.starts("b@1.0.0")
    });
    site.drop_in("b.wasm", puppet("b", "3.0.0", &["codec:b"]));
    site.answers("b", "b@3.0.0");
}

#[test]
fn bad_files_are_refused_after_the_resumption() {
    let (site, first, _) = two_versions();
    wait(site.roll_back(first)).unwrap();
    site.drop_in("c.wasm", b"not wasm at all".as_slice());
    wait(site.resume()).unwrap();
    site.refuses("c.wasm", Reason::UnknownFormat, &[]);
    assert_eq!(site.encode("a"), "2");
}

#[test]
fn restarts_do_not_push_generations_out_of_the_history() {
    let puppets = Puppets::default();
    let site = place()
        .plugin("a.wasm", puppet("a", "1.0.0", &["codec:a"]))
        .host_key("history = 1")
        .config("[defaults]\nhealth_every = '200ms'\nhealth_deadline = '200ms'\n")
        .host_with(|builder| builder.runtime(Arc::new(puppets.clone())));
    let first = site.snapshot().generation();
    puppets.script("a@2.0.0", Script { unhealthy: Some("wedged".into()), ..Script::default() });
    site.drop_in("a.wasm", puppet("a", "2.0.0", &["codec:a"]));
    until("a is restarted", || puppets.starts("a@2.0.0") > 2);
    let status = site.status();
    let numbers: Vec<u64> = status.history.iter().map(|it| it.generation).collect();
    assert_eq!((numbers.len(), numbers[0]), (2, first), "{numbers:?}");
    assert_eq!(status.previous, Some(first));
    wait(site.roll_back(first)).unwrap();
    assert_eq!(site.encode("a"), "a@1.0.0");
}

#[test]
fn without_a_number_each_rollback_goes_further_back() {
    let (site, first, second) = two_versions();
    site.drop_in("a.wasm", Guest::codec("a").stamp("3"));
    site.answers("a", "3");
    assert_eq!(site.status().previous, Some(second));
    wait(site.roll_back(second)).unwrap();
    assert_eq!(
        site.status().previous,
        Some(first),
        "expected the generation before, not the one that was rolled back"
    );
    wait(site.roll_back(first)).unwrap();
    assert_eq!((site.encode("a").as_str(), site.status().previous), ("1", None));
}

#[test]
fn changes_are_applied_after_a_refused_resumption() {
    let site =
        place().plugin("a.wasm", Guest::codec("a").stamp("1")).host_key("strict = true").host();
    let first = site.snapshot().generation();
    site.drop_in("a.wasm", Guest::codec("a").stamp("2"));
    site.answers("a", "2");
    wait(site.roll_back(first)).unwrap();
    site.drop_in("b.wasm", b"not wasm at all".as_slice());
    let report = wait(site.resume()).unwrap();
    assert!(!report.published);
    assert_eq!((site.encode("a").as_str(), site.status().pinned), ("1", None));
    site.remove("b.wasm");
    site.answers("a", "2");
}
