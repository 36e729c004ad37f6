//! The data plane: the routes of the generation that serves, and codecs by name.
//!
//! - `GET /v1/codecs` lists the codecs.
//! - `POST /v1/codecs/{name}/encode` takes a document, JSON or CBOR by `Content-Type`, and returns
//!   bytes of the codec's first media type.
//! - `POST /v1/codecs/{name}/decode` takes bytes and returns a document, JSON or CBOR by `Accept`.
//! - Every other path is looked up in the routes. A route cannot replace the paths above.
//!
//! | file | idea |
//! |---|---|
//! | `service` | the plane as a service, for the listeners and for applications |
//! | `answer`, `target` | one request, from its header to its answer; what serves it |
//! | `forwarded`, `allowance` | for whom it is asked; whether that client may ask, and how often |
//! | `framing`, `body`, `budget` | what a request must be like; its body, in time and room |
//! | `routes`, `exchange`, `codecs` | what serves it |
//! | `layers` | fields for pages of other origins, and compression |
//! | `context`, `state`, `span` | what is known of it; what all requests share; its span |

mod allowance;
mod answer;
mod body;
mod budget;
mod codecs;
mod context;
mod exchange;
mod forwarded;
mod framing;
mod layers;
mod routes;
mod service;
mod span;
mod state;
mod target;

pub use self::service::DataPlane;
pub use self::target::RESERVED_PATHS;
