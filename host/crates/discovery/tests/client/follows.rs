//! The cache: what a client knows of a service, whatever happens to the directory.

use std::time::Duration;

use plugbay_discovery::client::bootstrap::Bootstrap;
use plugbay_discovery::client::{LookupError, RegisteredEndpoint};

use crate::world::{Directory, builder, client, eventually, known, name, registration};

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_client_follows_registrations_and_departures() {
    let directory = Directory::start().await;
    let [producer, consumer] = [client(&directory).await, client(&directory).await];
    let orders = consumer.service(&name("orders"));
    let first = producer.register(registration("orders", 1, LONG)).await.unwrap();
    let second = producer.register(registration("orders", 2, LONG)).await.unwrap();
    producer.register(registration("others", 3, LONG)).await.unwrap();
    orders.wait_known().await.unwrap();
    eventually("both are known", || known(&orders) == [1, 2]).await;
    assert!(first.deregister().await.unwrap());
    eventually("one is known", || known(&orders) == [2]).await;
    drop(second);
    assert_eq!(consumer.figures().resyncs, 1, "one snapshot, and then changes");
}

#[tokio::test]
async fn a_subscriber_that_is_slow_gets_the_latest_snapshot() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let orders = client.service(&name("orders"));
    let mut snapshots = orders.subscribe();
    let mut registered = Vec::new();
    for port in 1..=20 {
        registered.push(client.register(registration("orders", port, LONG)).await.unwrap());
    }
    eventually("all are known", || known(&orders).len() == 20).await;
    let latest = snapshots.borrow_and_update().clone().unwrap();
    assert_eq!(latest.endpoints.len(), 20);
    assert!(!snapshots.has_changed().unwrap(), "nothing is queued");
}

#[tokio::test]
async fn a_directory_that_is_gone_leaves_what_is_known_up_to_an_age() {
    let directory = Directory::start().await;
    let client =
        builder(&directory.url()).max_stale(Duration::from_millis(700)).build().await.unwrap();
    let orders = client.service(&name("orders"));
    let _registered = client.register(registration("orders", 1, LONG)).await.unwrap();
    eventually("it is known", || known(&orders) == [1]).await;
    let address = directory.kill();
    eventually("the watch broke", || client.figures().reconnects > 0).await;
    assert_eq!(known(&orders), [1], "stale, and served");
    assert!(orders.pick(None).is_ok());
    eventually("it is too old", || orders.pick(None).is_err()).await;
    let error = orders.pick(None).unwrap_err();
    let LookupError::Stale { age, problem, .. } = &error else { panic!("{error}") };
    assert!(*age > Duration::from_millis(700));
    assert!(problem.contains("does not answer"), "{error}");

    let directory = Directory::restart_at(address).await;
    eventually("it is fresh again", || orders.pick(None).is_ok()).await;
    eventually("it is registered again", || directory.ports("orders") == [1]).await;
}

#[tokio::test]
async fn a_directory_that_restarts_empty_takes_no_endpoint_away() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let orders = client.service(&name("orders"));
    let mut registered = Vec::new();
    for port in 1..=5 {
        let ttl = Duration::from_secs(6);
        registered.push(client.register(registration("orders", port, ttl)).await.unwrap());
    }
    let ids: Vec<_> = registered.iter().map(RegisteredEndpoint::id).collect();
    eventually("all are known", || known(&orders).len() == 5).await;
    let directory = Directory::restart_at(directory.kill()).await;
    let mut snapshots = orders.subscribe();
    // Whatever the client hears from now on, it knows all five.
    while directory.ports("orders").len() < 5 {
        assert_eq!(known(&orders), [1, 2, 3, 4, 5]);
        let _ = tokio::time::timeout(Duration::from_millis(50), snapshots.changed()).await;
    }
    let not_retained = || {
        let snapshot = orders.snapshot().unwrap();
        snapshot.endpoints.iter().all(|endpoint| !endpoint.retained)
    };
    eventually("all are registered as before", not_retained).await;
    assert_eq!(registered.iter().map(RegisteredEndpoint::id).collect::<Vec<_>>(), ids);
    assert!(client.figures().reregistrations >= 5);
}

#[tokio::test]
async fn another_address_takes_over() {
    let [first, second] = [Directory::start().await, Directory::start().await];
    let both = format!("{},{}", first.url(), second.url());
    let client = builder(&both).build().await.unwrap();
    let orders = client.service(&name("orders"));
    let _registered =
        client.register(registration("orders", 1, Duration::from_secs(2))).await.unwrap();
    eventually("it is known", || known(&orders) == [1]).await;
    assert_eq!(first.ports("orders"), [1]);
    first.kill();
    eventually("the second knows it", || second.ports("orders") == [1]).await;
    assert_eq!(client.figures().failovers, 1);
    eventually("the client follows the second", || {
        orders.snapshot().is_ok_and(|it| it.endpoints.iter().any(|it| !it.retained))
    })
    .await;
}

#[tokio::test]
async fn addresses_are_found_again_when_none_answers() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("directory");
    let directory = Directory::start().await;
    std::fs::write(&file, directory.url()).unwrap();
    let bootstrap = Bootstrap::default().file(&file);
    let client = builder("").bootstrap(bootstrap).build().await.unwrap();
    let orders = client.service(&name("orders"));
    orders.wait_known().await.unwrap();
    directory.kill();
    let other = Directory::start().await;
    std::fs::write(&file, other.url()).unwrap();
    let _registered = client.register(registration("orders", 1, LONG)).await.unwrap();
    eventually("the other is followed", || known(&orders) == [1]).await;
}

#[tokio::test]
async fn a_service_that_is_asked_for_in_vain_says_why() {
    let address = Directory::start().await.kill();
    let client =
        builder(&address.to_string()).first_wait(Duration::from_millis(200)).build().await.unwrap();
    let orders = client.service(&name("orders"));
    let error = orders.wait_known().await.unwrap_err();
    assert_eq!(error.reason(), "unknown-service");
    assert!(error.to_string().contains("does not answer"), "{error}");

    let directory = Directory::restart_at(address).await;
    orders.wait_known().await.unwrap();
    assert_eq!(orders.pick(None).unwrap_err().reason(), "no-endpoints");
    drop(directory);
}
