//! Environment variables, clocks, random numbers, and standard output.

use plugbay_core::{CallErrorKind, Environment, Grant, Grants, Policy};
use tracing::Level;

use crate::support::{lines, probe, probe_under, pure, wait};

#[test]
fn without_grants_uses_are_harmless_and_reported() {
    let plugin = probe("shut", Grants::default());
    assert_eq!(plugin.denied("environment"), 0);
    assert_eq!(plugin.attempt("variable PATH"), "unset");
    assert_eq!(plugin.denied_uses(Grant::Environment), ["read environment variables"]);

    assert_eq!(plugin.attempt("time"), "0");
    assert_eq!(plugin.denied_uses(Grant::Clocks), ["read the time of day"]);

    let first = plugin.attempt("random");
    let other = probe("shut-too", Grants::default());
    assert_eq!(other.attempt("random"), first, "the same in each instance");
    assert_eq!(plugin.denied_uses(Grant::Random), ["read random numbers"]);

    assert_eq!(plugin.attempt("print hello\\n"), "printed");
    assert_eq!(lines("shut"), []);
    assert_eq!(plugin.denied_uses(Grant::Stdio), ["print to stdout"]);

    let before = plugin.denied("clocks");
    plugin.attempt("ask-time 1000");
    assert_eq!(plugin.denied("clocks"), before + 1000);
    assert_eq!(plugin.denied_uses(Grant::Clocks).len(), 1, "at most one notice in 10 s");
}

#[test]
fn granted_uses_work_and_are_not_reported() {
    let variables = [("GREETING".to_owned(), "hello".to_owned())];
    let grants = Grants {
        environment: Environment(variables.into()),
        clocks: true,
        random: true,
        stdio: true,
        ..Grants::default()
    };
    let plugin = probe("open", grants.clone());
    assert_eq!(plugin.attempt("variable GREETING"), "hello");
    assert_eq!(plugin.attempt("variable PATH"), "unset");
    let nanos: u128 = plugin.attempt("time").parse().unwrap();
    assert!(nanos > 1_700_000_000_000_000_000, "{nanos}");
    let passed: u64 = plugin.attempt("passes 20").parse().unwrap();
    assert!(passed >= 20, "{passed}");
    assert_ne!(plugin.attempt("random"), probe("open-too", grants).attempt("random"));

    plugin.attempt("print one\\ntw");
    // A line without an end is logged at the end of the call.
    assert_eq!(lines("open"), [(Level::INFO, "one".into()), (Level::INFO, "tw".into())]);
    plugin.attempt("complain three\\n");
    assert_eq!(lines("open")[2..], [(Level::WARN, "three".into())]);
    // Some standard libraries look for folders when they start.
    let mut denied = plugin.stats().denied;
    denied.remove("files");
    assert!(denied.is_empty(), "{denied:?}");
    assert_eq!(
        plugin.notices().len(),
        plugin.denied_uses(Grant::Files).len(),
        "{:?}",
        plugin.notices()
    );
}

#[test]
fn printed_output_is_bounded() {
    let grants = Grants { stdio: true, ..Grants::default() };
    let plugin = probe_under("loud", Policy { grants, logs: 10, ..Policy::default() });
    plugin.attempt(&format!("print {}", "x".repeat(20_000)));
    let long = lines("loud");
    assert_eq!(long.iter().map(|(_, text)| text.len()).collect::<Vec<_>>(), [8192, 8192, 3616]);
    plugin.attempt(&format!("print {}", "x\\n".repeat(500)));
    let written = lines("loud").len() - long.len();
    // The limit of ten a second less the three above, and more if this took longer than a second.
    assert!(written < 100, "{written}");
    assert_eq!(plugin.stats().limited["logs"], 500 - u64::try_from(written).unwrap());
}

#[test]
fn sleeping_without_clocks_neither_hangs_nor_spins() {
    let cpu = std::time::Duration::from_millis(50);
    let plugin = probe_under("still", Policy { cpu, ..Policy::default() });
    assert_eq!(plugin.attempt("passes 300"), "0");
}

#[test]
fn a_component_without_wasi_says_what_to_do_for_a_clock_or_a_thread() {
    let plugin = pure("bare", Grants { clocks: true, stdio: true, ..Grants::default() });
    for (command, part) in [
        (
            "now",
            "write target = \"wasi\" under [package.metadata.plugbay] in Cargo.toml, and let the operator grant `clocks`",
        ),
        (
            "sleep",
            "write target = \"wasi\" under [package.metadata.plugbay] in Cargo.toml; sleeping needs no grant",
        ),
        ("spawn", "a component has no threads"),
        ("panic", "as asked"),
    ] {
        let error = wait(plugin.ask(command)).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Panic, "{command}: {error}");
        assert!(error.message().contains(part), "{command}: {error}");
    }
    // As the guide says: the standard library drops what it prints.
    assert_eq!(plugin.attempt("print"), "done");
    assert_eq!(lines("bare"), [], "the errors have the messages of the panics");
}

#[test]
fn what_the_hints_say_gives_a_clock_and_sleep() {
    let plugin = probe("clocked", Grants { clocks: true, ..Grants::default() });
    assert!(plugin.attempt("passes 20").parse::<u64>().unwrap() >= 20);
    assert!(plugin.denied_uses(Grant::Clocks).is_empty());
}

#[test]
fn a_stack_overflow_is_called_so() {
    let plugin = probe("deep", Grants::default());
    let error = wait(plugin.ask("recurse 10000000")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Trap);
    assert!(error.message().contains("stack overflow"), "{error}");
    assert_eq!(plugin.attempt("recurse 10"), "10");
}
