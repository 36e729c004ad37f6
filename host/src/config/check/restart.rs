//! Changes that take effect after a restart only.

use serde::{Deserialize, Serialize};

use crate::config::section::settings::Config;
use crate::config::section::tls;
use crate::config::value::duration;
use crate::config::value::listen::show;

const HEADERS: &str = "telemetry.headers";

/// A key whose new value takes effect after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PendingRestart {
    /// Dotted, e.g. `server.listen`.
    pub key: String,
    /// The value that the running host uses.
    pub running: String,
    /// The value in the configuration.
    pub next: String,
}

impl Config {
    /// The keys that differ between `running` and `next` and take effect after a restart only.
    #[must_use]
    pub fn pending_restart(running: &Config, next: &Config) -> Vec<PendingRestart> {
        pending(running, next)
    }
}

fn pending(running: &Config, next: &Config) -> Vec<PendingRestart> {
    let each = |config: &Config| {
        [
            ("host.cache", config.host.cache.display().to_string()),
            ("host.state", config.host.state.display().to_string()),
            ("host.mapped", config.host.mapped.to_string()),
            ("host.mapped_beyond", config.host.mapped_beyond.as_str().to_owned()),
            ("server.listen", show(&config.server.listen)),
            ("server.max_connections", config.server.connections.max_connections.to_string()),
            ("server.tls", tls::show(config.server.tls.as_ref())),
            ("admin.enabled", config.admin.enabled.to_string()),
            ("admin.listen", show(&config.admin.listen)),
            ("admin.tokens", config.admin.tokens.display().to_string()),
            ("admin.audit", config.admin.audit.display().to_string()),
            ("admin.max_connections", config.admin.max_connections.to_string()),
            ("admin.timeout", duration::show(config.admin.timeout)),
            ("admin.rate", config.admin.rate.to_string()),
            ("admin.change_rate", config.admin.change_rate.to_string()),
            ("admin.attempt_rate", config.admin.attempt_rate.to_string()),
            ("admin.tls", tls::show(config.admin.tls.as_ref())),
            ("telemetry.endpoint", config.telemetry.endpoint.clone()),
            ("telemetry.protocol", config.telemetry.protocol.as_str().to_owned()),
            ("telemetry.service_name", config.telemetry.service_name.clone()),
            (HEADERS, format!("{:?}", config.telemetry.headers)),
            ("telemetry.timeout", duration::show(config.telemetry.timeout)),
            ("discovery.enabled", config.discovery.enabled.to_string()),
            ("discovery.listen", show(&config.discovery.listen)),
            ("discovery.data", config.discovery.data.display().to_string()),
            ("discovery.tokens", config.discovery.tokens.display().to_string()),
            ("discovery.directory", config.discovery.directory.join(", ")),
            ("discovery.token_file", config.discovery.token_file.display().to_string()),
            ("discovery.ca", config.discovery.ca.display().to_string()),
            ("discovery.dns", config.discovery.dns.map_or_else(String::new, |it| it.to_string())),
            ("discovery.zone", config.discovery.zone.clone()),
            ("discovery.tls", tls::show(config.discovery.tls.as_ref())),
        ]
    };
    let new_headers = running.telemetry.headers != next.telemetry.headers;
    each(running)
        .into_iter()
        .zip(each(next))
        // The texts have no secrets.
        .filter(|((key, running), (_, next))| running != next || (*key == HEADERS && new_headers))
        .map(|((key, running), (_, next))| PendingRestart { key: key.to_owned(), running, next })
        .collect()
}
