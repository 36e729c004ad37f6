//! Native libraries, from the compiler to the call: valid and invalid plugins in C, C++ and Rust.
//!
//! The libraries are built here, with the system's compilers: `$CC` and `$CXX`, or `cc` and
//! `c++`. Where there is none, a test says that it was skipped.

#![cfg(unix)]

mod bad;
mod bounds;
mod c;
mod compile;
mod document;
mod edge;
mod hanging;
mod header;
mod log;
mod site;
mod storm;
