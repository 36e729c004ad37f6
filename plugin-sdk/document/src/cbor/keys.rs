//! Finds equal keys in a map.
//!
//! Few keys are compared one by one. More keys are sorted, at certain numbers of keys that grow by
//! a factor of four, so that many equal keys are refused before they take much memory.

use std::fmt;

use super::{Reader, Token};

/// Up to this many keys are compared one by one.
pub(crate) const FEW: usize = 16;

/// Whether the keys must be sorted at this number of them: at 64, 256, 1,024 and so on.
#[inline]
pub(crate) fn is_due(count: usize) -> bool {
    count >= 4 * FEW && count.is_power_of_two() && count.trailing_zeros().is_multiple_of(2)
}

/// The indices of keys in the order of their bytes. The error is the index of a key that is equal
/// to one before it.
pub(crate) fn sorted<'k>(count: usize, key: impl Fn(usize) -> &'k [u8]) -> Result<Vec<u32>, usize> {
    let mut sorted: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
    let key = |index: &u32| key(*index as usize);
    sorted.sort_unstable_by(|a, b| key(a).cmp(key(b)));
    match sorted.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
        Some(pair) => Err(pair[0].max(pair[1]) as usize),
        None => Ok(sorted),
    }
}

/// Displays a key in a message: as its text or number, or in hexadecimal.
pub(crate) struct Key<'k, 'a>(pub(crate) &'k Reader<'a>);

impl fmt::Display for Key<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut reader = *self.0;
        let before = reader.rest();
        let token = reader.next_token().map_err(|_| fmt::Error)?;
        if let Some(integer) = token.as_integer() {
            return write!(f, "{integer}");
        }
        if let Some(float) = token.as_float() {
            return write!(f, "{float:?}");
        }
        match token {
            Token::Text(text) => write!(f, "{text:?}"),
            Token::Bool(value) => write!(f, "{value}"),
            Token::Null => f.write_str("null"),
            _ => {
                let mut end = *self.0;
                end.skip().map_err(|_| fmt::Error)?;
                let item = &before[..before.len() - end.rest().len()];
                item.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }
    }
}
