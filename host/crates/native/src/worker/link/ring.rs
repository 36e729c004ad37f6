//! One end of a lane's two rings: how much it may copy, and how the other end learns of that.
//!
//! Each end counts the bytes that it wrote and read in private variables, and publishes copies in
//! shared memory. It accepts the other end's numbers only within bounds: there is never more to read
//! than a ring holds, and never more read than was written.
//!
//! # Sleeping and waking
//!
//! An end that is about to sleep announces what it sleeps for, and then looks into the ring once more.
//! The other end publishes, and then looks whether this one sleeps for what was published. Each does
//! its two steps with a full fence between them: so at least one of them sees the other, and no
//! wake-up is lost. A sleeper may be woken for nothing.

use std::sync::atomic::{Ordering, fence};

use super::error::LaneError;
use super::segment::{Area, CAPACITY, End, Side};

/// What an end waits for. The values are those of [`Side::asleep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Awaited {
    /// Bytes to read.
    Bytes = 1,
    /// Room to write.
    Room = 2,
}

/// The value of [`Side::asleep`] while an end does not sleep.
const AWAKE: u32 = 0;

/// One end.
#[derive(Debug)]
pub(crate) struct Ring {
    area: Area,
    end: End,
    /// How many bytes this end wrote and read. The numbers in shared memory are copies of these.
    written: u32,
    read: u32,
}

impl Ring {
    pub(crate) fn new(area: Area, end: End) -> Self {
        Self { area, end, written: 0, read: 0 }
    }

    fn mine(&self) -> &Side {
        self.area.side(self.end)
    }

    fn theirs(&self) -> &Side {
        self.area.side(self.end.other())
    }

    /// How many bytes can be read.
    fn filled(&self) -> Result<usize, LaneError> {
        let written = self.theirs().written.load(Ordering::Acquire);
        within(written.wrapping_sub(self.read))
    }

    /// How many bytes can be written.
    fn room(&self) -> Result<usize, LaneError> {
        let read = self.theirs().read.load(Ordering::Acquire);
        Ok(CAPACITY - within(self.written.wrapping_sub(read))?)
    }

    /// Whether there is `what`.
    pub(crate) fn has(&self, what: Awaited) -> Result<bool, LaneError> {
        let count = match what {
            Awaited::Bytes => self.filled(),
            Awaited::Room => self.room(),
        };
        Ok(count? > 0)
    }

    /// Writes as much of `bytes` as there is room for, and returns how much. The other end sees it
    /// after [`Self::publish`].
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<usize, LaneError> {
        let count = bytes.len().min(self.room()?);
        self.area.copy_in(self.end, self.written, &bytes[..count]);
        self.written = self.written.wrapping_add(low(count));
        Ok(count)
    }

    /// Appends the bytes that can be read to `to`, at most `most`, and returns how many. The other end
    /// sees the room after [`Self::publish`].
    pub(crate) fn get(&mut self, to: &mut Vec<u8>, most: usize) -> Result<usize, LaneError> {
        let count = most.min(self.filled()?);
        self.area.copy_out(self.end.other(), self.read, count, to);
        self.read = self.read.wrapping_add(low(count));
        Ok(count)
    }

    /// Publishes how many bytes were written and read.
    pub(crate) fn publish(&self) {
        let mine = self.mine();
        mine.written.store(self.written, Ordering::Release);
        mine.read.store(self.read, Ordering::Release);
    }

    /// To be called after [`Self::publish`]: returns whether the other end sleeps for `what` and must
    /// be woken, and marks it as awake, so that each sleep is reported once.
    #[must_use = "a sleeper must be woken"]
    pub(crate) fn take_sleeper(&self, what: Awaited) -> bool {
        fence(Ordering::SeqCst);
        let (asleep, what) = (&self.theirs().asleep, what as u32);
        let relaxed = Ordering::Relaxed;
        asleep.load(relaxed) == what
            && asleep.compare_exchange(what, AWAKE, relaxed, relaxed).is_ok()
    }

    /// Announces that this end is about to sleep for `what`. The caller looks into the ring once more
    /// before it does.
    pub(crate) fn park(&self, what: Awaited) {
        self.mine().asleep.store(what as u32, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Announces that this end does not sleep any more.
    pub(crate) fn wake(&self) {
        self.mine().asleep.store(AWAKE, Ordering::Relaxed);
    }
}

/// A count of the other end, if it is possible.
fn within(count: u32) -> Result<usize, LaneError> {
    match usize::try_from(count) {
        Ok(count) if count <= CAPACITY => Ok(count),
        _ => Err(LaneError::Protocol(format!(
            "expected at most {CAPACITY} bytes in a ring, found {count}"
        ))),
    }
}

/// A count of at most [`CAPACITY`].
#[expect(clippy::cast_possible_truncation, reason = "a ring has less than 4 GiB")]
fn low(count: usize) -> u32 {
    const { assert!(CAPACITY <= 1 << 30 && CAPACITY.is_power_of_two()) };
    count as u32
}

#[cfg(test)]
mod tests {
    use super::super::segment;
    use super::*;

    /// Both ends of a lane, which have written and read `count` bytes each.
    fn pair_at(count: u32) -> (Ring, Ring) {
        let (mut ours, memory) = segment::create(1).unwrap();
        let mut theirs = segment::open(&memory, 1).unwrap();
        let ring = |area, end| {
            let ring = Ring { area, end, written: count, read: count };
            ring.publish();
            ring
        };
        (ring(ours.remove(0), End::Host), ring(theirs.remove(0), End::Worker))
    }

    #[test]
    fn bytes_survive_the_end_of_the_ring_and_of_the_counters() {
        let full: Vec<u8> = (0..=250).cycle().take(CAPACITY).collect();
        for count in [0, 5, low(CAPACITY) - 3, u32::MAX - 100] {
            let (mut here, mut there) = pair_at(count);
            for size in [1, 100, CAPACITY, CAPACITY - 1, 7] {
                assert_eq!(here.put(&full[..size]).unwrap(), size);
                let mut got = b"kept".to_vec();
                // Nothing is seen before it is published.
                assert_eq!(there.get(&mut got, size).unwrap(), 0);
                here.publish();
                assert_eq!(there.get(&mut got, size).unwrap(), size);
                assert!(got[..4] == *b"kept" && got[4..] == full[..size]);
                there.publish();
            }
        }
    }

    #[test]
    fn a_full_ring_has_room_once_the_other_end_publishes() {
        let (mut here, mut there) = pair_at(u32::MAX - 7);
        assert_eq!(here.put(&vec![1; CAPACITY + 5]).unwrap(), CAPACITY);
        assert_eq!(here.put(&[2]).unwrap(), 0);
        assert!(!here.has(Awaited::Room).unwrap());
        here.publish();
        let mut got = Vec::new();
        assert_eq!(there.get(&mut got, 10).unwrap(), 10);
        assert!(!here.has(Awaited::Room).unwrap());
        there.publish();
        assert!(here.has(Awaited::Room).unwrap());
        assert_eq!(here.put(&[2; 100]).unwrap(), 10);
    }

    #[test]
    fn counters_past_the_bounds_are_refused() {
        let (mut here, there) = pair_at(1000);
        for (written, read) in [(999, 1000), (1000 + low(CAPACITY) + 1, 1000), (0, 1000)] {
            there.mine().written.store(written, Ordering::Release);
            there.mine().read.store(read, Ordering::Release);
            assert!(here.get(&mut Vec::new(), 10).is_err(), "{written}");
        }
        for read in [1001, 1000_u32.wrapping_sub(low(CAPACITY) + 1), 1 << 31] {
            there.mine().read.store(read, Ordering::Release);
            assert!(here.put(&[0; 10]).is_err(), "{read}");
        }
    }

    #[test]
    fn a_sleeper_is_reported_once_and_only_for_what_it_awaits() {
        let (here, there) = pair_at(0);
        assert!(!here.take_sleeper(Awaited::Bytes));
        there.park(Awaited::Bytes);
        assert!(!here.take_sleeper(Awaited::Room));
        assert!(here.take_sleeper(Awaited::Bytes));
        assert!(!here.take_sleeper(Awaited::Bytes));
        there.park(Awaited::Room);
        there.wake();
        assert!(!here.take_sleeper(Awaited::Room));
    }
}
