//! The names of all keys, in one place.
//!
//! The reader refuses what is not listed here, the environment is matched against it, and a test
//! holds `config.toml` and the reader against it.

/// The tables at the top of the file.
pub(crate) const SECTIONS: &[&str] =
    &["host", "server", "admin", "defaults", "plugins", "routes", "capabilities", "migrations"];

pub(crate) const HOST: &[&str] = &[
    "plugins",
    "cache",
    "linked",
    "strict",
    "debounce",
    "rescan",
    "drain",
    "parallel",
    "mapped",
    "mapped_beyond",
    "history",
    "probes",
];
pub(crate) const SERVER: &[&str] = &["listen", "max_body", "timeout"];
pub(crate) const ADMIN: &[&str] = &["enabled", "listen"];
pub(crate) const DEFAULTS: &[&str] = &[
    "instances",
    "queue",
    "reuse",
    "recycle_calls",
    "recycle_memory",
    "memory",
    "total_memory",
    "tables",
    "files",
    "cpu",
    "deadline",
    "init",
    "output",
    "logs",
    "host_calls",
    "isolation",
    "breaker_failures",
    "breaker_open",
    "breaker_successes",
    "health_every",
    "health_deadline",
    "health_fall",
    "health_rise",
    "restarts",
];
/// [`DEFAULTS`] and what only a plugin has.
pub(crate) const PLUGIN: &[&str] = &[
    "artifact",
    "enabled",
    "after",
    "config",
    "grants",
    "instances",
    "queue",
    "reuse",
    "recycle_calls",
    "recycle_memory",
    "memory",
    "total_memory",
    "tables",
    "files",
    "cpu",
    "deadline",
    "init",
    "output",
    "logs",
    "host_calls",
    "isolation",
    "breaker_failures",
    "breaker_open",
    "breaker_successes",
    "health_every",
    "health_deadline",
    "health_fall",
    "health_rise",
    "restarts",
];
pub(crate) const GRANTS: &[&str] =
    &["read", "write", "network", "environment", "clocks", "random", "stdio"];
/// A folder of [`GRANTS`] that the plugin sees elsewhere.
pub(crate) const FOLDER: &[&str] = &["host", "guest"];
pub(crate) const CAPABILITY: &[&str] = &[
    "strategy",
    "providers",
    "weights",
    "key",
    "retries",
    "steps",
    "every",
    "errors",
    "latency",
    "calls",
];
pub(crate) const MIGRATION: &[&str] = &["remove", "requires", "reason"];
pub(crate) const ROUTE: &[&str] = &["path", "methods", "handler", "name"];

/// Sections whose keys can be set by a variable: those with a fixed set of keys.
const IN_ENVIRONMENT: [(&str, &[&str]); 4] =
    [("host", HOST), ("server", SERVER), ("admin", ADMIN), ("defaults", DEFAULTS)];

pub(crate) const PREFIX: &str = "PLUGBAY_";

/// Variables with our prefix that are not settings: the log filter, and where the file lies.
pub(crate) const NOT_SETTINGS: [&str; 2] = ["PLUGBAY_LOG", "PLUGBAY_CONFIG"];

/// Every variable that sets a key: (variable, section, key).
pub(crate) fn variables() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    IN_ENVIRONMENT.into_iter().flat_map(|(section, keys)| {
        keys.iter().map(move |&key| {
            let name = format!("{PREFIX}{section}_{key}").to_ascii_uppercase();
            (name, section, key)
        })
    })
}

/// Whether an orchestrator made this variable for a *service* called plugbay or plugbay-something.
///
/// Kubernetes and Docker links describe services in every container's environment
/// (`PLUGBAY_SERVICE_HOST`, `PLUGBAY_ADMIN_PORT_7071_TCP_ADDR`, `PLUGBAY_PORT=tcp://…`); a host
/// must start there although nobody wrote them.
pub(crate) fn describes_a_service(name: &str, value: &str) -> bool {
    let Some(rest) = name.strip_prefix("PLUGBAY") else {
        return false;
    };
    if rest.ends_with("_SERVICE_HOST") || rest.contains("_SERVICE_PORT") {
        return true;
    }
    if rest.ends_with("_PORT") {
        return value.contains("://");
    }
    rest.split_once("_PORT_").is_some_and(|(_, port)| {
        port.starts_with(|first: char| first.is_ascii_digit())
            && ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| port.contains(protocol))
    })
}
