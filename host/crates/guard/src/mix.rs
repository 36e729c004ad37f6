//! A bit mixer, and random numbers as fractions.

/// Spreads every bit of `bits` over all of them, one to one.
///
/// The finalizer of `SplitMix64` (Steele, Lea, Flood: "Fast splittable pseudorandom number
/// generators", OOPSLA 2014; constants by David Stafford, his variant 13).
pub(crate) const fn mix(bits: u64) -> u64 {
    let bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

/// `random` as a fraction above 0 and below 1, the same on every machine.
pub(crate) fn fraction(random: u64) -> f64 {
    const STEPS: f64 = 4_503_599_627_370_496.0; // 2^52
    #[expect(clippy::cast_precision_loss, reason = "52 bits and a half are exact in an f64")]
    let step = (random >> 12) as f64;
    (step + 0.5) / STEPS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_never_zero_and_never_one() {
        assert!(fraction(0) > 0.0);
        assert!(fraction(u64::MAX) < 1.0);
        assert!((fraction(1 << 63) - 0.5).abs() < 1e-15);
    }

    #[test]
    fn neighbours_differ_in_half_of_their_bits() {
        let flips: u32 = (0..10_000).map(|n| (mix(n) ^ mix(n + 1)).count_ones()).sum();
        assert!((310_000..330_000).contains(&flips), "{flips} of 640,000 bits");
    }
}
