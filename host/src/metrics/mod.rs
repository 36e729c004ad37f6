//! The metrics of a host, for Prometheus.
//!
//! [`Host::collectors`](crate::Host::collectors) is the registry: it has the host's own collector, and an
//! application registers its own ones there. The server writes it at `/metrics`.
//!
//! ```
//! use std::time::Duration;
//!
//! use plugbay::Host;
//! use plugbay::metrics::Format;
//! # use plugbay::Config;
//!
//! # let mut config = Config::default();
//! # config.host.linked = false;
//! # config.host.cache = Default::default();
//! # let echo = plugbay_fixtures::Guest::codec("echo").build();
//! # let builder = Host::builder().config(config).watch(false).artifact("echo", echo);
//! # let host = builder.build_blocking()?;
//! host.codec("echo")?.encode(&1)?;
//! let text = host.collectors().gather(Duration::from_secs(1)).encode(Format::Text);
//! let answered = r#"plugbay_calls_total{plugin="echo",version="1.0.0",outcome="answered"} 1"#;
//! assert!(text.contains(answered), "{text}");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Series are labelled by `plugin`, `version` and words of closed lists, never by a generation, a path or a
//! request. No counter goes back: the ledger in `set` adds up all runs of a version, and shows a version
//! that is gone for five minutes more.
//!
//! | file | idea |
//! |---|---|
//! | `families` | every family of the host, with its help |
//! | `host` | the collector, and the figures of the host as a whole |
//! | `plugins` | the figures of each plugin version |
//! | `guests` | the metrics that plugins report themselves |
//! | `states` | what plugins do with their state |

mod families;
mod guests;
mod host;
mod plugins;
#[cfg(feature = "state")]
mod states;

pub use plugbay_telemetry::{
    Collector, CollectorReport, Collectors, Collision, Described, DropReason, Failure, Family,
    Format, Gathered, Histogram, Kind, Limits, Number, RegisterError, Samples,
};

pub(crate) use self::host::HostCollector;
#[cfg(feature = "state")]
pub(crate) use self::states::StateCollector;
