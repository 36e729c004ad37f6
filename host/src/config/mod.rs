//! The configuration room: from `config.toml`, the environment and flags to one checked [`Config`].
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
//! so that a mistake in it does not hide behind a flag.
//!
//! What this room never does: it never reads the environment (the caller passes the pairs), never
//! logs, never opens anything but the one file that [`Layers::file`] names (of granted folders it looks
//! where links lead), and never shows a value whose key sounds like a secret (`secret`).
//!
//! | file | idea |
//! |---|---|
//! | `settings` | [`Config`] and the sections `[host]`, `[server]`, `[admin]` |
//! | `policy` | `[defaults]`: what one plugin may use, and how a plugin overrides it |
//! | `plugins`, `routes` | `[plugins.NAME]` and `[[routes]]` |
//! | `grants`, `network` | `[plugins.NAME.grants]`: folders, addresses, variables |
//! | `capabilities`, `request_key` | `[capabilities."KIND:NAME"]`: several plugins behind one name |
//! | `migrations` | `[[migrations]]`: what may be gone only where something else is there |
//! | `keys` | the names of all keys and of their environment variables |
//! | `relations`, `graph` | settings that must fit each other; orders without a circle |
//! | `folders` | what must not lie in a folder that a plugin may write in |
//! | `layers`, `overlay` | the builder, and how variables and flags are laid over the file |
//! | `tree`, `section`, `setting` | values with places, and reading them as types |
//! | `duration`, `size`, `json`, `nearest`, `secret` | small vocabulary |
//! | `error`, `report`, `render` | what was wrong, and how it looks on a terminal |
//! | `deep` | a stack for foreign nesting |
//! | `restart` | what a running host cannot take over live |
//! | `schema` | a plugin's own config against the schema that it declares |

mod capabilities;
mod deep;
mod duration;
mod error;
mod folders;
mod grants;
mod graph;
mod json;
mod keys;
mod layers;
pub mod migrations;
mod nearest;
mod network;
mod overlay;
mod plugins;
mod policy;
mod relations;
mod render;
mod report;
mod request_key;
mod restart;
mod routes;
pub mod schema;
mod secret;
mod section;
mod setting;
mod settings;
mod size;
mod tree;

#[cfg(test)]
mod tests;

pub use self::capabilities::{CapabilitySettings, Strategy};
pub use self::error::{ConfigError, Excerpt, Origin, Problem, ProblemKind};
pub use self::layers::Layers;
pub use self::migrations::{Migration, Violation};
pub use self::plugins::PluginSettings;
pub use self::policy::{PluginDefaults, Reuse};
pub use self::request_key::RequestKey;
pub use self::restart::Restart;
pub use self::routes::RouteSettings;
pub use self::schema::{Fault, SchemaViolation, check_plugin_config};
pub use self::settings::{AdminSettings, Config, HostSettings, ServerSettings};
pub use self::size::{Size, SizeError};
