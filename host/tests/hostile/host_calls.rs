//! Guests that call the host without end.

use plugbay::CallErrorKind::{Cpu, Memory};
use plugbay_fixtures::Behaviour;

use crate::attack::{attack, withstand};

/// The neighbour serves the flood and the other callers.
#[test]
fn a_flood_of_calls_of_its_neighbour() {
    let flood = attack(&Behaviour::FloodCodecs("neighbour".into()));
    withstand(&flood.limits("cpu = '100ms'").ends_as(&[Cpu]));
}

#[test]
fn a_flood_of_calls_of_a_missing_codec() {
    let flood = attack(&Behaviour::FloodCodecs("nobody".into()));
    withstand(&flood.limits("cpu = '100ms'").ends_as(&[Cpu]));
}

#[test]
fn a_flood_of_log_lines() {
    withstand(&attack(&Behaviour::FloodLog).limits("cpu = '100ms'").ends_as(&[Cpu]));
}

#[test]
fn a_flood_of_metrics() {
    withstand(&attack(&Behaviour::Count(10_000)).limits("cpu = '10s'"));
}

/// Each timer uses memory of the host, so their number is limited.
#[test]
fn a_leak_of_timers() {
    withstand(&attack(&Behaviour::LeakTimers).limits("cpu = '1s'").once().ends_as(&[Memory]));
}

/// Without grants no instance can open a file.
#[test]
fn opening_of_files_and_sockets() {
    withstand(&attack(&Behaviour::OpenResources(100)).instances(16).limits("cpu = '10s'"));
}
