//! The names of all keys, in one place. The reader refuses keys that are not listed here,
//! environment variables are derived from the list, and a test compares it with `config.toml` and
//! the reader. The keys of `[defaults]` are listed in `limits`.

use super::limits::LIMITS;

/// The tables at the top of the file.
pub(crate) const SECTIONS: &[&str] = &[
    "host",
    "server",
    "admin",
    "telemetry",
    "discovery",
    "defaults",
    "plugins",
    "routes",
    "capabilities",
    "migrations",
];

pub(crate) const HOST: &[&str] = &[
    "plugins",
    "cache",
    "state",
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
    "stall_timeout",
];
pub(crate) const SERVER: &[&str] = &[
    "listen",
    "max_body",
    "max_buffered",
    "timeout",
    "rate",
    "allow",
    "deny",
    "trusted_proxies",
    "compression",
    "max_connections",
    "max_connections_per_client",
    "max_requests_per_connection",
    "max_header",
    "max_header_fields",
    "header_timeout",
    "idle_timeout",
    "http2_streams",
    "http2_resets",
    "http2_refused",
    "http2_stream_window",
    "http2_connection_window",
    "http2_send_buffer",
    "http2_age",
    "tls",
];
pub(crate) const ADMIN: &[&str] = &[
    "enabled",
    "listen",
    "tokens",
    "metrics",
    "audit",
    "max_connections",
    "timeout",
    "rate",
    "change_rate",
    "attempt_rate",
    "tls",
];
pub(crate) const TELEMETRY: &[&str] =
    &["endpoint", "protocol", "sampling", "service_name", "headers", "timeout"];
pub(crate) const DISCOVERY: &[&str] = &[
    "enabled",
    "listen",
    "data",
    "tokens",
    "advertise",
    "address",
    "directory",
    "token_file",
    "ca",
    "dns",
    "zone",
    "tls",
];
pub(crate) const DEFAULTS: &[&str] = LIMITS;

/// The keys that only a plugin's section has.
const OF_A_PLUGIN: [&str; 5] = ["artifact", "enabled", "after", "config", "grants"];
/// The keys of a plugin's section.
pub(crate) const PLUGIN: [&str; OF_A_PLUGIN.len() + LIMITS.len()] = {
    let mut keys = [""; OF_A_PLUGIN.len() + LIMITS.len()];
    let mut at = 0;
    while at < keys.len() {
        keys[at] = match at.checked_sub(OF_A_PLUGIN.len()) {
            None => OF_A_PLUGIN[at],
            Some(at) => LIMITS[at],
        };
        at += 1;
    }
    keys
};
pub(crate) const GRANTS: &[&str] =
    &["read", "write", "network", "environment", "clocks", "random", "stdio", "state"];
/// The keys of a grant of state.
pub(crate) const STATE: &[&str] = &["keys", "value", "total"];
/// The keys of a granted folder that the plugin sees under another path.
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
pub(crate) const ROUTE: &[&str] =
    &["path", "methods", "handler", "name", "timeout", "max_body", "rate", "allow", "deny", "cors"];
/// The keys of a route's `cors`.
pub(crate) const CORS: &[&str] =
    &["origins", "methods", "headers", "expose", "credentials", "max_age"];

/// The sections whose keys can be set by variables: those with a fixed set of keys.
pub(crate) const IN_ENVIRONMENT: [(&str, &[&str]); 6] = [
    ("host", HOST),
    ("server", SERVER),
    ("admin", ADMIN),
    ("telemetry", TELEMETRY),
    ("discovery", DISCOVERY),
    ("defaults", DEFAULTS),
];
