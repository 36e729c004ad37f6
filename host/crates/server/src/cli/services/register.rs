//! `services register`, `services deregister`

use std::num::NonZeroU16;
use std::time::Duration;

use axum::http::Method;
use clap::Args;
use plugbay_discovery::{EndpointId, Host, Lease, RegisteredBody, ServiceName};
use serde_json::{Map, Value, json};

use super::ask::Directory;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;

/// Registers an endpoint, and prints its identifier
///
/// Its lease lasts for the ttl. With --keep the command renews it until it is interrupted, and then removes the
/// endpoint: so a program that knows nothing of directories can be in one.
#[derive(Args)]
pub(super) struct Register {
    /// The service: lower-case letters, digits and hyphens
    name: ServiceName,
    /// A DNS name or an IP address
    // The global argument `--host` has the other name.
    #[arg(id = "endpoint_host", value_name = "HOST")]
    host: Host,
    /// The port
    port: NonZeroU16,
    /// How long the lease lasts, such as 30s
    #[arg(long, value_name = "DURATION", default_value = "30s")]
    ttl: String,
    /// A word that clients can select by; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
    /// What to say about the endpoint; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = pair)]
    meta: Vec<(String, String)>,
    /// Its share of the load, in relation to the others'
    #[arg(long, default_value = "1")]
    weight: NonZeroU16,
    /// Lets the directory check this path by HTTP
    #[arg(long, value_name = "PATH", conflicts_with_all = ["check_tcp", "check_grpc"])]
    check_http: Option<String>,
    /// Lets the directory check that the port accepts connections
    #[arg(long, conflicts_with = "check_grpc")]
    check_tcp: bool,
    /// Lets the directory ask the gRPC health service for this service
    #[arg(long, value_name = "SERVICE")]
    check_grpc: Option<String>,
    /// The identifier of an earlier registration, to change it
    #[arg(long)]
    id: Option<EndpointId>,
    /// Renews the lease until it is interrupted, and then removes the endpoint
    #[arg(long)]
    keep: bool,
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').ok_or("expected KEY=VALUE")?;
    Ok((pair.0.to_owned(), pair.1.to_owned()))
}

impl Register {
    pub(super) async fn run(
        &self,
        directory: &Directory,
        globals: &Globals,
    ) -> Result<Outcome, Failure> {
        let body = directory.send(Method::POST, "/services", self.body().to_string()).await?;
        let registered: RegisteredBody =
            serde_json::from_slice(&body).map_err(|error| directory.failure(&error))?;
        if globals.json {
            print::line(&serde_json::to_string(&registered)?)?;
        } else {
            print::line(&registered.id.to_string())?;
        }
        if self.keep { keep(directory, &registered).await } else { Ok(Outcome::Done) }
    }

    fn body(&self) -> Value {
        let metadata: Map<String, Value> =
            self.meta.iter().map(|(key, value)| (key.clone(), value.clone().into())).collect();
        let check = match (&self.check_http, self.check_tcp, &self.check_grpc) {
            (Some(path), ..) => json!({ "http": path }),
            (_, true, _) => json!({ "tcp": true }),
            (_, _, Some(service)) => json!({ "grpc": service }),
            _ => Value::Null,
        };
        json!({
            "name": self.name, "host": self.host, "port": self.port, "ttl": self.ttl, "tags": self.tag,
            "metadata": metadata, "weight": self.weight, "check": check, "id": self.id,
        })
    }
}

/// Renews the lease thrice in its length, until a signal; then removes the endpoint.
async fn keep(directory: &Directory, registered: &RegisteredBody) -> Result<Outcome, Failure> {
    let RegisteredBody { id, name, ttl, .. } = registered;
    let path = format!("/services/{name}/{id}");
    let mut signals = crate::cli::serve::Signals::listen()?;
    let mut pause = *ttl / 3;
    loop {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = signals.stop() => break,
        }
        match directory.send(Method::PUT, &format!("{path}/heartbeat"), "").await {
            Ok(body) => {
                let lease: Lease =
                    serde_json::from_slice(&body).map_err(|error| directory.failure(&error))?;
                pause = lease.ttl / 3;
            }
            // The directory may be back before the lease runs out.
            Err(failure) => {
                tracing::warn!(error = failure.message(), "the lease is not renewed");
                pause = pause.min(Duration::from_secs(1));
            }
        }
    }
    directory.send(Method::DELETE, &path, "").await?;
    Ok(Outcome::Done)
}

/// Removes an endpoint
#[derive(Args)]
pub(super) struct Deregister {
    /// The service
    name: ServiceName,
    /// The identifier of the endpoint
    id: EndpointId,
}

impl Deregister {
    pub(super) async fn run(&self, directory: &Directory) -> Result<Outcome, Failure> {
        let path = format!("/services/{}/{}", self.name, self.id);
        directory.send(Method::DELETE, &path, "").await?;
        Ok(Outcome::Done)
    }
}
