//! The two planes of a Plugbay host: the library of the program `plugbay`.
//!
//! The **data plane** answers requests with plugins; the **admin plane**, on its own listener that
//! only this machine can reach, shows what runs and why. [`Server`] binds both, opens the data
//! plane once there is a [`Host`](plugbay::Host), and stops them without losing an accepted
//! request.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use plugbay::{Config, Host};
//! use plugbay_server::Server;
//!
//! let config = Config::default();
//! let host = Host::builder().config(config.clone());
//! let listening = Server::bind(&config, host.liveness())?; // fails early if a port is in use
//! let host = host.build().await?;
//! let server = listening.serve(host)?;
//! println!("serving at http://{}", server.data_addresses()[0]);
//! server.stop(std::time::Duration::from_secs(30)).await;
//! # Ok(())
//! # }
//! ```
//!
//! [`DataPlane`] and [`AdminPlane`] are the planes as tower services, for an application with an HTTP server of
//! its own. And a [`Server`] serves any number of [`Listener`]s: ports, Unix sockets, and those of the application.
//!
//! # A request of the data plane
//!
//! connection (counted, header and idle timeouts) → id, span, **one snapshot**, deadline → route or
//! codec of that snapshot → body (bounded in size and time) → plugin (deadline) → response
//! (hop-by-hop headers dropped, names and values checked). Every error is a [`Problem`]; its table
//! of codes is stable.
//!
//! | module | idea |
//! |---|---|
//! | `listeners`, `bind_error` | binds the planes, and reads what secures them |
//! | `server` | serves the planes, stops |
//! | `listener` | the accept loop, the limits of connections, graceful shutdown |
//! | `descriptors` | the limit of open descriptors, and the share of it for connections |
//! | `shared` | the state that the server and both planes share |
//! | `history` | the latest events |
//! | `data` | routes and codecs |
//! | [`admin`] | what runs, what was refused, the latest events; the dashboard |
//! | `access` | the tokens of the admin plane, and what their bearers may do |
//! | [`audit`] | what was changed by the admin plane, and by whom |
//! | `tls` | the certificates of the planes |
//! | `watched` | files whose content may change at any time |
//! | `request_id` | what a request is known by |
//! | `export` | sends the spans of requests and reloads where the configuration says |
//! | `directory` | serves a directory of services |
//! | `guests` | the threads on which calls of plugins continue after their first slice |
//! | [`log`] | the lines of the log, as text or JSON |
//! | `access_log`, `request_id` | the line of each request, and its id |
//! | `problem` | errors as clients see them |
//! | [`document`] | documents as JSON or CBOR |
//! | `bundled` | the plugins that are linked in |
//!
//! # What is deliberately absent
//!
//! This library installs no subscriber, reads no environment and exits no process; `main.rs` does.

#![forbid(unsafe_code)]

mod access;
mod access_log;
pub mod admin;
pub mod audit;
mod bind_error;
mod bundled;
mod data;
mod descriptors;
mod directory;
pub mod document;
mod export;
mod field_error;
mod guests;
mod history;
mod listener;
mod listeners;
pub mod log;
mod problem;
mod rate;
mod repeated;
mod request_id;
mod server;
mod shared;
mod tls;
mod upgrades;
mod watched;

pub use access::{Caller, NewTokenError, Permission, Role, Token, TokensError, new_token};
pub use admin::AdminPlane;
pub use bind_error::BindError;
pub use data::{DataPlane, RESERVED_PATHS};
pub use descriptors::raise_descriptor_limit;
pub use directory::{DirectoryDns, DirectoryServer, DirectorySettings, HostedDirectory};
pub use export::span_exporter;
pub use field_error::FieldError;
pub use history::Record;
pub use listener::{Listener, NotListening, Sockets};
pub use listeners::Listeners;
pub use plugbay_otlp::Exporter;
pub use problem::{Problem, ProblemDetails};
pub use server::{Listening, Server, Stopped};
pub use tls::TlsError;
pub use upgrades::{UpgradeRequest, Upgrades};

// Tested in this crate, because it has linked plugins.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/embedding.md")]
mod embedding_guide {}
