//! The store in a file: what it keeps when processes are killed and disks fail.

mod backup;
#[cfg(target_os = "linux")]
mod faults;
#[cfg(unix)]
mod kill;
mod open;
#[cfg(unix)]
mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use plugbay_discovery::{
    DeregisterReason, Endpoint, EndpointId, HealthStatus, Loaded, Record, Sequence, SqliteStore,
    Store,
};

/// Where the child of a test finds its folder.
const FOLDER: &str = "PLUGBAY_TEST_FOLDER";

/// An endpoint with a number, by which it has an identifier and a port.
fn endpoint(number: u16) -> Endpoint {
    Endpoint {
        id: id(number),
        service: "web".parse().unwrap(),
        host: "10.0.0.1".parse().unwrap(),
        port: NonZeroU16::new(number % 60_000 + 1).unwrap(),
        metadata: BTreeMap::from([("number".to_owned(), number.to_string())]),
        tags: BTreeSet::from(["test".to_owned()]),
        weight: NonZeroU16::MIN,
        health: HealthStatus::Passing,
        ttl: Duration::from_secs(30),
        check: None,
        owner: Some("tester".to_owned()),
        registered_at: UNIX_EPOCH + Duration::from_secs(number.into()),
        sequence: Sequence(0),
        retained: false,
    }
}

fn id(number: u16) -> EndpointId {
    EndpointId::new(UNIX_EPOCH + Duration::from_millis(number.into()), [7; 10])
}

fn put(number: u16) -> Record {
    Record::Put { endpoint: endpoint(number) }
}

fn remove(number: u16) -> Record {
    let service = "web".parse().unwrap();
    Record::Remove { service, id: id(number), reason: DeregisterReason::Deregistered }
}

fn ceiling(sequence: u64) -> Record {
    Record::Ceiling { sequence: Sequence(sequence) }
}

/// What a file holds, read by a store of its own.
fn read(file: &Path) -> Loaded {
    SqliteStore::open(file).unwrap().load().unwrap()
}

fn ids(loaded: &Loaded) -> Vec<EndpointId> {
    loaded.endpoints.iter().map(|endpoint| endpoint.id).collect()
}

/// A command that runs one ignored test of this program in a process of its own.
fn child(test: &str, folder: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", test, "--ignored", "--nocapture"]).env(FOLDER, folder);
    command
}
