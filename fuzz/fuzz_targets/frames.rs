//! The host's side of a call into a worker, with any content of the shared memory and of the socket:
//! frames of any kind and length, impossible counters. The host answers the worker's calls, takes a
//! reply, or refuses; it does not panic, accept a body beyond its limit, or wait forever.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_native::worker::frames;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, Option<u32>)| {
    let (ring, socket, written) = input;
    frames(&ring, &socket, written);
});
