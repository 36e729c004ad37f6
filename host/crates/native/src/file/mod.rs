//! A library as a file: what its bytes say, and where it is loaded from.
//!
//! Nothing here runs foreign code. [`header`] reads from a library's bytes what it is and for whom
//! it was built; [`staging`] keeps the private copies from which libraries are loaded, in a worker
//! or in this process.

pub mod header;
pub(crate) mod staging;
