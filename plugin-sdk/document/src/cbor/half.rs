//! Floats of 16 bits: sign, five bits of exponent, ten of fraction.

/// The float with these bits. Nothing is lost, the payload of a NaN included.
pub(super) fn to_f32(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x03ff);
    match exponent {
        // zero and subnormals: fraction × 2^-24, exact in 32 bits
        0 => {
            let magnitude = f32::from(bits & 0x03ff) * f32::from_bits(0x3380_0000);
            f32::from_bits(sign | magnitude.to_bits())
        }
        // infinities and NaNs
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        // from the bias of 15 to that of 127
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}

/// The bits of a float that is not NaN, if 16 hold it exactly.
pub(super) fn from_f32(single: f32) -> Option<u16> {
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
            // subnormal: the implicit bit becomes explicit, the point moves
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_half_float_comes_back() {
        for bits in 0..=u16::MAX {
            let single = to_f32(bits);
            if !single.is_nan() {
                assert_eq!(from_f32(single), Some(bits), "{bits:#06x}");
            }
        }
    }

    #[test]
    fn what_needs_more_bits_has_no_half_float() {
        for single in [0.1, 65_520.0, 1.0e-8, 2f32.powi(-25), f32::MAX, f32::MIN_POSITIVE] {
            assert_eq!(from_f32(single), None, "{single}");
        }
    }
}
