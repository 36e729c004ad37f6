//! Metrics of a host, of its plugins and of the application around it, by one registry.
//!
//! A [`Collector`] describes its metric families and collects their series when it is asked. The
//! registry, [`Collectors`], checks what a new collector describes against everything that is
//! registered before it changes anything; it asks all collectors in parallel, each within a deadline;
//! and [`Gathered`] writes the result in one of two text [`Format`]s.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//!
//! use plugbay_telemetry::{Collector, Collectors, Described, Family, Format, Samples};
//!
//! static ORDERS: Family = Family::counter("shop_orders_total", "Orders by their result.")
//!     .labels(&["result"]);
//!
//! struct Shop;
//!
//! impl Collector for Shop {
//!     fn describe(&self) -> Vec<Described> {
//!         vec![ORDERS.clone().into()]
//!     }
//!
//!     fn collect(&self, samples: &mut Samples) {
//!         samples.counter(&ORDERS, &["paid"], 7_u64);
//!     }
//! }
//!
//! let collectors = Collectors::new();
//! collectors.register("shop", Arc::new(Shop))?;
//! let text = collectors.gather(Duration::from_secs(1)).encode(Format::Text);
//! assert!(text.contains("shop_orders_total{result=\"paid\"} 7\n"));
//! assert!(collectors.register("shop2", Arc::new(Shop)).is_err(), "the name is taken");
//! # Ok::<(), plugbay_telemetry::RegisterError>(())
//! ```
//!
//! | file | idea |
//! |---|---|
//! | `family` | the description of a metric family: its name as it is queried, kind, help, unit, labels |
//! | `claims` | the names that a description takes, and which of them another one has |
//! | `described`, `collector` | what a collector describes; the trait |
//! | `entry`, `collectors` | a registered collector; the registry: register, unregister |
//! | `gather`, `report` | asks all collectors in parallel, each within a deadline; how each of them did |
//! | `samples` | what one collector collects, checked and bounded |
//! | `own` | the registry's own figures |
//! | `encode` | the two text formats, by the crate prometheus-client |
//! | `error` | why a collector is not registered |
//!
//! # What is deliberately absent
//!
//! This crate keeps no counters: a collector reads figures where they are kept. It depends on no async
//! runtime and on no other crate of Plugbay, opens no socket and has no global registry.

#![forbid(unsafe_code)]

mod claims;
mod collector;
mod collectors;
mod described;
mod encode;
mod entry;
mod error;
mod family;
mod gather;
mod own;
mod report;
mod samples;
#[cfg(test)]
mod tests;

pub use collector::Collector;
pub use collectors::Collectors;
pub use described::Described;
pub use encode::Format;
pub use error::{Collision, RegisterError};
pub use family::{Family, Kind};
pub use gather::Gathered;
pub use report::{CollectorReport, Failure};
pub use samples::{DropReason, Histogram, Limits, Number, Samples};
