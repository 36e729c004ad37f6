//! Registrations, heartbeats, deregistrations.

use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::bodies::{HeartbeatBody, Heartbeats, Lease, NotRenewed, RegisteredBody, Renewed};
use super::problem::{Problem, ProblemBody};
use super::state::{Api, Caller};
use crate::directory::EndpointError;
use crate::server::access::Right;
use crate::wire::{EndpointId, HealthReport, Invalid, Registration, ServiceName};

/// The most heartbeats of one request.
const MAX_HEARTBEATS: usize = 1000;

pub(super) type Body = Result<Bytes, BytesRejection>;

/// `POST /services`
#[utoipa::path(
    post,
    path = "/services",
    operation_id = "register",
    request_body = Registration,
    responses(
        (status = 201, description = "It is new.", body = RegisteredBody),
        (status = 200, description = "It was registered again.", body = RegisteredBody),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 409, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json"),
        (status = 507, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn register(
    State(api): State<Api>,
    caller: Caller,
    body: Body,
) -> Result<Response, Problem> {
    let registration = Registration::from_json(&bytes(body)?)?;
    let registered = add(&api, &caller, registration).await?;
    let RegisteredBody { id, ref name, created, .. } = registered;
    let status = if created { StatusCode::CREATED } else { StatusCode::OK };
    let location = format!("/services/{name}/{id}");
    Ok((status, [(header::LOCATION, location)], Json(registered)).into_response())
}

pub(super) async fn add(
    api: &Api,
    caller: &Caller,
    registration: Registration,
) -> Result<RegisteredBody, Problem> {
    let (name, ttl) = (registration.service.clone(), registration.ttl);
    caller.need(Right::Register, name.as_str())?;
    let actor = caller.actor(name.as_str());
    let registered = api.directory.register(registration, actor).await?;
    Ok(RegisteredBody { id: registered.id, name, ttl, created: registered.created })
}

/// `DELETE /services/{name}/{id}`
#[utoipa::path(
    delete,
    path = "/services/{name}/{id}",
    operation_id = "deregister",
    params(
        ("name" = String, Path, description = "The service."),
        ("id" = String, Path, description = "The endpoint.")
    ),
    responses(
        (status = 204, description = "It left."),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json"),
        (status = 503, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn deregister(
    State(api): State<Api>,
    caller: Caller,
    Path(path): Path<(String, String)>,
) -> Result<StatusCode, Problem> {
    let (name, id) = names(&path)?;
    remove(&api, &caller, name, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove(
    api: &Api,
    caller: &Caller,
    name: ServiceName,
    id: EndpointId,
) -> Result<(), Problem> {
    caller.need(Right::Register, name.as_str())?;
    let actor = caller.actor(name.as_str());
    Ok(api.directory.deregister(name, id, actor).await?)
}

/// `PUT /services/{name}/{id}/heartbeat`
#[utoipa::path(
    put,
    path = "/services/{name}/{id}/heartbeat",
    operation_id = "heartbeat",
    params(
        ("name" = String, Path, description = "The service."),
        ("id" = String, Path, description = "The endpoint.")
    ),
    request_body(
        content = Option<HeartbeatBody>,
        description = "What the endpoint says of itself; may be empty."
    ),
    responses(
        (status = 200, description = "The lease is renewed.", body = Lease),
        (status = 400, body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn heartbeat(
    State(api): State<Api>,
    caller: Caller,
    Path(path): Path<(String, String)>,
    body: Body,
) -> Result<Json<Lease>, Problem> {
    let (name, id) = names(&path)?;
    let name = name.as_str();
    caller.need(Right::Register, name)?;
    let report = HealthReport::from_heartbeat(&bytes(body)?)?;
    api.directory.heartbeat(name, id, &caller.actor(name), report)?;
    let endpoint = api.directory.read(|directory, now| directory.endpoint(name, id, now));
    let ttl = endpoint.ok_or(EndpointError::NotFound)?.ttl;
    Ok(Json(Lease { ttl }))
}

/// `PUT /heartbeats`
#[utoipa::path(
    put,
    path = "/heartbeats",
    operation_id = "heartbeats",
    request_body = Heartbeats,
    responses(
        (status = 200, description = "What each heartbeat did.", body = Renewed),
        (status = 400, body = ProblemBody, content_type = "application/problem+json")
    )
)]
pub(super) async fn heartbeats(
    State(api): State<Api>,
    caller: Caller,
    body: Body,
) -> Result<Json<Renewed>, Problem> {
    let read: Heartbeats = serde_json::from_slice(&bytes(body)?)
        .map_err(|error| Invalid::of("heartbeats", error.to_string()))?;
    if read.heartbeats.len() > MAX_HEARTBEATS {
        let found = read.heartbeats.len();
        let detail = format!("expected at most {MAX_HEARTBEATS} heartbeats, found {found}");
        return Err(Invalid::of("heartbeats", detail).into());
    }
    let mut answer = Renewed { renewed: 0, failed: Vec::new() };
    for beat in read.heartbeats {
        let name = beat.name.as_str();
        let renewed = if caller.may(Right::Register, name) {
            let actor = caller.actor(name);
            let report = beat.health.map(HealthReport::shortened);
            api.directory.heartbeat(name, beat.id, &actor, report).map_err(|error| error.reason())
        } else {
            Err("forbidden")
        };
        match renewed {
            Ok(()) => answer.renewed += 1,
            Err(reason) => {
                let (name, id) = (beat.name, beat.id);
                answer.failed.push(NotRenewed { name, id, reason: reason.into() });
            }
        }
    }
    Ok(Json(answer))
}

pub(super) fn bytes(body: Body) -> Result<Bytes, Problem> {
    body.map_err(|rejection| match rejection.status() {
        StatusCode::PAYLOAD_TOO_LARGE => {
            let detail = "expected a smaller body: at most 64 KiB, and 1 MiB of heartbeats";
            Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail)
        }
        _ => Problem::new(StatusCode::BAD_REQUEST, "invalid", "expected a whole body"),
    })
}

/// The parts of a path that names an endpoint. What cannot be a name or an identifier is not found.
pub(super) fn names((name, id): &(String, String)) -> Result<(ServiceName, EndpointId), Problem> {
    let parsed = name.parse().ok().zip(id.parse().ok());
    parsed.ok_or_else(|| EndpointError::NotFound.into())
}
