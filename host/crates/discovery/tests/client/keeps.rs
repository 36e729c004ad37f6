//! The lease: what a client does for its own endpoints.

use std::time::Duration;

use plugbay_discovery::{HealthReport, HealthStatus};

use crate::world::{Directory, builder, client, eventually, known, name, registration};

#[tokio::test]
async fn heartbeats_keep_a_lease_and_without_them_it_runs_out() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let ttl = Duration::from_secs(1);
    let registered = client.register(registration("orders", 1, ttl)).await.unwrap();
    eventually("six heartbeats", || client.figures().heartbeats >= 6).await;
    assert_eq!(directory.ports("orders"), [1], "after two lengths of the lease");
    drop(registered);
    eventually("the lease ran out", || directory.ports("orders").is_empty()).await;
    assert_eq!(client.figures().failed_heartbeats, 0);
}

#[tokio::test]
async fn an_endpoint_that_was_forgotten_registers_again_with_its_identifier() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let ttl = Duration::from_secs(1);
    let registered = client.register(registration("orders", 1, ttl)).await.unwrap();
    let forget = directory.live().deregister(
        name("orders"),
        registered.id(),
        plugbay_discovery::Actor::default(),
    );
    forget.await.unwrap();
    assert!(directory.ports("orders").is_empty());
    eventually("it is there again", || directory.ports("orders") == [1]).await;
    assert_eq!(client.figures().reregistrations, 1);
}

#[tokio::test]
async fn what_an_endpoint_says_of_itself_arrives_at_once_and_comes_again() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let orders = client.service(&name("orders"));
    let ttl = Duration::from_secs(60);
    let registered = client.register(registration("orders", 1, ttl)).await.unwrap();
    let _other = client.register(registration("orders", 2, ttl)).await.unwrap();
    eventually("both are known", || known(&orders) == [1, 2]).await;
    let output = Some("the disk is full".to_owned());
    registered.report(HealthReport { status: HealthStatus::Critical, output });
    eventually("the directory leaves it out", || directory.ports("orders") == [2]).await;
    let called = || (0..10).map(|_| orders.pick(None).unwrap().member().endpoint().port.get());
    eventually("nobody calls it", || called().all(|port| port == 2)).await;
    assert_eq!(known(&orders), [1, 2], "but it is known");
}

#[tokio::test]
async fn a_service_may_start_before_its_directory() {
    let address = Directory::start().await.kill();
    let client = builder(&address.to_string()).build().await.unwrap();
    let ttl = Duration::from_secs(60);
    let registered = client.register(registration("orders", 1, ttl)).await.unwrap();
    assert!(!registered.is_registered());
    let directory = Directory::restart_at(address).await;
    registered.wait_registered().await;
    assert_eq!(directory.ports("orders"), [1]);
}

#[tokio::test]
async fn a_restarted_process_gets_its_address_when_the_old_lease_runs_out() {
    let directory = Directory::start().await;
    let ttl = Duration::from_secs(1);
    let killed = client(&directory).await;
    drop(killed.register(registration("orders", 1, ttl)).await.unwrap());
    let again = client(&directory).await;
    let registered = again.register(registration("orders", 1, ttl)).await.unwrap();
    registered.wait_registered().await;
    assert_eq!(directory.ports("orders"), [1]);
}

#[tokio::test]
async fn a_process_takes_over_the_registration_of_its_address() {
    let directory = Directory::start().await;
    let ttl = Duration::from_secs(60);
    let killed = client(&directory).await;
    let before = killed.register(registration("orders", 1, ttl)).await.unwrap();
    let id = before.id();
    drop(before);
    let again = builder(&directory.url()).take_over_addresses().build().await.unwrap();
    let registered = again.register(registration("orders", 1, ttl)).await.unwrap();
    assert!(registered.is_registered(), "at once, and not at the end of the lease");
    assert_eq!(registered.id(), id);
    assert!(registered.deregister().await.unwrap());
    assert!(directory.ports("orders").is_empty());
}

#[tokio::test]
async fn a_wrong_registration_is_an_error_at_once() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let wrong = registration("orders", 1, Duration::from_secs(1_000_000));
    let error = client.register(wrong).await.unwrap_err();
    assert_eq!(error.status().unwrap(), 400);
    assert!(error.to_string().contains("ttl"), "{error}");
}

#[tokio::test]
async fn leaving_is_not_ready_first_then_gone_and_then_the_grace() {
    let directory = Directory::start().await;
    let client = client(&directory).await;
    let ttl = Duration::from_secs(1);
    let registered = client.register(registration("orders", 1, ttl)).await.unwrap();
    let _second = client.register(registration("stock", 2, ttl)).await.unwrap();
    assert!(client.is_ready());
    let leaving = tokio::spawn({
        let client = client.clone();
        async move { client.leave(Duration::from_secs(2)).await }
    });
    eventually("both left", || {
        directory.ports("orders").is_empty() && directory.ports("stock").is_empty()
    })
    .await;
    assert!(!client.is_ready());
    assert!(!leaving.is_finished(), "the grace time has just begun");
    let heartbeats = client.figures().heartbeats;
    leaving.await.unwrap();
    assert!(directory.ports("orders").is_empty(), "no heartbeat registered it again");
    assert_eq!(client.figures().heartbeats, heartbeats);
    assert!(!registered.is_registered());
}
