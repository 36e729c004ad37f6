//! Converts JSON text (RFC 8259) to documents and back: the only reader and writer of JSON in
//! Plugbay, for the codec, the HTTP API and the command line.
//!
//! Input is read exactly or refused: integers of up to
//! [`Integer::MAX_BITS`](crate::cbor::Integer::MAX_BITS) bits, floats rounded to the nearest, no
//! equal keys, and [`MAX_DEPTH`](crate::MAX_DEPTH) levels.
//!
//! ```
//! use plugbay_document::json::{self, Options};
//!
//! let document = json::read(br#"{"a":18446744073709551616}"#)?;
//! assert_eq!(json::write(&document, &Options::default())?, br#"{"a":18446744073709551616}"#);
//! assert!(json::read(br#"{"a":1,"a":2}"#).is_err());
//! # Ok::<(), plugbay_document::Error>(())
//! ```

mod read;
mod write;

pub use read::{read, read_into};
pub use write::{IntegerKeys, Options, write, write_into};
