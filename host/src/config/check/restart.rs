//! Changes that take effect after a restart only.

use serde::{Deserialize, Serialize};

use crate::config::section::settings::Config;
use crate::config::value::listen::show;

/// A key whose new value takes effect after a restart.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
            ("host.mapped", config.host.mapped.to_string()),
            ("host.mapped_beyond", config.host.mapped_beyond.as_str().to_owned()),
            ("server.listen", show(&config.server.listen)),
            ("admin.enabled", config.admin.enabled.to_string()),
            ("admin.listen", show(&config.admin.listen)),
        ]
    };
    each(running)
        .into_iter()
        .zip(each(next))
        .filter(|((_, running), (_, next))| running != next)
        .map(|((key, running), (_, next))| PendingRestart { key: key.to_owned(), running, next })
        .collect()
}
