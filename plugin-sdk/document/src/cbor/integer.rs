//! Integers of any size: CBOR's bignums, and their digits.

use std::fmt::{self, Write as _};

/// An integer of any size.
///
/// In a document, integers of up to 64 bits and a sign are ordinary integers, and greater ones are
/// bignums (RFC 8949 section 3.4.3). A [`Writer`](super::Writer) writes each in its preferred form.
///
/// ```
/// use plugbay_document::cbor::{Integer, Writer};
///
/// let big = Integer::from_digits(true, "18446744073709551617", 10).expect("digits");
/// assert_eq!(big.to_string(), "-18446744073709551617");
///
/// let mut writer = Writer::default();
/// writer.big_integer(&big)?;
/// assert_eq!(writer.finish(), [0xc3, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
/// # Ok::<(), plugbay_document::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Integer {
    negative: bool,
    /// Big-endian, without leading zeros; for a negative integer -1 - `n`, these are the bytes of
    /// `n`.
    bytes: Vec<u8>,
}

impl Integer {
    /// The maximum number of bits of an integer that is read from digits or written as digits:
    /// about the range of a float of 64 bits. The time for a conversion grows with the square of
    /// the number of digits.
    pub const MAX_BITS: usize = 1024;

    /// The integer with this sign and these digits. `None` if it has more than
    /// [`Integer::MAX_BITS`] bits, if the text is empty, or if it contains other characters.
    ///
    /// # Panics
    ///
    /// If `radix` is not from 2 to 36.
    #[must_use]
    pub fn from_digits(negative: bool, digits: &str, radix: u32) -> Option<Self> {
        if digits.is_empty() {
            return None;
        }
        // little-endian
        let mut limbs: Vec<u32> = Vec::new();
        for digit in digits.chars() {
            let mut carry = u64::from(digit.to_digit(radix)?);
            for limb in &mut limbs {
                carry += u64::from(*limb) * u64::from(radix);
                *limb = low(carry);
                carry >>= 32;
            }
            if carry != 0 {
                limbs.push(low(carry));
            }
            if limbs.len() * 32 > Self::MAX_BITS {
                return None;
            }
        }
        if limbs.is_empty() {
            return Some(Self { negative: false, bytes: Vec::new() });
        }
        if negative {
            for limb in &mut limbs {
                let borrows = *limb == 0;
                *limb = limb.wrapping_sub(1);
                if !borrows {
                    break;
                }
            }
        }
        let bytes: Vec<u8> = limbs.iter().rev().flat_map(|limb| limb.to_be_bytes()).collect();
        Some(Self::from_bytes(negative, &bytes))
    }

    /// The integer of a bignum with these bytes; if `negative`, it is -1 minus their number.
    #[must_use]
    pub fn from_bytes(negative: bool, bytes: &[u8]) -> Self {
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        Self { negative, bytes: bytes[zeros..].to_vec() }
    }

    /// Whether the integer is less than 0.
    #[must_use]
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// The bytes of its bignum, without leading zeros; for a negative integer, those of -1 minus
    /// it.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The number of its bits, without the sign.
    #[must_use]
    pub fn bits(&self) -> usize {
        let first = self.bytes.first().map_or(0, |byte| byte.leading_zeros() as usize);
        self.bytes.len() * 8 - first
    }

    /// Whether its digits can be written: it has at most [`Integer::MAX_BITS`] bits.
    #[must_use]
    pub fn has_digits(&self) -> bool {
        self.bits() <= Self::MAX_BITS
    }

    /// The same integer as an `i128`, if it fits.
    #[must_use]
    pub fn to_i128(&self) -> Option<i128> {
        let mut number = [0; 16];
        let gap = number.len().checked_sub(self.bytes.len())?;
        number[gap..].copy_from_slice(&self.bytes);
        let number = i128::try_from(u128::from_be_bytes(number)).ok()?;
        Some(if self.negative { !number } else { number })
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only the low half is needed")]
fn low(number: u64) -> u32 {
    number as u32
}

/// Displayed in decimal digits; if it has more than [`Integer::MAX_BITS`] bits, as their number.
impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const CHUNK: u64 = 1_000_000_000;
        if !self.has_digits() {
            return write!(f, "of {} bits", self.bits());
        }
        // little-endian
        let mut limbs: Vec<u32> = self
            .bytes
            .rchunks(4)
            .map(|chunk| chunk.iter().fold(0, |limb, byte| limb << 8 | u32::from(*byte)))
            .collect();
        if self.negative {
            let carried = limbs.iter_mut().all(|limb| {
                *limb = limb.wrapping_add(1);
                *limb == 0
            });
            if carried {
                limbs.push(1);
            }
        }
        let mut chunks = Vec::new();
        while !limbs.is_empty() {
            let mut rest = 0;
            for limb in limbs.iter_mut().rev() {
                let number = rest << 32 | u64::from(*limb);
                *limb = low(number / CHUNK);
                rest = number % CHUNK;
            }
            chunks.push(rest);
            while limbs.last() == Some(&0) {
                limbs.pop();
            }
        }
        let mut digits = chunks.pop().unwrap_or(0).to_string();
        for chunk in chunks.iter().rev() {
            write!(digits, "{chunk:09}")?;
        }
        f.pad_integral(!self.negative, "", &digits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> Option<Integer> {
        let digits = text.strip_prefix('-');
        Integer::from_digits(digits.is_some(), digits.unwrap_or(text), 10)
    }

    #[test]
    fn digits_are_converted_and_back() {
        for text in [
            "0",
            "1",
            "-1",
            "999999999",
            "1000000000",
            "-4294967296",
            "18446744073709551615",
            "18446744073709551616",
            "-18446744073709551616",
            "-18446744073709551617",
            "340282366920938463463374607431768211456",
            "-340282366920938463463374607431768211456",
            "115792089237316195423570985008687907853269984665640564039457584007913129639935",
        ] {
            let integer = decimal(text).unwrap();
            assert_eq!(integer.to_string(), text);
            let exact = integer.to_i128();
            assert_eq!(exact, text.parse().ok(), "{text}");
        }
    }

    #[test]
    fn leading_zeros_are_ignored_and_there_is_no_negative_zero() {
        assert_eq!(decimal("-000"), decimal("0"));
        assert_eq!(decimal(&format!("{:0>4000}", 7)), decimal("7"));
    }

    #[test]
    fn too_many_digits_and_other_characters_are_refused() {
        assert!(decimal(&"9".repeat(308)).is_some());
        assert!(decimal(&"9".repeat(309)).is_none());
        assert!(decimal("").is_none() && decimal("1_0").is_none() && decimal("+1").is_none());
        assert_eq!(Integer::from_digits(false, "ff", 16).unwrap().as_bytes(), [0xff]);
    }
}
