//! Variables, clocks, random numbers and what is printed.

use plugbay_core::{Environment, Grant, Grants, Policy};
use tracing::Level;

use crate::site::{lines, probe, probe_under};

#[test]
fn without_a_grant_every_door_is_shut_and_told_of() {
    let site = probe("shut", Grants::default());
    assert_eq!(site.denied("environment"), 0);
    assert_eq!(site.attempt("variable PATH"), "unset");
    assert_eq!(site.told(Grant::Environment), ["read environment variables"]);

    assert_eq!(site.attempt("time"), "0");
    assert_eq!(site.told(Grant::Clocks), ["read the time of day"]);

    let first = site.attempt("random");
    let other = probe("shut-too", Grants::default());
    assert_eq!(other.attempt("random"), first, "the same in each instance");
    assert_eq!(site.told(Grant::Random), ["read random numbers"]);

    assert_eq!(site.attempt("print hello\\n"), "printed");
    assert_eq!(lines("shut"), []);
    assert_eq!(site.told(Grant::Stdio), ["print to stdout"]);

    let before = site.denied("clocks");
    site.attempt("ask-time 1000");
    assert_eq!(site.denied("clocks"), before + 1000);
    assert_eq!(site.told(Grant::Clocks).len(), 1, "at most one notice in 10 s");
}

#[test]
fn granted_doors_are_open_and_silent() {
    let variables = [("GREETING".to_owned(), "hello".to_owned())];
    let grants = Grants {
        environment: Environment(variables.into()),
        clocks: true,
        random: true,
        stdio: true,
        ..Grants::default()
    };
    let site = probe("open", grants.clone());
    assert_eq!(site.attempt("variable GREETING"), "hello");
    assert_eq!(site.attempt("variable PATH"), "unset");
    let nanos: u128 = site.attempt("time").parse().unwrap();
    assert!(nanos > 1_700_000_000_000_000_000, "{nanos}");
    let passed: u64 = site.attempt("passes 20").parse().unwrap();
    assert!(passed >= 20, "{passed}");
    assert_ne!(site.attempt("random"), probe("open-too", grants).attempt("random"));

    site.attempt("print one\\ntw");
    // What was printed without an end is written at the end of the call.
    assert_eq!(lines("open"), [(Level::INFO, "one".into()), (Level::INFO, "tw".into())]);
    site.attempt("complain three\\n");
    assert_eq!(lines("open")[2..], [(Level::WARN, "three".into())]);
    // Some libraries look for folders when they start.
    let mut denied = site.stats().denied;
    denied.remove("files");
    assert!(denied.is_empty(), "{denied:?}");
    assert_eq!(site.notices().len(), site.told(Grant::Files).len(), "{:?}", site.notices());
}

#[test]
fn what_is_printed_is_bounded() {
    let grants = Grants { stdio: true, ..Grants::default() };
    let site = probe_under("loud", Policy { grants, logs: 10, ..Policy::default() });
    site.attempt(&format!("print {}", "x".repeat(20_000)));
    let long = lines("loud");
    assert_eq!(long.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(), [8192, 8192, 3616]);
    site.attempt(&format!("print {}", "x\\n".repeat(500)));
    let written = lines("loud").len() - long.len();
    // Ten at once, less the three above, and a few more if this took a while.
    assert!(written < 100, "{written}");
    assert_eq!(site.stats().limited["logs"], 500 - u64::try_from(written).unwrap());
}

#[test]
fn standing_clocks_neither_hang_nor_spin() {
    let cpu = std::time::Duration::from_millis(50);
    let site = probe_under("still", Policy { cpu, ..Policy::default() });
    assert_eq!(site.attempt("passes 300"), "0");
}
