//! The data plane: routes of the running generation, and codecs by name.
//!
//! - `GET /v1/codecs` lists the codecs.
//! - `POST /v1/codecs/{name}/encode` takes a document, JSON or CBOR by `Content-Type`, and
//!   answers bytes of the codec's first media type.
//! - `POST /v1/codecs/{name}/decode` takes bytes and answers a document, JSON or CBOR by
//!   `Accept`.
//! - Every other path belongs to the routes. They cannot take `/v1/codecs` away.

mod around;
mod body;
mod budget;
mod codecs;
mod context;
mod exchange;
mod framing;
mod router;
mod routes;
mod state;

pub(crate) use self::router::router;
