//! Documents: one CBOR item (RFC 8949), converted from and to any `serde` value, and streamed
//! between any two `serde` formats.
//!
//! Plugbay's codecs convert between bytes and [`Document`]s: a Rust value of a caller becomes one
//! CBOR item, which a plugin in any language can read, and the other way round. The type hides that
//! it is CBOR.
//!
//! ```
//! use plugbay_document::Document;
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct Order { id: u64, paid: bool }
//!
//! // from a value and to a value
//! let document = Document::from_value(&Order { id: 7, paid: true })?;
//! assert_eq!(document.to_value::<Order>()?, Order { id: 7, paid: true });
//!
//! // to a format and from a format, without a tree in between
//! assert_eq!(serde_json::to_string(&document)?, r#"{"id":7,"paid":true}"#);
//! let again: Document = serde_json::from_str(r#"{"id":7,"paid":true}"#)?;
//! assert_eq!(again, document);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Contents
//!
//! | for | |
//! |---|---|
//! | callers and plugins | [`Document`], from and to any `serde` value or format |
//! | codecs that read or write one head after the other | [`cbor`]: a [pull reader](cbor::Reader), and a [writer](cbor::Writer) that refuses equal keys |
//! | codecs with a `serde` serializer | [`format`](mod@format): a document by the [rules](format::Rules) of a format that can express less than CBOR |
//! | readers and writers of JSON | `json`, with the feature of that name: exact integers, no equal keys, the same depth |
//!
//! # Values of `serde`
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
//! | maps, structs | map | keys of any type, in their order |
//! | enums | `"Variant"` or `{"Variant": content}` | as in JSON |
//!
//! A float of 32 bits is written to a text format as the number that it is exactly. The reader of
//! the format decides the type of a number in text: that of `serde_json` reads integers below -2^63
//! or above 2^64-1 as floats.
//!
//! A document is *human-readable* in `serde`'s sense: an IP address is text in it. So a text that
//! was written by hand and a value agree on such types. For the same reason a map key that is text
//! can be read as a number or a `bool`: JSON has no other way to write it.
//!
//! Dates (tag 0, a date and a time; tag 1004, a day) are text for `serde`.
//!
//! Values that `serde` cannot express are refused by name, and never dropped: tags other than these
//! (and 55799, which only says "this is CBOR"), `undefined`, and the unassigned simple values. They
//! stay in the document while it is CBOR ([`Document::as_cbor`]), but [`Document::to_value`] and
//! serializers refuse them.
//!
//! # Equal keys
//!
//! No map in a document has equal keys: [`Document::from_cbor`], [`Document::from_value`], a
//! `serde` deserializer and a [`cbor::Writer`] refuse them. Only [`Document::from_trusted_cbor`]
//! and [`Document::with_borrowed`] accept bytes without a check.
//!
//! # Hostile bytes
//!
//! A length that exceeds the bytes is an error before memory is reserved for it; items have at most
//! [`MAX_DEPTH`] levels; malformed bytes are errors in every function. There is one `unsafe` block,
//! in [`Document::with_borrowed`].
//!
//! # Why this is not another crate
//!
//! The existing CBOR crates read and write values well, but report a binary format to `serde`, do
//! not read numbers from text keys, and do not stream. This crate exists for these three; the rest
//! is some thousand lines. The tests compare it with cbor4ii and the vectors of RFC 8949.

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

/// The maximum number of levels of a document. Arrays, maps and tags are levels; a document that is
/// a single number has none.
pub const MAX_DEPTH: usize = 128;
