//! Guests that misbehave in a call.

use std::time::Duration;

use plugbay::CallErrorKind::{
    Contract, Cpu, Deadline, Internal, Memory, Output, Overloaded, Trap, Unavailable, Unsupported,
};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::attack::{attack, attack_by, withstand};

#[test]
fn an_endless_loop() {
    withstand(&attack(&Behaviour::Spin).limits("cpu = '100ms'").ends_as(&[Cpu]));
}

#[test]
fn a_memory_bomb() {
    let bomb = attack(&Behaviour::GrowMemory { pages: 4 });
    withstand(&bomb.limits("memory = '64MiB'\ncpu = '60s'").ends_as(&[Memory]).holds_mib(50));
}

#[test]
fn a_memory_bomb_over_all_instances() {
    let bomb = attack(&Behaviour::GrowMemory { pages: 4 });
    let limits = "memory = '64MiB'\ntotal_memory = '80MiB'\nreuse = 'fresh'\ncpu = '60s'";
    withstand(&bomb.limits(limits).ends_as(&[Memory]).holds_mib(50));
}

#[test]
fn a_table_bomb() {
    withstand(&attack(&Behaviour::GrowTable).ends_as(&[Memory]));
}

#[test]
fn a_stack_overflow() {
    withstand(&attack(&Behaviour::Recurse).ends_as(&[Trap]));
}

/// The number of frames of a small function that use most of a guest's stack.
const DEEP: u32 = 7_000;

/// The plugin calls itself, each time with nearly all of its stack in use. Calls that wait for an
/// instance end at their deadline.
#[test]
fn deep_recursion() {
    let again = Behaviour::CallCodec("bad".into());
    let guest = Guest::both("bad")
        .on(Export::Encode, again.clone().below(DEEP))
        .on(Export::Decode, again.clone().below(DEEP))
        .on(Export::Handle, again);
    let attack = attack_by(guest).instances(16).limits("deadline = '1s'");
    withstand(&attack.ends_as(&[Unsupported, Unavailable, Internal, Overloaded, Deadline]));
}

/// No instance may use so much memory: the call fails inside the guest.
#[test]
fn an_answer_of_1_gib_beyond_its_memory() {
    withstand(&attack(&Behaviour::Output(1 << 30)).limits("cpu = '10s'").ends_as(&[Memory]));
}

/// The instance may use so much memory, but the host does not copy the answer.
#[test]
fn an_answer_of_1_gib() {
    let output = attack(&Behaviour::Output(1 << 30));
    let limits = "memory = '1100MiB'\ntotal_memory = '1100MiB'\ncpu = '60s'\ndeadline = '5m'";
    withstand(&output.limits(limits).once().ends_as(&[Output]).holds_mib(1000));
}

/// A copy cannot be interrupted, but its time counts: the call ends after a few copies.
#[test]
fn a_memory_copy_of_1_gib() {
    let copy = attack(&Behaviour::MemoryCopy(1 << 30));
    let limits = "memory = '1100MiB'\ntotal_memory = '1100MiB'\ncpu = '10ms'\ndeadline = '5m'";
    let ends = [Cpu];
    withstand(&copy.limits(limits).once().ends_as(&ends).holds_mib(1000));
}

#[test]
fn a_trap_on_every_call() {
    withstand(&attack(&Behaviour::Trap).ends_as(&[Trap]));
}

#[test]
fn a_panic_on_every_call() {
    let panic = Behaviour::Panic("x".repeat(100_000));
    withstand(&attack(&panic).ends_as(&[plugbay::CallErrorKind::Panic]));
}

#[test]
fn garbage_in_place_of_a_document() {
    let garbage =
        Behaviour::Garbage(b"\x9f\x9f\x9f\xff\xfe\x5b\xff\xff\xff\xff\xff\xff\xff\xff".into());
    // `encode` returns bytes in the plugin's own format, which the host does not check.
    let guest = Guest::both("bad")
        .on(Export::Encode, Behaviour::Trap)
        .on(Export::Decode, garbage)
        .on(Export::Handle, Behaviour::InvalidStatus(9));
    withstand(&attack_by(guest).ends_as(&[Trap, Contract]));
}

#[test]
fn wrong_lengths() {
    withstand(&attack(&Behaviour::BadPointer).ends_as(&[Contract]));
}

#[test]
fn text_that_is_not_utf_8() {
    withstand(&attack(&Behaviour::InvalidText).ends_as(&[Contract]));
}

#[test]
fn sleeping_in_the_host() {
    let sleep = attack(&Behaviour::Wait(Duration::from_secs(600)));
    withstand(&sleep.limits("deadline = '200ms'").ends_as(&[Deadline, Overloaded]));
}
