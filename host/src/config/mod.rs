//! The configuration: from `config.toml`, the environment and flags to one checked [`Config`].
//!
//! ```text
//! file ──parse──▶ tree ──┐
//! environment ─▶ texts ──┼─▶ merged tree ──read──▶ Config
//! flags ───────▶ texts ──┘      (every value knows where it was written)
//! ```
//!
//! A value keeps its place (file and span, variable, or flag) until it has been read, so that every
//! refusal can show the line, the caret and the remedy. Reading goes on after a mistake: all
//! mistakes of a file are reported together; only syntax errors stop, for what follows one is a
//! guess. Later layers win: flags > environment > file > defaults. The file is also checked alone,
//! so that a mistake in it does not hide behind a flag. What this module never does: it never reads
//! the environment (the caller passes the variables), never logs, never opens any file but the one
//! that [`Layers::file`] names and its kept text (it resolves the links of granted folders), and never
//! shows a value whose key sounds like a secret (`secret`).
//! | module | idea |
//! |---|---|
//! | `value` | durations, sizes and protocols |
//! | `problem` | mistakes: what was wrong, where it was written, and how it is printed |
//! | `read` | values with places, and reading them as types |
//! | `section` | [`Config`] and its sections |
//! | `check` | checks between sections, and changes that need a restart |
//! | `file`, `text` | files that change while they are read; the text of the configuration file |
//! | `flat` | a configuration as keys and values, and where each value comes from |
//! | `kept` | the text of the file that was last in force, kept in the cache folder |
//! | `layers` | the builder: file, environment and flags become one [`Config`] |
//! | [`schema`] | a plugin's own config against the schema that it declares |
//! Each module imports those above it in the table, never the other way.

mod check;
pub(crate) mod file;
mod flat;
pub(crate) mod kept;
pub(crate) mod layers;
mod problem;
mod read;
pub mod schema;
mod section;
pub(crate) mod text;
mod value;

#[cfg(test)]
mod tests;

pub use plugbay_registry::migrate;

pub use self::check::restart::PendingRestart;
pub use self::flat::Origin;
pub(crate) use self::flat::{Origins, flat};
pub use self::layers::Layers;
pub use self::problem::error::{ConfigError, ConfigSource, Excerpt, Problem, ProblemKind};
pub(crate) use self::problem::secret::without_secrets;
pub use self::schema::{Fault, SchemaViolation, check_plugin_config};
pub use self::section::admin::{AdminSettings, MetricsAccess};
pub use self::section::capabilities::{CapabilitySettings, Strategy};
pub use self::section::connections::ConnectionSettings;
pub use self::section::cors::CorsSettings;
pub use self::section::discovery::DiscoverySettings;
pub use self::section::limits::{PluginDefaults, PluginOverrides};
pub use self::section::plugins::PluginSettings;
pub use self::section::request_key::RequestKey;
pub use self::section::routes::{RouteOptions, RouteSettings};
pub use self::section::server::ServerSettings;
pub use self::section::settings::{Config, HostSettings};
pub use self::section::telemetry::{SecretHeaders, TelemetrySettings};
pub use self::section::tls::TlsSettings;
pub use plugbay_core::Reuse;

pub use self::value::listen::{ListenAddress, ListenAddressError};
pub use self::value::peer::{Peer, PeerError};
pub use self::value::protocol::SpanProtocol;
pub use self::value::rate::{Rate, RateError};
pub use self::value::size::{Size, SizeError};
