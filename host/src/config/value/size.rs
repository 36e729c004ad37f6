//! A number of bytes as an operator writes it: `"64MiB"`, `"8MB"`, `"1024"`.
//!
//! Whole numbers only, and refused rather than rounded: a limit must be the number that was
//! written. (The libraries at hand saturate on overflow and round fractions.)

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

/// A number of bytes. Written and shown as a whole number with a unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(u64);

/// Largest first, so that [`fmt::Display`] finds the largest unit that divides the number.
const BINARY: [(&str, u64); 4] =
    [("TiB", 1 << 40), ("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
const DECIMAL: [(&str, u64); 4] =
    [("TB", 1_000_000_000_000), ("GB", 1_000_000_000), ("MB", 1_000_000), ("KB", 1_000)];

impl Size {
    /// No bytes.
    pub const ZERO: Size = Size(0);

    /// A size in bytes.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Size {
        Size(bytes)
    }

    /// # Panics
    /// When the number of bytes passes `u64::MAX`; meant for constants.
    #[must_use]
    pub const fn kib(count: u64) -> Size {
        Size(count * (1 << 10))
    }

    /// # Panics
    /// When the number of bytes passes `u64::MAX`; meant for constants.
    #[must_use]
    pub const fn mib(count: u64) -> Size {
        Size(count * (1 << 20))
    }

    /// # Panics
    /// When the number of bytes passes `u64::MAX`; meant for constants.
    #[must_use]
    pub const fn gib(count: u64) -> Size {
        Size(count * (1 << 30))
    }

    /// The number of bytes.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// The number of bytes as a `usize`; `usize::MAX` if it does not fit.
    #[must_use]
    pub fn as_usize(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }

    /// Whether it is no bytes.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.0 == 0
    }
}

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SizeError {
    /// There is no number.
    #[error("expected a whole number of bytes with a unit, such as \"64MiB\"")]
    NotANumber,
    /// The number is no whole one.
    #[error("expected a whole number, found a fraction")]
    Fraction,
    /// The unit is unknown.
    #[error("expected the unit B, KB, MB, GB, TB, KiB, MiB, GiB or TiB, found {0:?}")]
    Unit(String),
    /// It does not fit into 64 bits.
    #[error("expected at most {max} bytes", max = u64::MAX)]
    TooLarge,
}

impl FromStr for Size {
    type Err = SizeError;

    fn from_str(text: &str) -> Result<Size, SizeError> {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = text.split_at(digits);
        if rest.starts_with('.') {
            return Err(SizeError::Fraction);
        }
        if number.is_empty() {
            return Err(SizeError::NotANumber);
        }
        let number: u64 = number.parse().map_err(|_| SizeError::TooLarge)?;
        let unit = rest.trim_start();
        let factor = factor(unit).ok_or_else(|| SizeError::Unit(unit.to_owned()))?;
        number.checked_mul(factor).map(Size).ok_or(SizeError::TooLarge)
    }
}

/// The factor of a unit. Case does not matter: "mb" can only mean megabytes here.
fn factor(unit: &str) -> Option<u64> {
    if unit.is_empty() || unit.eq_ignore_ascii_case("B") {
        return Some(1);
    }
    BINARY
        .iter()
        .chain(&DECIMAL)
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))
        .map(|&(_, factor)| factor)
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let exact = BINARY
            .iter()
            .chain(&DECIMAL)
            .find(|&&(_, factor)| self.0 >= factor && self.0.is_multiple_of(factor));
        match exact {
            Some(&(unit, factor)) => write!(f, "{}{unit}", self.0 / factor),
            None => write!(f, "{}B", self.0),
        }
    }
}

impl From<Size> for u64 {
    fn from(size: Size) -> u64 {
        size.as_u64()
    }
}

impl Serialize for Size {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
