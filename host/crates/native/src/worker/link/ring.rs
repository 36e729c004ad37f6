//! One end of a lane's two rings: who may copy how much, and what the other end hears of it.
//!
//! Each end counts what it wrote and what it read, keeps both numbers to itself, and publishes
//! copies. Of the other end it believes a number only within bounds: there is never more to read
//! than a ring holds, nor more on the way than was written.
//!
//! # Who sleeps, and who rings
//!
//! The sleeper says what it sleeps for, and then looks again; the other end publishes, and then
//! looks whether somebody sleeps for that. Between the two steps of either stands a full fence:
//! so at least one of them sees the other, and no wake-up is lost. A bell too many can come; it
//! wakes a sleeper for nothing.

use std::sync::atomic::{Ordering, fence};

use super::error::LaneError;
use super::segment::{Area, CAPACITY, End, Side};

/// What an end waits for. The numbers are those of [`Side::asleep`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Awaited {
    /// Bytes to read.
    Bytes = 1,
    /// Room to write.
    Room = 2,
}

/// In [`Side::asleep`]: it does not sleep.
const AWAKE: u32 = 0;

/// One end.
#[derive(Debug)]
pub(crate) struct Ring {
    area: Area,
    end: End,
    /// What this end wrote and read; what lies in shared memory are copies for the other.
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

    /// How many bytes there are to read.
    fn filled(&self) -> Result<usize, LaneError> {
        let written = self.theirs().written.load(Ordering::Acquire);
        within(written.wrapping_sub(self.read))
    }

    /// How many bytes there is room for.
    fn room(&self) -> Result<usize, LaneError> {
        let read = self.theirs().read.load(Ordering::Acquire);
        Ok(CAPACITY - within(self.written.wrapping_sub(read))?)
    }

    /// Whether there is what is waited for.
    pub(crate) fn has(&self, what: Awaited) -> Result<bool, LaneError> {
        let count = match what {
            Awaited::Bytes => self.filled(),
            Awaited::Room => self.room(),
        };
        Ok(count? > 0)
    }

    /// Writes the beginning of `bytes`, as much as there is room for, and says how much that
    /// was. The other end hears of it from [`Self::publish`].
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<usize, LaneError> {
        let count = bytes.len().min(self.room()?);
        self.area.copy_in(self.end, self.written, &bytes[..count]);
        self.written = self.written.wrapping_add(low(count));
        Ok(count)
    }

    /// Appends what there is to read to `to`, at most `most` bytes, and says how many. The other
    /// end hears of the room from [`Self::publish`].
    pub(crate) fn get(&mut self, to: &mut Vec<u8>, most: usize) -> Result<usize, LaneError> {
        let count = most.min(self.filled()?);
        self.area.copy_out(self.end.other(), self.read, count, to);
        self.read = self.read.wrapping_add(low(count));
        Ok(count)
    }

    /// Tells the other end what was written and read, if it looks.
    pub(crate) fn publish(&self) {
        let mine = self.mine();
        mine.written.store(self.written, Ordering::Release);
        mine.read.store(self.read, Ordering::Release);
    }

    /// After [`Self::publish`]: whether the other end sleeps for `what`, and must be rung for. It
    /// says so once for each sleep.
    #[must_use = "a sleeper must be woken"]
    pub(crate) fn sleeps(&self, what: Awaited) -> bool {
        fence(Ordering::SeqCst);
        let (asleep, what) = (&self.theirs().asleep, what as u32);
        let relaxed = Ordering::Relaxed;
        asleep.load(relaxed) == what
            && asleep.compare_exchange(what, AWAKE, relaxed, relaxed).is_ok()
    }

    /// Says that this end is about to sleep. Look again before it does.
    pub(crate) fn doze(&self, what: Awaited) {
        self.mine().asleep.store(what as u32, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// Says that it does not sleep any more.
    pub(crate) fn rouse(&self) {
        self.mine().asleep.store(AWAKE, Ordering::Relaxed);
    }
}

/// A count of the other end's, if it can be one.
fn within(count: u32) -> Result<usize, LaneError> {
    match usize::try_from(count) {
        Ok(count) if count <= CAPACITY => Ok(count),
        _ => Err(LaneError::Garbage(format!(
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

    /// Both ends, which have written and read `count` bytes each.
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
    fn bytes_come_as_they_went_past_the_end_of_the_ring_and_of_the_numbers() {
        let full: Vec<u8> = (0..=250).cycle().take(CAPACITY).collect();
        for count in [0, 5, low(CAPACITY) - 3, u32::MAX - 100] {
            let (mut here, mut there) = pair_at(count);
            for size in [1, 100, CAPACITY, CAPACITY - 1, 7] {
                assert_eq!(here.put(&full[..size]).unwrap(), size);
                let mut got = b"kept".to_vec();
                // Not before it is told.
                assert_eq!(there.get(&mut got, size).unwrap(), 0);
                here.publish();
                assert_eq!(there.get(&mut got, size).unwrap(), size);
                assert!(got[..4] == *b"kept" && got[4..] == full[..size]);
                there.publish();
            }
        }
    }

    #[test]
    fn a_full_ring_has_room_once_the_other_end_says_so() {
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
    fn a_sleep_is_rung_for_once_and_only_for_what_it_awaits() {
        let (here, there) = pair_at(0);
        assert!(!here.sleeps(Awaited::Bytes));
        there.doze(Awaited::Bytes);
        assert!(!here.sleeps(Awaited::Room));
        assert!(here.sleeps(Awaited::Bytes));
        assert!(!here.sleeps(Awaited::Bytes));
        there.doze(Awaited::Room);
        there.rouse();
        assert!(!here.sleeps(Awaited::Room));
    }
}
