//! Feeds a worker's bytes to the host's side, without a worker: for fuzzing.

use std::io::Write;
use std::os::unix::net::UnixStream;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use plugbay_abi::host::NoHost;

use super::call::{CallRequest, exchange};
use crate::worker::link::error::LaneError;
use crate::worker::link::lane::Lane;
use crate::worker::link::memory::SharedMemory;
use crate::worker::link::segment::{self, CAPACITY, End};
use crate::worker::link::socket::Socket;
use crate::worker::link::spin::Spin;
use crate::worker::link::wire::{Head, Op};

/// The largest body that is accepted, in bytes.
const LIMIT: usize = 1 << 20;

/// Calls a worker that wrote `ring` to the shared memory and `socket` to the socket and then died.
/// It claims to have written `written` bytes to the ring, or the true number.
///
/// Never waits: the other end is closed.
#[doc(hidden)]
pub fn frames(ring: &[u8], socket: &[u8], written: Option<u32>) {
    let Ok((mut areas, memory)) = segment::create(1) else { return };
    let Ok(mut theirs) = segment::open(&memory, 1) else { return };
    let (Some(area), Some(theirs)) = (areas.pop(), theirs.pop()) else { return };
    let Ok((here, mut there)) = UnixStream::pair() else { return };

    let ring = &ring[..ring.len().min(CAPACITY)];
    theirs.copy_in(End::Worker, 0, ring);
    let honest = u32::try_from(ring.len()).unwrap_or_default();
    theirs.side(End::Worker).written.store(written.unwrap_or(honest), Ordering::Release);
    // More bytes than the socket holds would block.
    drop(there.write(&socket[..socket.len().min(4096)]));
    drop(there);

    let spin = Spin::new(Duration::ZERO);
    let mut lane = Lane::new(SharedMemory::new(area, End::Host, Socket::new(here), spin));
    let request = CallRequest { head: Head::new(Op::Call), meta: b"meta", body: b"body" };
    let deadline = Instant::now() + Duration::from_secs(10);
    match exchange(&mut lane, request, &NoHost, LIMIT, deadline) {
        Ok(frame) => {
            assert!(frame.body.len() <= LIMIT, "a body past the limit");
            let headers: Result<Vec<(String, Vec<u8>)>, LaneError> = frame.parse_meta();
            drop(headers);
            drop(frame.into_result());
        }
        Err(LaneError::Late | LaneError::NoReply) => panic!("it waited for a worker that is gone"),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::frames;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

        /// Any bytes of a worker give a frame or an error.
        #[test]
        fn any_bytes_of_a_worker_are_a_frame_or_refused(
            ring in prop::collection::vec(any::<u8>(), 0..200),
            socket in prop::collection::vec(any::<u8>(), 0..200),
            written in prop_oneof![Just(None), any::<u32>().prop_map(Some)],
        ) {
            frames(&ring, &socket, written);
        }
    }
}
