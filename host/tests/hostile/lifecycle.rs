//! Guests that misbehave in `describe`, `init`, `health` or `shutdown`.

use std::time::{Duration, Instant};

use plugbay::Reason;
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::attack::{attack_by, beside_a_neighbour, replace, restore_good, withstand};
use crate::figures::{Figures, alone};
use crate::neighbour::{DEADLINE, Watch};
use crate::support::{request, until, wait};

/// Asserts that a plugin whose export has this behaviour is refused with this reason, and that its
/// good version and the neighbour keep serving.
fn assert_refused(export: Export, behaviour: &Behaviour, reason: Reason) {
    let _alone = alone();
    let site = beside_a_neighbour("init = '200ms'").host();
    let drop_in = |version: &str| {
        let guest = Guest::both("bad").version(version).on(export, behaviour.clone());
        let report = replace(&site, guest);
        let reasons: Vec<_> = report.rejected.iter().map(|it| (&*it.source, it.reason)).collect();
        let [(source, why)] = reasons[..] else { panic!("{report:?}") };
        assert!(source.ends_with("bad.wasm") && why == reason && !report.published, "{report:?}");
        assert_eq!(site.encode("bad"), "good");
    };
    // The first refusal fills the caches before the measurement.
    drop_in("2.0.0");
    restore_good(&site);
    let before = Figures::now();
    Watch::during(&site, || drop_in("3.0.0"));
    restore_good(&site);
    before.wait_until_released();
}

#[test]
fn an_endless_loop_in_the_start_function() {
    assert_refused(Export::Start, &Behaviour::Spin, Reason::Describe);
}

#[test]
fn an_endless_loop_in_describe() {
    assert_refused(Export::Describe, &Behaviour::Spin, Reason::Describe);
}

#[test]
fn an_endless_loop_in_init() {
    assert_refused(Export::Init, &Behaviour::Spin, Reason::InitDeadline);
}

#[test]
fn an_endless_loop_in_health() {
    assert_refused(Export::Health, &Behaviour::Spin, Reason::Unhealthy);
}

#[test]
fn an_endless_loop_in_shutdown() {
    let guest = Guest::both("bad").on(Export::Shutdown, Behaviour::Spin);
    withstand(&attack_by(guest).limits("init = '200ms'"));
}

#[test]
fn a_memory_bomb_in_the_start_function() {
    assert_refused(Export::Start, &Behaviour::GrowMemory { pages: 4 }, Reason::Describe);
}

#[test]
fn a_memory_bomb_in_describe() {
    assert_refused(Export::Describe, &Behaviour::GrowMemory { pages: 4 }, Reason::Describe);
}

#[test]
fn a_memory_bomb_in_init() {
    assert_refused(Export::Init, &Behaviour::GrowMemory { pages: 4 }, Reason::Init);
}

#[test]
fn a_memory_bomb_in_health() {
    assert_refused(Export::Health, &Behaviour::GrowMemory { pages: 4 }, Reason::Unhealthy);
}

#[test]
fn a_memory_bomb_in_shutdown() {
    let guest = Guest::both("bad").on(Export::Shutdown, Behaviour::GrowMemory { pages: 4 });
    withstand(&attack_by(guest));
}

#[test]
fn a_stack_overflow_in_describe() {
    assert_refused(Export::Describe, &Behaviour::Recurse, Reason::Describe);
}

#[test]
fn sleeping_in_describe() {
    assert_refused(Export::Describe, &Behaviour::Wait(Duration::from_secs(600)), Reason::Describe);
}

#[test]
fn sleeping_in_init() {
    assert_refused(Export::Init, &Behaviour::Wait(Duration::from_secs(600)), Reason::InitDeadline);
}

#[test]
fn sleeping_in_health() {
    assert_refused(Export::Health, &Behaviour::Wait(Duration::from_secs(600)), Reason::Unhealthy);
}

#[test]
fn sleeping_in_shutdown() {
    let guest = Guest::both("bad").on(Export::Shutdown, Behaviour::Wait(Duration::from_secs(600)));
    withstand(&attack_by(guest).limits("init = '200ms'"));
}

#[test]
fn a_description_of_1_gib() {
    assert_refused(Export::Describe, &Behaviour::Output(1 << 30), Reason::Describe);
}

#[test]
fn a_description_of_garbage() {
    assert_refused(Export::Describe, &Behaviour::Garbage(vec![0xff; 44]), Reason::Describe);
}

#[test]
fn a_log_flood_in_describe() {
    assert_refused(Export::Describe, &Behaviour::FloodLog, Reason::Describe);
}

/// Each instance may use its full time for `shutdown`, but the shutdowns run at the same time.
#[test]
fn many_instances_that_hang_in_shutdown() {
    const INSTANCES: u64 = 16;
    let _alone = alone();
    let guest = Guest::both("bad")
        .on(Export::Encode, Behaviour::Wait(Duration::from_millis(300)))
        .on(Export::Shutdown, Behaviour::Spin);
    let site = beside_a_neighbour("init = '1s'\ninstances = 16").host();
    assert_eq!(replace(&site, guest.version("2.0.0")).loaded, ["bad@2.0.0"]);
    until("all instances run", || {
        std::thread::scope(|scope| {
            for _ in 0..INSTANCES {
                scope.spawn(|| site.encode("bad"));
            }
        });
        site.running("bad").unwrap().stats.instances == INSTANCES
    });
    let began = Instant::now();
    Watch::during(&site, || restore_good(&site));
    let took = began.elapsed();
    assert!(took < Duration::from_secs(8), "{INSTANCES} shutdowns of 1 s each took {took:?}");
}

/// The caller of an instance's last call does not wait for its `shutdown`, which does not block the
/// caller's thread either.
#[test]
fn a_recycled_instance_that_hangs_in_shutdown() {
    let _alone = alone();
    let guest = Guest::both("bad").version("2.0.0").on(Export::Shutdown, Behaviour::Spin);
    let site = beside_a_neighbour("init = '10s'\ninstances = 8\nrecycle_calls = 1").host();
    assert_eq!(replace(&site, guest).loaded, ["bad@2.0.0"]);
    let (bad, neighbour) = (site.handler("bad").unwrap(), site.handler("neighbour").unwrap());
    let began = Instant::now();
    wait(async {
        assert_eq!(bad.handle(request("in")).await.unwrap().body, b"in");
        assert_eq!(neighbour.handle(request("in")).await.unwrap().body, b"inhere");
    });
    assert_eq!(site.encode("bad"), "");
    let took = began.elapsed();
    assert!(took < DEADLINE * 2, "two calls beside a shutdown of 10 s took {took:?}");
}
