//! The sections of the file, each with its defaults and the ranges of its keys.
//!
//! | file | idea |
//! |---|---|
//! | `settings` | the whole [`Config`](super::Config), `[host]` |
//! | `server`, `connections` | `[server]`: the data plane, and the bounds of its connections |
//! | `admin` | `[admin]`: the admin plane, and who may use it |
//! | `discovery` | `[discovery]`: a directory of services in the host |
//! | `places` | addresses and paths that several sections have |
//! | `tls` | `tls = { … }` of both planes |
//! | `telemetry` | `[telemetry]`: traces |
//! | `limits` | `[defaults]`: the limits of a plugin, and how a plugin overrides them |
//! | `keys` | the names of all keys |
//! | `plugins`, `routes` | `[plugins.NAME]` and `[[routes]]` |
//! | `cors` | which pages of other origins may use a route |
//! | `grants`, `network` | `[plugins.NAME.grants]`: folders, addresses, variables |
//! | `capabilities`, `request_key` | `[capabilities."KIND:NAME"]`: several plugins behind one name |
//! | `migrations` | `[[migrations]]`: what may be removed only once something else is present |

pub(super) mod admin;
pub(super) mod capabilities;
pub(super) mod connections;
pub(super) mod cors;
pub(super) mod discovery;
pub(super) mod grants;
pub(super) mod keys;
pub(super) mod limits;
pub(super) mod migrations;
pub(super) mod network;
pub(super) mod places;
pub(super) mod plugins;
pub(super) mod request_key;
pub(super) mod routes;
pub(super) mod server;
pub(super) mod settings;
pub(super) mod telemetry;
pub(super) mod tls;
