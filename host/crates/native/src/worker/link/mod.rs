//! The connection between a host and a worker: lanes, and the frames that go over them.
//!
//! Both ends use the same code, from the bytes upwards:
//!
//! - [`segment`] is memory that both processes map, [`ring`] one end of the two rings in it;
//! - [`socket`] is a socket with a deadline, [`spin`] the short look into a ring before an end
//!   sleeps on it;
//! - [`stream`] is what moves bytes in order: the socket alone, or [`memory`], which is a ring with
//!   a socket for bells and large bodies;
//! - [`wire`] is the frames, [`granted`] the part of the first frame that lists the worker's grants;
//! - [`lane`] sends and receives frames over a stream, and fails with an [`error`];
//! - [`upcalls`] are the functions of the host that a plugin calls meanwhile, as frames;
//! - [`echo`] sends bytes back over a stream, for benchmarks.

pub(crate) mod echo;
pub(crate) mod error;
pub(crate) mod granted;
pub(crate) mod lane;
pub(crate) mod memory;
mod ring;
#[expect(unsafe_code, reason = "memory that another process writes to; each block says why it may")]
pub(crate) mod segment;
pub(crate) mod socket;
pub(crate) mod spin;
mod stream;
pub(crate) mod upcalls;
pub(crate) mod wire;
