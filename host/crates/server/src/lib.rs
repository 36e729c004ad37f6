//! The two planes of a Plugbay host: what the binary `plugbay` serves, as a library.
//!
//! The **data plane** answers requests with plugins; the **admin plane**, on a listener of its
//! own that only this machine can reach, says what runs and why. [`Server`] binds both, opens
//! the data plane once there is a [`Host`](plugbay::Host), and stops them without losing an
//! accepted request.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use plugbay::{Config, Host};
//! use plugbay_server::Server;
//!
//! let config = Config::default();
//! let listening = Server::bind(&config).await?; // a port in use is known before anything compiles
//! let host = Host::builder().config(config).build().await?;
//! let server = listening.serve(host);
//! println!("serving at http://{}", server.data_address());
//! server.stop(std::time::Duration::from_secs(30)).await;
//! # Ok(())
//! # }
//! ```
//!
//! # A request of the data plane
//!
//! connection (counted, header and idle timeouts) → id, span, **one snapshot**, deadline → route
//! or codec of that snapshot → body (bounded in size and time) → plugin (deadline) → response
//! (hop-by-hop headers dropped, names and values checked). Whatever goes wrong is a [`Problem`]:
//! its table of codes is the contract.
//!
//! | module | idea |
//! |---|---|
//! | `server` | binds, opens, stops: the order of things |
//! | `listener` | the accept loop, limits of a connection, and its end |
//! | `descriptors` | how many connections the process has room for |
//! | `shared` | what the server and both planes share |
//! | `history` | the latest events |
//! | `data` | routes and codecs |
//! | [`admin`] | what runs, what was refused, what happened lately |
//! | `guests` | the threads on which plugins go on that take longer than a slice |
//! | `problem` | errors as clients see them |
//! | [`document`] | documents as JSON or CBOR |
//! | `bundled` | the plugins that are linked in |
//!
//! # What is deliberately absent
//!
//! HTTP/2 and TLS: a proxy in front offers both, and without them no connection escapes the
//! header timeout. This library installs no subscriber, reads no environment and exits no
//! process; `main.rs` does.

#![forbid(unsafe_code)]

pub mod admin;
mod bundled;
mod data;
mod descriptors;
pub mod document;
mod guests;
mod history;
mod listener;
mod problem;
mod server;
mod shared;

pub use descriptors::raise_descriptor_limit;
pub use history::Record;
pub use problem::{Problem, ProblemDetails};
pub use server::{BindError, Listening, Server, Stopped};

// Here, because linked plugins are at hand.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/embedding.md")]
mod embedding_guide {}
