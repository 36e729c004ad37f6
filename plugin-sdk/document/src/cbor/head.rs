//! The heads of items: three bits for the kind, then a number in one of five widths.

use super::half;

/// The kinds, in the upper three bits of an item's first byte. The last kind contains simple values
/// and floats, which are distinguished by the whole first byte.
pub(crate) const UNSIGNED: u8 = 0;
pub(crate) const NEGATIVE: u8 = 1;
pub(crate) const BYTES: u8 = 2;
pub(crate) const TEXT: u8 = 3;
pub(crate) const ARRAY: u8 = 4;
pub(crate) const MAP: u8 = 5;
pub(crate) const TAG: u8 = 6;
pub(crate) const SIMPLE: u8 = 7;

/// Values of the lower five bits if they are not the number itself: where the number is.
pub(crate) const IN_1_BYTE: u8 = 0x18;
pub(crate) const IN_2_BYTES: u8 = 0x19;
pub(crate) const IN_4_BYTES: u8 = 0x1a;
pub(crate) const IN_8_BYTES: u8 = 0x1b;
/// There is no number: the length is indefinite.
pub(crate) const INDEFINITE: u8 = 0x1f;

pub(crate) const FALSE: u8 = 0xf4;
pub(crate) const TRUE: u8 = 0xf5;
pub(crate) const NULL: u8 = 0xf6;
pub(crate) const UNDEFINED: u8 = 0xf7;
pub(crate) const FLOAT_16: u8 = 0xf9;
pub(crate) const FLOAT_32: u8 = 0xfa;
pub(crate) const FLOAT_64: u8 = 0xfb;
pub(crate) const BREAK: u8 = 0xff;

/// Bignums: a byte string under one of these tags.
pub(crate) const TAG_BIG_UNSIGNED: u64 = 2;
pub(crate) const TAG_BIG_NEGATIVE: u64 = 3;
/// A date and time as text (RFC 3339), and a day as text (RFC 8943).
pub(crate) const TAG_DATE_TIME: u64 = 0;
pub(crate) const TAG_DATE: u64 = 1004;
/// "The next item is CBOR", which has no meaning here.
pub(crate) const TAG_SELF_DESCRIBED: u64 = 55_799;

/// Writes a head in the shortest width.
pub(crate) fn write(out: &mut Vec<u8>, kind: u8, number: u64) {
    let kind = kind << 5;
    if number < 24 {
        #[expect(clippy::cast_possible_truncation, reason = "below 24")]
        out.push(kind | number as u8);
    } else if let Ok(number) = u8::try_from(number) {
        out.extend_from_slice(&[kind | IN_1_BYTE, number]);
    } else if let Ok(number) = u16::try_from(number) {
        let [a, b] = number.to_be_bytes();
        out.extend_from_slice(&[kind | IN_2_BYTES, a, b]);
    } else if let Ok(number) = u32::try_from(number) {
        let [a, b, c, d] = number.to_be_bytes();
        out.extend_from_slice(&[kind | IN_4_BYTES, a, b, c, d]);
    } else {
        out.push(kind | IN_8_BYTES);
        out.extend_from_slice(&number.to_be_bytes());
    }
}

pub(crate) fn write_text(out: &mut Vec<u8>, text: &str) {
    write(out, TEXT, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

pub(crate) fn write_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    write(out, BYTES, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn write_signed(out: &mut Vec<u8>, number: i64) {
    if number < 0 {
        // -1 - n, which is the complement
        write(out, NEGATIVE, !number.cast_unsigned());
    } else {
        write(out, UNSIGNED, number.cast_unsigned());
    }
}

pub(crate) fn write_u128(out: &mut Vec<u8>, number: u128) {
    write_wide(out, UNSIGNED, TAG_BIG_UNSIGNED, number);
}

pub(crate) fn write_i128(out: &mut Vec<u8>, number: i128) {
    if number < 0 {
        write_wide(out, NEGATIVE, TAG_BIG_NEGATIVE, !number.cast_unsigned());
    } else {
        write_u128(out, number.cast_unsigned());
    }
}

fn write_wide(out: &mut Vec<u8>, kind: u8, tag: u64, number: u128) {
    if let Ok(number) = u64::try_from(number) {
        write(out, kind, number);
    } else {
        write(out, TAG, tag);
        let zeros = number.leading_zeros() as usize / 8;
        write_bytes(out, &number.to_be_bytes()[zeros..]);
    }
}

/// Writes an integer of any size in its preferred form: as a bignum only if it does not fit into 64
/// bits. `bytes` are big-endian; for a negative integer, they are those of -1 minus it.
pub(crate) fn write_big(out: &mut Vec<u8>, negative: bool, bytes: &[u8]) {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let bytes = &bytes[zeros..];
    if bytes.len() <= 8 {
        let number = bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte));
        write(out, if negative { NEGATIVE } else { UNSIGNED }, number);
    } else {
        write(out, TAG, if negative { TAG_BIG_NEGATIVE } else { TAG_BIG_UNSIGNED });
        write_bytes(out, bytes);
    }
}

pub(crate) fn write_f32(out: &mut Vec<u8>, number: f32) {
    out.push(FLOAT_32);
    out.extend_from_slice(&number.to_be_bytes());
}

pub(crate) fn write_f64(out: &mut Vec<u8>, number: f64) {
    out.push(FLOAT_64);
    out.extend_from_slice(&number.to_be_bytes());
}

/// Writes a float in the shortest of the three widths that represents it exactly. Every NaN becomes
/// the canonical NaN.
pub(crate) fn write_shortest(out: &mut Vec<u8>, number: f64) {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original below")]
    let single = number as f32;
    if number.is_nan() {
        out.extend_from_slice(&[FLOAT_16, 0x7e, 0x00]);
    } else if f64::from(single).to_bits() != number.to_bits() {
        write_f64(out, number);
    } else if let Some(half) = half::from_f32(single) {
        out.push(FLOAT_16);
        out.extend_from_slice(&half.to_be_bytes());
    } else {
        write_f32(out, single);
    }
}

/// An open array or map, whose length is only known at its end.
///
/// The head is written for the expected length and corrected at the end, which moves the content
/// only if the width of the head changes. So documents always have definite lengths, for which
/// readers can reserve memory.
pub(crate) struct Open {
    kind: u8,
    start: usize,
    content: usize,
    expected: u64,
}

impl Open {
    pub(crate) fn new(out: &mut Vec<u8>, kind: u8, expected: Option<usize>) -> Self {
        let expected = expected.unwrap_or(0) as u64;
        let start = out.len();
        write(out, kind, expected);
        Self { kind, start, content: out.len(), expected }
    }

    /// An array or a map whose head is at `start` and has the length 0.
    pub(crate) fn empty(kind: u8, start: usize) -> Self {
        Self { kind, start, content: start + 1, expected: 0 }
    }

    pub(crate) fn close(self, out: &mut Vec<u8>, found: u64) {
        if found == self.expected {
            return;
        }
        if found < 24 && self.content == self.start + 1 {
            #[expect(clippy::cast_possible_truncation, reason = "below 24")]
            let short = found as u8;
            out[self.start] = self.kind << 5 | short;
            return;
        }
        let mut head = Vec::with_capacity(9);
        write(&mut head, self.kind, found);
        out.splice(self.start..self.content, head);
    }
}
