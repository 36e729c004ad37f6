//! The directory as a library, without HTTP.

use plugbay_discovery::{Actor, LiveDirectory, LiveSettings, Registration, Scope, ServiceName};

fn web(port: u16) -> Registration {
    let (name, host): (ServiceName, _) = ("web".parse().unwrap(), "h".parse().unwrap());
    Registration::new(name, host, port.try_into().unwrap())
}

#[tokio::test]
async fn a_watcher_gets_full_snapshots_and_may_miss_steps_but_not_the_last_state() {
    let directory = LiveDirectory::in_memory(LiveSettings::default());
    let mut watcher = directory.watch(Scope::Service("web".parse().unwrap()), None);
    assert!(watcher.snapshot().await.endpoints.is_empty());
    for port in 1..=5 {
        directory.register(web(port), Actor::anyone()).await.unwrap();
    }
    let snapshot = watcher.snapshot().await;
    assert_eq!(snapshot.endpoints.len(), 5, "changes that came before it looked are one");
    let id = snapshot.endpoints[0].id;
    directory.deregister("web".parse().unwrap(), id, Actor::anyone()).await.unwrap();
    let next = watcher.snapshot().await;
    assert_eq!((next.endpoints.len(), next.sequence), (4, snapshot.sequence.next()));
}

#[tokio::test]
async fn a_seed_makes_the_same_identifiers() {
    let clock = crate::served::TestClock::new();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let mut settings = LiveSettings::default();
        settings.seed = Some(7);
        settings.clock = std::sync::Arc::new(clock.clone());
        let directory = LiveDirectory::in_memory(settings);
        for port in 1..=3 {
            ids.push(directory.register(web(port), Actor::anyone()).await.unwrap().id);
        }
    }
    assert_eq!(ids[..3], ids[3..]);
}

#[tokio::test]
async fn a_directory_that_starts_again_numbers_its_changes_above_the_old_ones() {
    let mut last = None;
    for _ in 0..3 {
        let directory = LiveDirectory::in_memory(LiveSettings::default());
        directory.register(web(1), Actor::anyone()).await.unwrap();
        let sequence = directory.read(|it, _| it.sequence());
        assert!(Some(sequence) > last && sequence.0 < 1 << 53);
        last = Some(sequence);
    }
}
