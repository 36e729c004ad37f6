//! The same directory in the shapes of an earlier API: the address of an endpoint is `address`, its
//! metadata `meta`, its identifier is chosen by the client and kept under the key `instance-id` of the
//! metadata, and durations are whole nanoseconds. That API has no heartbeats, so leases last for a day,
//! and a check is what removes an endpoint.

use std::time::{Duration, SystemTime};

use axum::Json;
use axum::extract::{Path, Query as Pairs, State};
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::query::boolean;
use super::register::{Body, add, bytes, remove};
use super::state::{Api, Caller};
use crate::directory::{EndpointError, Query, Scope};
use crate::server::access::Right;
use crate::wire::{EndpointId, HealthStatus, Invalid, Registration, ServiceName, timestamp};

/// The key of the identifier that the client chose.
const INSTANCE: &str = "instance-id";
const TTL: Duration = Duration::from_secs(24 * 3600);

/// `POST /v1/services`
pub(super) async fn register(
    State(api): State<Api>,
    caller: Caller,
    body: Body,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let read = serde_json::from_slice(&bytes(body)?);
    let read: Value = read.map_err(|error| Invalid::of("", format!("expected JSON: {error}")))?;
    let mut registration = Registration::from_value(translated(&read)?)?;
    registration.ttl = TTL;
    if let Some(instance) = registration.metadata.get(INSTANCE) {
        // Registering an instance again replaces it.
        let query = Query {
            include_unhealthy: true,
            metadata: vec![(INSTANCE.to_owned(), instance.clone())],
            ..Query::default()
        };
        let name = registration.service.as_str();
        let found = api.directory.read(|directory, now| directory.lookup(name, &query, now));
        registration.id = found.endpoints.first().map(|it| it.id);
    }
    let registered = add(&api, &caller, registration).await?;
    Ok((StatusCode::CREATED, Json(json!({ "status": "registered", "id": registered.id }))))
}

/// The body of `POST /services` for one in the earlier shape.
fn translated(body: &Value) -> Result<Value, Invalid> {
    let part = |name: &str| body.get(name).cloned().unwrap_or_default();
    let Value::Object(mut service) = part("service") else {
        return Err(Invalid::of("service", "expected an object"));
    };
    let mut rename = |from: &str, to: &str| {
        if let Some(value) = service.remove(from) {
            service.insert(to.to_owned(), value);
        }
    };
    rename("address", "host");
    rename("meta", "metadata");
    for answer_only in ["health", "last_seen"] {
        service.remove(answer_only);
    }
    if let Some(id) = service.remove("id").filter(|id| *id != "") {
        let metadata = service.entry("metadata").or_insert_with(|| Map::new().into());
        if metadata.is_null() {
            *metadata = Map::new().into();
        }
        if let Value::Object(metadata) = metadata {
            metadata.insert(INSTANCE.to_owned(), id);
        }
    }
    if let Value::Object(mut check) = part("health_check") {
        check.remove("id");
        check.remove("name");
        check.retain(|_, value| *value != "");
        for time in ["interval", "timeout"] {
            if let Some(nanos) = check.get(time).and_then(Value::as_u64) {
                let seconds = Duration::from_nanos(nanos).as_secs_f64();
                if nanos == 0 {
                    check.remove(time)
                } else {
                    check.insert(time.into(), seconds.into())
                };
            }
        }
        if !check.is_empty() {
            service.insert("check".into(), check.into());
        }
    }
    Ok(service.into())
}

/// `DELETE /v1/services/{id}`
pub(super) async fn deregister(
    State(api): State<Api>,
    caller: Caller,
    Path(id): Path<String>,
) -> Result<Json<Value>, Problem> {
    let (name, id) = find(&api, &id).ok_or(EndpointError::NotFound)?;
    remove(&api, &caller, name, id).await?;
    Ok(Json(json!({ "status": "deregistered" })))
}

/// The endpoint with this identifier, the directory's or the client's.
fn find(api: &Api, id: &str) -> Option<(ServiceName, EndpointId)> {
    api.directory.read(|directory, now| {
        if let Ok(id) = id.parse() {
            return directory.service_of(id).map(|name| (name.clone(), id));
        }
        let all = directory.snapshot(&Scope::All, now).endpoints;
        let found = all.iter().find(|it| it.metadata.get(INSTANCE).is_some_and(|it| it == id));
        found.map(|it| (it.service.clone(), it.id))
    })
}

/// An endpoint in the earlier shape.
#[derive(Debug, Serialize)]
pub(super) struct Instance {
    id: String,
    name: ServiceName,
    address: String,
    port: u16,
    tags: Vec<String>,
    meta: std::collections::BTreeMap<String, String>,
    health: HealthStatus,
    #[serde(with = "timestamp")]
    last_seen: SystemTime,
}

/// `GET /v1/services/{name}/discover`
pub(super) async fn discover(
    State(api): State<Api>,
    caller: Caller,
    Path(name): Path<String>,
    Pairs(pairs): Pairs<Vec<(String, String)>>,
) -> Result<Json<Vec<Instance>>, Problem> {
    let name: ServiceName = name.parse().map_err(|error: String| Invalid::of("name", error))?;
    caller.need(Right::Read, name.as_str())?;
    let healthy = pairs.iter().find(|(key, _)| key == "healthy").map(|(_, value)| boolean(value));
    let healthy =
        healthy.transpose().map_err(|error| Invalid::of("healthy", error))?.unwrap_or(false);
    let query = Query { include_unhealthy: !healthy, ..Query::default() };
    let instances = api.directory.read(|directory, now| {
        let found = directory.lookup(name.as_str(), &query, now).endpoints;
        let instance = |endpoint: std::sync::Arc<crate::wire::Endpoint>| {
            let left = directory.lease_left(name.as_str(), endpoint.id, now).unwrap_or_default();
            let age = endpoint.ttl.saturating_sub(left);
            let mut meta = endpoint.metadata.clone();
            Instance {
                id: meta.remove(INSTANCE).unwrap_or_else(|| endpoint.id.to_string()),
                name: endpoint.service.clone(),
                address: endpoint.host.to_string(),
                port: endpoint.port.get(),
                tags: endpoint.tags.iter().cloned().collect(),
                meta,
                // There, an endpoint whose check has not run yet is passing.
                health: match endpoint.health {
                    HealthStatus::Unknown => HealthStatus::Passing,
                    other => other,
                },
                last_seen: now.wall.checked_sub(age).unwrap_or(now.wall),
            }
        };
        found.into_iter().map(instance).collect()
    });
    Ok(Json(instances))
}
