//! Buckets for latencies, from 128 ns to 137 s, each an eighth of an octave.
//!
//! Each power of two is cut into eight equal buckets, so that a bucket is at most 12.5 % of its
//! lower end wide, and its number is a few bits of the latency's: no table, no logarithm.

/// All latencies below 2^7 ns are in the first bucket.
const FIRST: u32 = 7;
/// All latencies from 2^37 ns (137 s) on are in the last bucket.
const END: u32 = 37;
const PER_OCTAVE: usize = 8;
pub(super) const BUCKETS: usize = (END - FIRST) as usize * PER_OCTAVE + 2;

/// The bucket of a latency in nanoseconds.
pub(super) fn bucket(nanos: u64) -> usize {
    match nanos.checked_ilog2().unwrap_or(0) {
        ..FIRST => 0,
        END.. => BUCKETS - 1,
        octave => {
            #[expect(clippy::cast_possible_truncation, reason = "only three bits of it are used")]
            let eighth = (nanos >> (octave - 3)) as usize % PER_OCTAVE;
            (octave - FIRST) as usize * PER_OCTAVE + eighth + 1
        }
    }
}

/// The least latency above the bucket, in nanoseconds; `u64::MAX` for the last bucket.
pub(super) fn end(bucket: usize) -> u64 {
    match bucket {
        0 => 1 << FIRST,
        _ if bucket >= BUCKETS - 1 => u64::MAX,
        _ => {
            let (octave, eighth) = ((bucket - 1) / PER_OCTAVE, (bucket - 1) % PER_OCTAVE);
            ((PER_OCTAVE + eighth + 1) as u64) << (octave + FIRST as usize - 3)
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn buckets_touch_and_are_narrow() {
        for at in 0..BUCKETS - 1 {
            assert_eq!(bucket(end(at) - 1), at);
            assert_eq!(bucket(end(at)), at + 1, "no gap");
        }
        for at in 1..BUCKETS - 1 {
            let (from, to) = (end(at - 1), end(at));
            assert!((to - from) * 8 <= from, "{from} to {to}");
        }
        assert_eq!((bucket(0), bucket(127), bucket(128)), (0, 0, 1));
        assert_eq!((bucket(u64::MAX), end(BUCKETS - 2)), (BUCKETS - 1, 1 << 37));
    }
}
