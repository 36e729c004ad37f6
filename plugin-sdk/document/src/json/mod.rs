//! JSON text (RFC 8259) to documents and back: the one reader and the one writer of Plugbay, for the
//! codec, for the HTTP API and for the command line.
//!
//! What is read is exact or refused: integers of any size that [`Integer`](crate::cbor::Integer)
//! has digits for, floats to the nearest, no equal keys, [`MAX_DEPTH`](crate::MAX_DEPTH) levels.
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
pub use write::{Keys, Options, write, write_into};
