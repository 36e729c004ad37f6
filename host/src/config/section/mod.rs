//! The sections of the file, each with its defaults and the ranges of its keys.
//!
//! | file | idea |
//! |---|---|
//! | `settings` | the whole [`Config`](super::Config), `[host]`, `[server]`, `[admin]` |
//! | `limits` | `[defaults]`: what one plugin may use, and how a plugin overrides it |
//! | `keys` | the names of all keys |
//! | `plugins`, `routes` | `[plugins.NAME]` and `[[routes]]` |
//! | `grants`, `network` | `[plugins.NAME.grants]`: folders, addresses, variables |
//! | `capabilities`, `request_key` | `[capabilities."KIND:NAME"]`: several plugins behind one name |
//! | `migrations` | `[[migrations]]`: what may be gone only where something else is there |

pub(super) mod capabilities;
pub(super) mod grants;
pub(super) mod keys;
pub(super) mod limits;
pub(super) mod migrations;
pub(super) mod network;
pub(super) mod plugins;
pub(super) mod request_key;
pub(super) mod routes;
pub(super) mod settings;
