//! A directory with a store.

use std::sync::{Arc, Mutex};

use plugbay_discovery::{Loaded, MemoryStore, Record, Store, StoreError};
use serde_json::json;
use tokio::task::JoinSet;

use crate::served::Served;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let store = MemoryStore::default();
    let it = Served::stored(store.clone()).await;
    let client = it.client;
    let mut all = JoinSet::new();
    for port in 1..=100 {
        all.spawn(async move {
            client.register(&json!({"name": "web", "host": "h", "port": port})).await
        });
    }
    let ids = all.join_all().await;
    assert_eq!(client.delete(&format!("/services/web/{}", ids[0])).await.status, 204);
    let index = client.get("/services/web").await.header("plugbay-index").unwrap().to_owned();
    drop(it);
    let it = Served::stored(store).await;
    assert_eq!(it.client.ports("/services/web").await.len(), 99);
    let mut events = it.client.watch("/services/web/watch", &[("last-event-id", &index)]).await;
    let first = events.next().await;
    assert_eq!(first.kind, "snapshot", "the history is not stored");
    assert!(first.id >= index.parse().unwrap());
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_and_seen_by_nobody() {
    let store = MemoryStore::default();
    let it = Served::stored(store.clone()).await;
    let id = it.client.register(&json!({"name": "web", "host": "h", "port": 1})).await;
    let mut events = it.client.watch("/services/web/watch", &[]).await;
    store.set_failing(true);
    let body = json!({"name": "web", "host": "h", "port": 2});
    let refused = it.client.post("/services", &body).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (503, &json!("unavailable")));
    assert_eq!(it.client.delete(&format!("/services/web/{id}")).await.status, 503);
    assert_eq!(it.client.ports("/services/web").await, [1]);
    let heartbeat = it.client.put(&format!("/services/web/{id}/heartbeat"), "").await;
    assert_eq!(heartbeat.status, 200, "leases are not stored");
    store.set_failing(false);
    it.client.register(&body).await;
    assert_eq!(events.next().await.data["endpoint"]["port"], 2);
    assert_eq!(it.directory.figures().store_failures(), 2);
}

/// Counts the batches, and holds each until the test lets it go.
#[derive(Clone, Default)]
struct Slow {
    gate: Arc<Mutex<()>>,
    batches: Arc<Mutex<Vec<usize>>>,
}

impl Store for Slow {
    fn load(&mut self) -> Result<Loaded, StoreError> {
        Ok(Loaded::default())
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StoreError> {
        let puts = records.iter().filter(|record| matches!(record, Record::Put { .. })).count();
        let _turn = self.gate.lock().unwrap();
        self.batches.lock().unwrap().push(puts);
        Ok(())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_wait_are_written_at_once_and_conflicts_are_decided_in_order() {
    let store = Slow::default();
    let it = Served::stored(store.clone()).await;
    let client = it.client;
    let mut all = JoinSet::new();
    let closed = store.gate.lock().unwrap();
    for number in 0..60 {
        // Each address three times.
        let body = json!({"name": "web", "host": "h", "port": 1 + number % 20});
        all.spawn(async move { client.post("/services", &body).await.status.as_u16() });
    }
    // A registration is visible only once it is stored.
    assert!(it.directory.read(|it, now| it.services(now).count()) == 0);
    drop(closed);
    let statuses = all.join_all().await;
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(201), count(409)), (20, 40));
    let batches = store.batches.lock().unwrap();
    let (writes, puts) = (batches.len(), batches.iter().sum::<usize>());
    assert_eq!(puts, 20);
    assert!(writes < 20, "{batches:?}");
}
