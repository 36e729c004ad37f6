//! Endpoints for tests. The port tells them apart.

use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::{Endpoint, EndpointId, HealthStatus, Sequence};

pub(crate) fn endpoint(port: u16) -> Arc<Endpoint> {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(port.into());
    Arc::new(Endpoint {
        id: EndpointId::new(at, [0; 10]),
        service: "orders".parse().unwrap(),
        host: "127.0.0.1".parse().unwrap(),
        port: NonZeroU16::new(port).unwrap(),
        metadata: std::collections::BTreeMap::new(),
        tags: std::collections::BTreeSet::new(),
        weight: NonZeroU16::MIN,
        health: HealthStatus::Passing,
        ttl: Duration::from_secs(30),
        check: None,
        owner: None,
        registered_at: at,
        sequence: Sequence(port.into()),
        retained: false,
    })
}

/// The ports 1 to `count`.
pub(crate) fn endpoints(count: u16) -> Vec<Arc<Endpoint>> {
    (1..=count).map(endpoint).collect()
}

pub(crate) fn critical(port: u16) -> Arc<Endpoint> {
    let mut endpoint = endpoint(port);
    Arc::make_mut(&mut endpoint).health = HealthStatus::Critical;
    endpoint
}

/// A balancer's member for an endpoint at this place.
pub(crate) fn member_at(host: &str, port: u16) -> Arc<super::balance::Member> {
    use super::balance::{Balancer, RoundRobin, Rules};

    let mut endpoint = endpoint(port);
    Arc::make_mut(&mut endpoint).host = host.parse().unwrap();
    let balancer = Balancer::new(RoundRobin, Rules::default(), 1);
    balancer.update(&[endpoint]);
    Arc::clone(&balancer.ready().members()[0])
}
