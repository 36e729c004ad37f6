//! One CBOR item (RFC 8949), read and written head by head.
//!
//! Codecs stand on this module: what a format's reader finds goes to a [`Writer`], and what a
//! format's writer needs comes out of a [`Reader`] as [`Token`]s. Neither builds a tree. For
//! formats that have a `serde` serializer, [`format::View`](crate::format::View) does the reading.
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
//! while reader.more(&mut pairs)? {
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
//! | levels of arrays, maps and tags | [`Reader::skip`] refuses more than [`MAX_DEPTH`](crate::MAX_DEPTH); callers that recurse count theirs with [`Reader::enter`] | refuses more than [`MAX_DEPTH`](crate::MAX_DEPTH) |
//! | equal keys in a map | passes them on; [`Document::check`](crate::Document::check) refuses them | refuses them, also those written in other widths |
//! | integers | exact, as tokens from -2^64 to 2^64-1; others as [`Integer`]s, by [`Reader::bignum`] | exact, of any size, in preferred form |
//! | lengths | refuses those that the input cannot hold, before anything is reserved | always known, written as short as they can be |
//! | text | refuses what is not UTF-8 | |

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
pub use writer::{Floats, Kept, Order, Writer, escaped};
