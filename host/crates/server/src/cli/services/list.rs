//! `services list`, `services show`

use std::collections::BTreeMap;
use std::fmt::Write as _;

use clap::Args;
use plugbay::escaped;
use plugbay_discovery::{Endpoint, ServiceName};

use super::ask::Directory;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;

/// Lists the services and how many endpoints each has
#[derive(Args)]
pub(super) struct List {}

impl List {
    pub(super) async fn run(
        &self,
        directory: &Directory,
        globals: &Globals,
    ) -> Result<Outcome, Failure> {
        let services: BTreeMap<ServiceName, usize> = directory.get("/services").await?;
        if globals.json {
            print::json(&services)?;
            return Ok(Outcome::Done);
        }
        let rows = services.iter().map(|(name, count)| vec![name.to_string(), count.to_string()]);
        print::line(&print::table(&["service", "endpoints"], rows.collect()))?;
        Ok(Outcome::Done)
    }
}

/// Shows the endpoints of a service
///
/// Without --all only those that a client would use: critical ones are left out. `retained` marks an endpoint whose
/// lease ran out together with most others, and that the directory keeps until it knows better.
#[derive(Args)]
pub(super) struct Show {
    /// The service
    name: ServiceName,
    /// Critical endpoints too
    #[arg(long)]
    all: bool,
    /// Only those with this tag; may be repeated
    #[arg(long, value_name = "TAG")]
    tag: Vec<String>,
}

impl Show {
    pub(super) async fn run(
        &self,
        directory: &Directory,
        globals: &Globals,
    ) -> Result<Outcome, Failure> {
        let mut path = format!("/services/{}?include_unhealthy={}", self.name, self.all);
        for tag in &self.tag {
            let tag =
                percent_encoding::utf8_percent_encode(tag, percent_encoding::NON_ALPHANUMERIC);
            let _ = write!(path, "&tag={tag}");
        }
        let endpoints: Vec<Endpoint> = directory.get(&path).await?;
        if globals.json {
            print::json(&endpoints)?;
        } else {
            let heads = ["id", "address", "health", "weight", "tags", "metadata", ""];
            print::line(&print::table(&heads, endpoints.iter().map(row).collect()))?;
        }
        Ok(if endpoints.is_empty() { Outcome::Negative } else { Outcome::Done })
    }
}

fn row(endpoint: &Endpoint) -> Vec<String> {
    let words = |words: Vec<String>| escaped(words.join(" ")).into_owned();
    vec![
        endpoint.id.to_string(),
        endpoint.host.authority(endpoint.port.get()),
        endpoint.health.to_string(),
        endpoint.weight.to_string(),
        words(endpoint.tags.iter().cloned().collect()),
        words(endpoint.metadata.iter().map(|(key, value)| format!("{key}={value}")).collect()),
        if endpoint.retained { "retained".into() } else { String::new() },
    ]
}
