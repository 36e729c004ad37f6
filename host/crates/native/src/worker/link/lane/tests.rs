use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use plugbay_abi::host::NoHost;
use proptest::prelude::*;

use super::super::memory::MAX_RING_BODY;
use super::super::segment::{self, Area, CAPACITY, End};
use super::super::socket::Socket;
use super::super::spin::{Spin, budget};
use super::super::upcalls::answer;
use super::super::wire::{MAX_BODY, MAX_META, Op};
use super::*;

fn sockets() -> [Socket; 2] {
    let (one, other) = UnixStream::pair().unwrap();
    [Socket::new(one), Socket::new(other)]
}

/// Both ends of a lane, as host and worker have them, and the memory between.
fn pair_and_memory(spin: Duration) -> (Lane, Lane, Area) {
    let (mut ours, memory) = segment::create(1).unwrap();
    let mut theirs = segment::open(&memory, 1).unwrap();
    let mut third = segment::open(&memory, 1).unwrap();
    let [one, other] = sockets();
    let lane = |areas: &mut Vec<_>, end, socket| {
        Lane::new(SharedMemory::new(areas.remove(0), end, socket, Spin::new(spin)))
    };
    let host = lane(&mut ours, End::Host, one);
    (host, lane(&mut theirs, End::Worker, other), third.remove(0))
}

fn pair() -> (Lane, Lane) {
    let (here, there, _) = pair_and_memory(budget());
    (here, there)
}

const SIZES: [usize; 9] =
    [0, 1, 64, 4096, 65_520, MAX_RING_BODY, MAX_RING_BODY + 1, CAPACITY + 1, 3_000_000];

/// With a deadline, so that a lost wake-up fails the test instead of hanging it.
fn patient<S: Stream>(mut lane: Lane<S>) -> Lane<S> {
    lane.set_deadline(Instant::now() + Duration::from_secs(60)).unwrap();
    lane
}

fn come_in_order<S: Stream + Send + 'static>(here: Lane<S>, there: Lane<S>) {
    let (mut here, mut there) = (patient(here), patient(there));
    let sizes = || SIZES.into_iter().chain(SIZES).enumerate();
    let sender = thread::spawn(move || {
        for (index, size) in sizes() {
            let body = vec![u8::try_from(index).unwrap(); size];
            here.send(Head::new(Op::Reply), b"meta", &body).unwrap();
        }
    });
    let mut frame = Frame::default();
    for (index, size) in sizes() {
        there.receive(&mut frame, MAX_BODY).unwrap();
        assert_eq!(frame.meta, b"meta");
        assert!(frame.body == vec![u8::try_from(index).unwrap(); size], "{size}");
    }
    sender.join().unwrap();
    let ended = there.receive(&mut frame, MAX_BODY);
    assert!(matches!(ended, Err(LaneError::Closed)), "{ended:?}");
}

#[test]
fn frames_of_all_sizes_come_in_order() {
    for spin in [Duration::ZERO, Duration::from_micros(50)] {
        let (here, there, _) = pair_and_memory(spin);
        come_in_order(here, there);
        let (here, there, _) = pair_and_memory(spin);
        come_in_order(there, here);
    }
}

#[test]
fn frames_come_in_order_through_a_socket_with_other_end_dropped() {
    let [one, other] = sockets().map(Lane::new);
    come_in_order(one, other);
}

#[test]
fn waiting_ends_at_the_deadline() {
    let (mut here, _there) = pair();
    let begun = Instant::now();
    here.set_deadline(begun + Duration::from_millis(40)).unwrap();
    let answer = here.receive(&mut Frame::default(), 0);
    assert!(matches!(answer, Err(LaneError::NoReply)), "{answer:?}");
    assert!(begun.elapsed() >= Duration::from_millis(40));
}

#[test]
fn writing_that_is_not_read_ends_at_the_deadline() {
    // The metadata fills the ring, the body the socket.
    for (meta, body) in [(CAPACITY + 1, 0), (0, 8 << 20)] {
        let (mut here, _there) = pair();
        let begun = Instant::now();
        here.set_deadline(begun + Duration::from_millis(40)).unwrap();
        let sent = here.send(Head::new(Op::Call), &vec![1; meta], &vec![2; body]);
        assert!(matches!(sent, Err(LaneError::Late)), "{sent:?}");
        assert!(begun.elapsed() >= Duration::from_millis(40));
    }
}

#[test]
fn a_body_that_stops_half_way_ends_at_the_deadline() {
    let (mut here, _there, memory) = pair_and_memory(Duration::ZERO);
    let header = Head::new(Op::Reply).write(0, MAX_RING_BODY).unwrap();
    memory.copy_in(End::Worker, 0, &header);
    memory.side(End::Worker).written.store(100, Ordering::Release);
    here.set_deadline(Instant::now() + Duration::from_millis(40)).unwrap();
    let answer = here.receive(&mut Frame::default(), MAX_BODY);
    assert!(matches!(answer, Err(LaneError::Late)), "{answer:?}");
}

#[test]
fn one_byte_at_a_time_does_not_outlast_the_deadline() {
    let (mut here, _there, memory) = pair_and_memory(Duration::from_secs(1));
    let header = Head::new(Op::Reply).write(MAX_META, 0).unwrap();
    memory.copy_in(End::Worker, 0, &header);
    here.set_deadline(Instant::now() + Duration::from_millis(40)).unwrap();
    let over = AtomicBool::new(false);
    let answer = thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let read = memory.side(End::Host).read.load(Ordering::Acquire);
                memory.side(End::Worker).written.store(read + 1, Ordering::Release);
            }
        });
        let answer = here.receive(&mut Frame::default(), MAX_BODY);
        over.store(true, Ordering::Relaxed);
        answer
    });
    assert!(matches!(answer, Err(LaneError::Late)), "{answer:?}");
}

/// Runs `act` with one end, and drops the other end once the first sleeps for `asleep`.
fn with_other_end_dropped(
    asleep: u32,
    act: impl FnOnce(Lane) -> Result<(), LaneError> + Send + 'static,
) {
    let (here, there, memory) = pair_and_memory(Duration::ZERO);
    let (send, ended) = channel();
    let acts = thread::spawn(move || send.send(act(here)).unwrap());
    let begun = Instant::now();
    while memory.side(End::Host).asleep.load(Ordering::Acquire) != asleep {
        assert!(begun.elapsed() < Duration::from_secs(20), "it does not sleep");
        thread::yield_now();
    }
    drop(there);
    let ended = ended.recv_timeout(Duration::from_secs(20)).expect("it sleeps on");
    assert!(matches!(ended, Err(LaneError::Closed)), "{ended:?}");
    acts.join().unwrap();
}

#[test]
fn a_sleeper_wakes_when_the_other_end_is_gone() {
    with_other_end_dropped(1, |mut lane| lane.receive(&mut Frame::default(), MAX_BODY));
    with_other_end_dropped(2, |mut lane| lane.send(Head::new(Op::Call), &vec![0; CAPACITY], &[]));
}

#[test]
fn what_was_sent_before_the_end_is_received() {
    let (mut here, mut there) = pair();
    there.send(Head::new(Op::Reply), b"last", b"words").unwrap();
    drop(there);
    let mut frame = Frame::default();
    here.receive(&mut frame, MAX_BODY).unwrap();
    assert_eq!((&*frame.meta, &*frame.body), (&b"last"[..], &b"words"[..]));
    assert!(matches!(here.receive(&mut frame, MAX_BODY), Err(LaneError::Closed)));
}

#[test]
fn endless_bells_do_not_outlast_a_deadline() {
    let (mut here, there) = pair();
    here.set_deadline(Instant::now() + Duration::from_millis(40)).unwrap();
    let rings = thread::spawn(move || {
        let there = UnixStream::from(there.as_fd().try_clone_to_owned().unwrap());
        while std::io::Write::write_all(&mut &there, &[0, 7, 255]).is_ok() {}
    });
    let answer = here.receive(&mut Frame::default(), MAX_BODY);
    assert!(matches!(answer, Err(LaneError::NoReply)), "{answer:?}");
    drop(here);
    rings.join().unwrap();
}

#[test]
fn bells_that_are_not_read_do_not_block() {
    let (mut here, _there, memory) = pair_and_memory(Duration::ZERO);
    for frame in 0..5000_u32 {
        // The worker announces sleep, and reads only the ring, not the socket.
        memory.side(End::Worker).asleep.store(1, Ordering::Release);
        memory.side(End::Worker).read.store(frame * 16, Ordering::Release);
        here.send(Head::new(Op::Health), &[], &[]).unwrap();
    }
}

#[test]
fn impossible_counters_are_refused() {
    let (mut here, _there, memory) = pair_and_memory(budget());
    let side = memory.side(End::Worker);
    for count in [low(CAPACITY) + 1, 1 << 31] {
        side.written.store(count, Ordering::Release);
        let received = here.receive(&mut Frame::default(), MAX_BODY);
        assert!(matches!(received, Err(LaneError::Protocol(_))), "{received:?}");
        side.read.store(count, Ordering::Release);
        let sent = here.send(Head::new(Op::Call), &[], b"body");
        assert!(matches!(sent, Err(LaneError::Protocol(_))), "{sent:?}");
    }
}

fn low(count: usize) -> u32 {
    u32::try_from(count).unwrap()
}

#[test]
fn lengths_past_the_bounds_are_refused() {
    let (mut here, mut there) = pair();
    there.send(Head::new(Op::Reply), &[], &[0; 101]).unwrap();
    let received = here.receive(&mut Frame::default(), 100);
    assert!(matches!(received, Err(LaneError::Protocol(_))), "{received:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Any sequence of frames arrives as it was sent, in both directions, whichever end is faster.
    #[test]
    fn random_frames_arrive_whole(
        frames in prop::collection::vec((0_usize..40_000, 0_usize..200_000, any::<u8>()), 1..20),
        spins in any::<bool>(),
    ) {
        let spin = if spins { Duration::from_micros(50) } else { Duration::ZERO };
        let (here, there, _) = pair_and_memory(spin);
        let (mut here, mut there) = (patient(here), patient(there));
        let expected = frames.clone();
        let echo = thread::spawn(move || {
            let mut frame = Frame::default();
            while there.receive(&mut frame, MAX_BODY).is_ok() {
                there.send(frame.head, &frame.meta, &frame.body).unwrap();
            }
        });
        let mut frame = Frame::default();
        for (meta, body, byte) in expected {
            let bytes = |size: usize| -> Vec<u8> {
                (0..size).map(|at| byte.wrapping_add(at.to_le_bytes()[0])).collect()
            };
            let head = Head { code: byte.into(), ..Head::indexed(Op::Call, low(body)) };
            here.send(head, &bytes(meta), &bytes(body)).unwrap();
            here.receive(&mut frame, MAX_BODY).unwrap();
            prop_assert_eq!(frame.head, head);
            prop_assert!(frame.meta == bytes(meta) && frame.body == bytes(body));
        }
        drop(here);
        echo.join().unwrap();
    }
}

#[test]
fn a_call_of_the_host_is_answered_in_the_ring() {
    let (mut here, mut there) = pair();
    there.send(Head::indexed(Op::LogEnabled, 0), &[], &[]).unwrap();
    let mut frame = Frame::default();
    here.receive(&mut frame, MAX_BODY).unwrap();
    answer(&mut here, &frame, &NoHost).unwrap();
    there.receive(&mut frame, MAX_BODY).unwrap();
    assert_eq!((frame.head.op, frame.head.index), (Op::HostReply, 0));
}
