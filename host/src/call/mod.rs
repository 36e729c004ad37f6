//! The path of a call to its plugin and back.
//!
//! ```text
//! snapshot ─▶ route ─▶ handle ─▶ lease ─▶ dispatch ─▶ tries ─▶ plugin
//! ```
//!
//! A call reads one published set from beginning to end. It takes the counted right to call before
//! it goes to a plugin, so that no plugin is shut down under it; if the set was retired in between,
//! it tries once more on the next set. Nothing here changes what is published.
//!
//! | file | idea |
//! |---|---|
//! | `snapshot`, `route` | a caller's view of one generation; the handler of an HTTP request |
//! | `handle`, `typed` | a capability by name, from any provider; codecs and handlers |
//! | `leased` | the right to call one capability, for a call that outlives a function |
//! | `options` | how a call may be made |
//! | `dispatch` | admission by a provider's guard, and the call, synchronous or asynchronous |
//! | `order`, `sticky`, `tries` | several providers: in which order, by which key, and when the next one is tried |
//! | `spans` | the spans of calls, for a trace |
//! | `services` | the calls that plugins may make |
//! | `error` | why a typed call failed |

mod dispatch;
mod error;
mod handle;
mod leased;
mod options;
mod order;
mod route;
mod services;
mod snapshot;
mod spans;
mod sticky;
mod tries;
mod typed;

pub use self::error::Error;
pub use self::handle::Handle;
pub use self::leased::CapabilityLease;
pub use self::options::{CallFuture, CallOptions};
pub use self::route::{RouteMatch, Routed};
pub(crate) use self::services::GenerationServices;
pub use self::snapshot::Snapshot;
pub use self::typed::{CodecHandle, HandlerHandle};
