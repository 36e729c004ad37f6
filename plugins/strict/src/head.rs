//! The first bytes of an item, and floats.

/// Writes an initial byte and its argument, as short as it can be.
pub(crate) fn push_argument(out: &mut Vec<u8>, major: u8, argument: u64) {
    let major = major << 5;
    match argument {
        0..=23 => out.push(major | argument.to_be_bytes()[7]),
        24..=0xff => out.extend([major | 0x18, argument.to_be_bytes()[7]]),
        0x100..=0xffff => {
            out.push(major | 0x19);
            out.extend(&argument.to_be_bytes()[6..]);
        }
        0x1_0000..=0xffff_ffff => {
            out.push(major | 0x1a);
            out.extend(&argument.to_be_bytes()[4..]);
        }
        _ => {
            out.push(major | 0x1b);
            out.extend(argument.to_be_bytes());
        }
    }
}

/// The shortest of the three widths that holds the value exactly. Every NaN becomes the plain one.
pub(crate) fn shortest(value: f64, out: &mut Vec<u8>) {
    #[expect(clippy::cast_possible_truncation, reason = "compared with the original below")]
    let single = value as f32;
    if value.is_nan() {
        out.extend([0xf9, 0x7e, 0x00]);
    } else if let Some(half) =
        half(single).filter(|_| f64::from(single).to_bits() == value.to_bits())
    {
        out.push(0xf9);
        out.extend(half.to_be_bytes());
    } else if f64::from(single).to_bits() == value.to_bits() {
        out.push(0xfa);
        out.extend(single.to_be_bytes());
    } else {
        out.push(0xfb);
        out.extend(value.to_be_bytes());
    }
}

/// The half-precision form of a float that is not NaN, if there is an exact one.
fn half(single: f32) -> Option<u16> {
    let bits = single.to_bits();
    let sign = u16::from(single.is_sign_negative()) << 15;
    let mantissa = bits & 0x7f_ffff;
    let exponent = i32::from(u8::try_from(bits >> 23 & 0xff).ok()?) - 127;
    let magnitude = match exponent {
        128 => 0x1f << 10,
        -14..=15 if mantissa.trailing_zeros() >= 13 => {
            u16::try_from(exponent + 15).ok()? << 10 | u16::try_from(mantissa >> 13).ok()?
        }
        -24..=-15 => {
            // Subnormal: the implicit bit becomes explicit, the point moves.
            let shift = u32::try_from(-1 - exponent).ok()?;
            let whole = mantissa | 0x80_0000;
            if whole.trailing_zeros() < shift {
                return None;
            }
            u16::try_from(whole >> shift).ok()?
        }
        _ if single == 0.0 => 0,
        _ => return None,
    };
    Some(sign | magnitude)
}
