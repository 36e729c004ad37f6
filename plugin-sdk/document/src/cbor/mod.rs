//! Reads and writes one CBOR item (RFC 8949), one head after the other.
//!
//! Codecs are built on this module: the reader of a format writes to a [`Writer`], and its writer
//! reads [`Token`]s from a [`Reader`]. Neither builds a tree. For formats with a `serde`
//! serializer, a [`format::View`](crate::format::View) reads the document.
//!
//! ```
//! use plugbay_document::cbor::{Reader, Token, Writer};
//!
//! // {"id": 7, "tags": ["a", "b"]}
//! let mut writer = Writer::default();
//! writer.open_map()?;
//! writer.text("id")?;
//! writer.integer(7)?;
//! writer.text("tags")?;
//! writer.open_array()?;
//! writer.text("a")?;
//! writer.text("b")?;
//! writer.close()?;
//! writer.close()?;
//! let cbor = writer.finish();
//!
//! let mut reader = Reader::new(&cbor);
//! let Token::Map(mut pairs) = reader.next_token()? else { panic!("expected a map") };
//! while reader.advance(&mut pairs)? {
//!     let Token::Text(key) = reader.next_token()? else { panic!("expected a text") };
//!     println!("{key}: {}", reader.next_token()?);
//!     # if key == "tags" {
//!     #     reader.next_token()?;
//!     #     reader.next_token()?;
//!     # }
//! }
//! reader.finish()?;
//! # Ok::<(), plugbay_document::Error>(())
//! ```
//!
//! # Limits
//!
//! | limit | [`Reader`] | [`Writer`] |
//! |---|---|---|
//! | levels of arrays, maps and tags | [`Reader::skip`] refuses more than [`MAX_DEPTH`](crate::MAX_DEPTH); recursive callers count levels with [`Reader::enter`] | refuses more than [`MAX_DEPTH`](crate::MAX_DEPTH) |
//! | equal keys in a map | accepts them; [`Document::check`](crate::Document::check) refuses them | refuses them, also in other widths |
//! | integers | exact: tokens from -2^64 to 2^64-1, others by [`Reader::bignum`] | exact, of any size, in preferred form |
//! | lengths | refuses those that exceed the input, before memory is reserved | always definite, in the shortest form |
//! | text | must be UTF-8 | |

pub(crate) mod distinct;
mod half;
pub(crate) mod head;
mod integer;
pub(crate) mod keys;
mod reader;
mod token;
mod writer;

pub use integer::Integer;
pub use reader::Reader;
pub(crate) use reader::Wide;
pub use token::Token;
pub(crate) use token::negative;
pub use writer::{Anchor, Floats, Order, Writer, escaped_len};
