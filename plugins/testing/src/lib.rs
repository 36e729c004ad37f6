//! What the tests of the bundled plugins share.
//!
//! * [`diagnostic`] prints a document in the diagnostic notation of RFC 8949 section 8;
//! * [`vectors`] reads the files of vectors;
//! * [`documents`] generates documents for property tests;
//! * [`fates`] makes the table "what becomes of …" that every codec's README holds.

mod diagnostic;
mod documents;
pub mod fates;
pub mod vectors;

pub use diagnostic::diagnostic;
pub use documents::{Shape, documents};
