//! The directory of this process as the source of a zone.

use super::answer::{DnsEndpoint, DnsSource};
use crate::directory::{Directory, Moment, Query};
use crate::server::LiveDirectory;

impl DnsSource for LiveDirectory {
    fn service(&self, name: &str, from: usize, most: usize) -> Option<Vec<DnsEndpoint>> {
        self.read(|directory, now| {
            let found = directory.lookup(name, &Query::default(), now).endpoints;
            if found.is_empty() {
                let any = Query { include_unhealthy: true, limit: Some(1), ..Query::default() };
                let known = !directory.lookup(name, &any, now).endpoints.is_empty();
                return known.then(Vec::new);
            }
            let order = (0..found.len().min(most)).filter_map(|index| {
                let endpoint = found.get((from.wrapping_add(index)) % found.len())?;
                Some(DnsEndpoint {
                    endpoint: endpoint.clone(),
                    left: directory.lease_left(name, endpoint.id, now)?,
                })
            });
            Some(order.collect())
        })
    }

    fn endpoint(&self, service: &str, id: &str) -> Option<DnsEndpoint> {
        self.read(|directory, now| endpoint(directory, service, id, now))
    }

    fn serial(&self) -> u64 {
        self.read(|directory, _| directory.sequence().0)
    }
}

fn endpoint(directory: &Directory, service: &str, id: &str, now: Moment) -> Option<DnsEndpoint> {
    let id = id.parse().ok()?;
    let endpoint = directory.endpoint(service, id, now)?;
    let left = directory.lease_left(service, id, now)?;
    endpoint.health.is_usable().then_some(DnsEndpoint { endpoint, left })
}
