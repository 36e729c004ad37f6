//! The data plane: the routes of the generation that serves, and codecs by name.
//!
//! - `GET /v1/codecs` lists the codecs.
//! - `POST /v1/codecs/{name}/encode` takes a document, JSON or CBOR by `Content-Type`, and returns
//!   bytes of the codec's first media type.
//! - `POST /v1/codecs/{name}/decode` takes bytes and returns a document, JSON or CBOR by `Accept`.
//! - Every other path is looked up in the routes. A route cannot replace the paths above.

mod answer;
mod body;
mod budget;
mod codecs;
mod context;
mod exchange;
mod framing;
mod routes;
mod service;
mod span;
mod state;

pub use self::answer::RESERVED_PATHS;
pub use self::service::DataPlane;
