//! The client of a directory: producer and consumer in one object.
//!
//! A [`Client`] finds the directory by [`bootstrap`], registers the process's own endpoints and keeps
//! their leases, follows the services that the process calls, and calls them.
//!
//! ```no_run
//! use std::num::NonZeroU16;
//! use plugbay_discovery::Registration;
//! use plugbay_discovery::client::bootstrap::Bootstrap;
//! use plugbay_discovery::client::{Client, HttpClient};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::builder().bootstrap(Bootstrap::default().environment()).build().await?;
//!
//! // A producer …
//! let port = NonZeroU16::new(8080).ok_or("a port")?;
//! let registration = Registration::new("orders".parse()?, "10.0.0.7".parse()?, port);
//! let registered = client.register(registration).await?;
//!
//! // … and a consumer.
//! let http = HttpClient::new(client.clone(), reqwest::Client::new());
//! let stock = http.get("http://stock/items/17").await?;
//! # drop((registered, stock));
//! # Ok(())
//! # }
//! ```
//!
//! # The pieces
//!
//! - [`bootstrap`]: where the directory is.
//! - [`Client::register`]: heartbeats, and a new registration when the directory forgot the endpoint.
//! - [`Client::service`]: a [`Service`] is the cache of what is known about one service. It is filled by a
//!   watch, and used while the directory cannot be asked, up to an age.
//! - [`balance`]: which endpoint gets a call, and which are ejected.
//! - [`DiscoverLayer`] and [`HttpClient`]: tries, back-off, hedges.
//! - [`Client::leave`]: how a process stops without losing a call.
//!
//! # What is never done here
//!
//! - A pick takes no lock, reads no clock and waits for nothing.
//! - A slow subscriber delays nobody: it gets the latest snapshot, not each change.
//! - A sequence number of one address is never sent to another: directories count differently.
//! - A token is never shown, neither in an error nor by `Debug`.

pub mod balance;
pub mod bootstrap;
mod builder;
mod call;
#[expect(clippy::module_inception, reason = "the client of the room `client`")]
mod client;
mod figures;
mod lookup;
mod producer;
mod remote;
mod service;
mod settings;
mod snapshot;
mod sse;
#[cfg(test)]
mod testing;
mod view;
mod watcher;

pub use builder::ClientBuilder;
pub use call::{
    Backoff, CallError, CallRules, Discover, DiscoverLayer, HedgeAfter, HedgeRules, HttpClient,
    Outcome,
};
pub use client::Client;
pub use figures::ClientFigures;
pub use lookup::LookupError;
pub use producer::RegisteredEndpoint;
pub use remote::{Connect, Connecting, Connection, DirectoryError, Tcp};
pub use service::Service;
pub use settings::ServiceRules;
pub use snapshot::ServiceSnapshot;

/// The examples of the guide.
#[cfg(all(doctest, feature = "server"))]
#[doc = include_str!("../../../../../docs/discovery-client.md")]
struct Guide;
