//! What a worker leaves in the memory that it shares with the host, and in its socket: frames of
//! any kind and length, counters that cannot be. The host's side of a call answers what is asked,
//! takes a reply, or refuses; never a panic, a body past its limit, or a wait for what will not
//! come.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_native::worker::frames;

fuzz_target!(|input: (Vec<u8>, Vec<u8>, Option<u32>)| {
    let (ring, socket, written) = input;
    frames(&ring, &socket, written);
});
