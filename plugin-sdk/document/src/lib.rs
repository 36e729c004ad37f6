//! One CBOR item that any `serde` value turns into and comes from, and that streams between any
//! two `serde` formats.
//!
//! Plugbay's codecs speak of [`Document`]s: what a caller hands over as a Rust value, a plugin in
//! any language receives as one item of CBOR (RFC 8949), and the other way round. The type hides
//! that it is CBOR.
//!
//! ```
//! use plugbay_document::Document;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Order { id: u64, paid: bool }
//!
//! // a value in and out
//! let document = Document::from_value(&Order { id: 7, paid: true })?;
//! assert_eq!(document.to_value::<Order>()?, Order { id: 7, paid: true });
//!
//! // a format in and out, with no tree in between
//! assert_eq!(serde_json::to_string(&document)?, r#"{"id":7,"paid":true}"#);
//! let again: Document = serde_json::from_str(r#"{"id":7,"paid":true}"#)?;
//! assert_eq!(again, document);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is here
//!
//! | for | |
//! |---|---|
//! | callers and plugins | [`Document`], to and from any `serde` value or format |
//! | codecs that read or write head by head | [`cbor`]: a [pull reader](cbor::Reader), and a [writer](cbor::Writer) that refuses equal keys |
//! | codecs that have a `serde` serializer | [`format`](mod@format): a document by the [rules](format::Rules) of a format that holds less than CBOR |
//! | who reads or writes JSON | `json`, with the feature of that name: exact integers, no equal keys, the same depth |
//!
//! # What survives
//!
//! | in `serde` | in the document | remarks |
//! |---|---|---|
//! | integers from -2^64 to 2^64-1 | integer | |
//! | other `i128` and `u128` | bignum (tags 2 and 3) | |
//! | `f32`, `f64`, with NaN and ±∞ | float of that width | half floats are read as `f32` |
//! | text, `char` | text string | |
//! | bytes | byte string | a `Vec<u8>` without `serde_bytes` is a sequence, as everywhere |
//! | `None`, unit, unit struct | null | streams out as `None` |
//! | sequences, tuples | array | |
//! | maps, structs | map | keys of any type, in the order in which they came |
//! | enums | `"Variant"` or `{"Variant": content}` | as in JSON |
//!
//! Single precision streams out to a text format exactly, as the number that it is. What a number
//! in text is, the format's reader says: that of `serde_json` takes integers below -2^63 or above
//! 2^64-1 for floats.
//!
//! A document is *human-readable* in `serde`'s sense: an IP address is text in it. A text document
//! written by hand, and a value, thus agree on how such types look. For the same reason a map key
//! that is text can be read as a number or a `bool`: JSON has no other way to write it.
//!
//! Dates (tag 0, a date and a time; tag 1004, a day) are their texts to `serde`.
//!
//! What `serde` has no word for is refused by name and never dropped: tags other than these (and
//! 55799, which only says "this is CBOR"), `undefined`, and the unassigned simple values stay in
//! the document as long as it stays CBOR ([`Document::as_cbor`]), but neither
//! [`Document::to_value`] nor a serializer takes them.
//!
//! # Equal keys
//!
//! No document has equal keys in a map: every way in refuses them, that is [`Document::from_cbor`],
//! [`Document::from_value`], a `serde` deserializer, and a [`cbor::Writer`]. Only
//! [`Document::from_trusted_cbor`] and [`Document::with_borrowed`] take bytes that someone else has
//! checked.
//!
//! # Hostile bytes
//!
//! A length that the bytes do not hold is an error before anything is reserved for it; items nest
//! [`MAX_DEPTH`] deep and no deeper; malformed bytes are errors, in every function. There is one
//! `unsafe` block, in [`Document::with_borrowed`].
//!
//! # Why not a crate for all of it
//!
//! The CBOR crates read and write values well, but call themselves binary to `serde`, do not read
//! numbers from text keys, and do not stream. Those three are what this crate is for; what remains
//! is some thousand lines. The tests hold it against cbor4ii and the vectors of RFC 8949.

pub mod cbor;
mod document;
mod error;
pub mod format;
mod grow;
#[cfg(feature = "json")]
pub mod json;
mod path;
mod stream_in;
mod stream_out;
mod value_in;
mod value_out;

pub use document::Document;
pub use error::Error;
pub use grow::{repeats, reserve};
pub use path::Path;

/// How many levels a document may have. Arrays, maps and tags are levels; a document that is a
/// single number has none.
pub const MAX_DEPTH: usize = 128;
