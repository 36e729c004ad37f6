//! Shared by the tests of the bundled plugins.
//!
//! * [`diagnostic`] prints a document in the diagnostic notation of RFC 8949 section 8;
//! * [`vectors`] reads the files of vectors;
//! * [`documents`] generates documents for property tests;
//! * [`hostile`] makes bodies that are designed to need much memory;
//! * [`conversions`] makes the tables of conversions in every codec's README.

pub mod conversions;
mod diagnostic;
mod documents;
pub mod hostile;
pub mod vectors;

pub use diagnostic::diagnostic;
pub use documents::{Shape, documents};
