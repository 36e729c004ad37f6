//! The services of the host's directory, for the dashboard.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::SystemTime;

use axum::Json;
use axum::extract::State;
use plugbay::timestamp;
use plugbay_discovery::{Directory, HealthStatus, Moment, Scope};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::shared::Shared;

/// The most endpoints of an answer.
const MOST: usize = 2_000;

/// `GET /v1/services`
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct Services {
    /// Where the host's directory is, for `plugbay services --directory`; none if the host has no directory.
    pub directory: Option<String>,
    /// How many endpoints there are.
    pub total: usize,
    /// The first of them, those that need attention before the others, by service.
    pub endpoints: Vec<ServiceEndpoint>,
}

/// An endpoint of a service in the directory of the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct ServiceEndpoint {
    /// Its identifier.
    pub id: String,
    /// The service.
    pub name: String,
    /// `host:port`.
    pub address: String,
    /// `passing`, `unknown`, `warning` or `critical`.
    pub health: String,
    /// Since when its health is this.
    #[serde(with = "timestamp")]
    #[schema(value_type = String, format = DateTime)]
    pub since: SystemTime,
    /// Whether its lease ran out together with most others of its service, so that the directory keeps it.
    pub retained: bool,
    /// What its owner calls it.
    pub tags: BTreeSet<String>,
    /// Why its last check failed, or what it says of itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The endpoints in the directory of this host, healthy or not.
#[utoipa::path(
    get, path = "/v1/services", tag = "state",
    responses((status = 200, description = "The answer", body = Services)),
)]
pub(super) async fn services(State(shared): State<Arc<Shared>>) -> Json<Services> {
    let Some((directory, address)) = shared.directory.get() else {
        return Json(Services { directory: None, total: 0, endpoints: Vec::new() });
    };
    let (total, endpoints) = directory.read(read);
    Json(Services { directory: Some(address.clone()), total, endpoints })
}

/// How many endpoints there are, and the first of them.
fn read(directory: &Directory, now: Moment) -> (usize, Vec<ServiceEndpoint>) {
    let mut found = directory.snapshot(&Scope::All, now).endpoints;
    let total = found.len();
    // The sort is stable: within both parts the services stay in the order of their names.
    found.sort_by_key(|it| it.health <= HealthStatus::Unknown && !it.retained);
    found.truncate(MOST);
    let endpoints = found.iter().filter_map(|it| {
        let health = directory.health(it.service.as_str(), it.id, now)?;
        Some(ServiceEndpoint {
            id: it.id.to_string(),
            name: it.service.to_string(),
            address: it.host.authority(it.port.get()),
            health: it.health.to_string(),
            since: health.since,
            retained: it.retained,
            tags: it.tags.clone(),
            error: health.last_error.or(health.report.and_then(|report| report.output)),
        })
    });
    (total, endpoints.collect())
}
