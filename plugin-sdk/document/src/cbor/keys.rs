//! Whether two keys of a map are equal.
//!
//! Few keys are compared as they come; more are sorted, at times that are ever further apart, so
//! that a flood of equal keys ends before much is kept of it.

use std::fmt;

use super::{Reader, Token, Writer};
use crate::Error;

/// Up to this many keys are compared one by one as they come.
pub(crate) const FEW: usize = 16;

/// Whether it is time to sort so many keys: at 64, 256, 1,024 and so on.
#[inline]
pub(crate) fn is_due(count: usize) -> bool {
    count >= 4 * FEW && count.is_power_of_two() && count.trailing_zeros().is_multiple_of(2)
}

/// The places of keys in the order of their bytes; or the place of one that is equal to another
/// before it.
pub(crate) fn sorted<'k>(count: usize, key: impl Fn(usize) -> &'k [u8]) -> Result<Vec<u32>, usize> {
    let mut sorted: Vec<u32> = (0..u32::try_from(count).unwrap_or(u32::MAX)).collect();
    let key = |index: &u32| key(*index as usize);
    sorted.sort_unstable_by(|a, b| key(a).cmp(key(b)));
    match sorted.windows(2).find(|pair| key(&pair[0]) == key(&pair[1])) {
        Some(pair) => Err(pair[0].max(pair[1]) as usize),
        None => Ok(sorted),
    }
}

/// The keys of the maps that a reader is in.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Found>,
    /// The bytes of keys that are not in the input as they are compared.
    other: Vec<u8>,
}

/// A key: where its text or its encoded bytes are.
#[derive(Clone, Copy, Debug)]
struct Found {
    start: u32,
    length: u32,
    /// In the input, or else in `Keys::other`.
    in_input: bool,
    /// The bytes of a text, or else an item in preferred form.
    is_text: bool,
}

/// Where the keys of a map begin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    keys: usize,
    other: usize,
}

impl Keys {
    /// A map begins.
    pub(crate) fn begin(&self) -> Mark {
        Mark { keys: self.keys.len(), other: self.other.len() }
    }

    /// Takes the key that `reader` stands before, an item that is well-formed, of the map that
    /// began at `mark`.
    pub(crate) fn take<'a>(
        &mut self,
        mark: Mark,
        cbor: &'a [u8],
        reader: &mut Reader<'a>,
    ) -> Result<(), Error> {
        let at = reader.offset();
        let start = *reader;
        let found = match reader.next_token()? {
            Token::Text(std::borrow::Cow::Borrowed(text)) => Found {
                start: place(reader.offset() - text.len())?,
                length: place(text.len())?,
                in_input: true,
                is_text: true,
            },
            Token::Text(text) => self.other(text.as_bytes(), true)?,
            _ => {
                *reader = start;
                let mut writer = Writer::default();
                writer.copy(reader)?;
                self.other(&writer.finish(), false)?
            }
        };
        let known = &self.keys[mark.keys..];
        let repeated = known.len() < FEW && known.iter().any(|it| self.same(cbor, it, &found));
        self.keys.push(found);
        if repeated {
            return Err(Error::duplicate(at, Key(&start)));
        }
        if is_due(self.keys.len() - mark.keys) {
            self.check(mark, cbor)?;
        }
        Ok(())
    }

    /// The map that began at `mark` ends.
    pub(crate) fn end(&mut self, mark: Mark, cbor: &[u8]) -> Result<(), Error> {
        if self.keys.len() - mark.keys > FEW {
            self.check(mark, cbor)?;
        }
        self.keys.truncate(mark.keys);
        self.other.truncate(mark.other);
        Ok(())
    }

    fn check(&self, mark: Mark, cbor: &[u8]) -> Result<(), Error> {
        for is_text in [true, false] {
            let known: Vec<Found> =
                self.keys[mark.keys..].iter().filter(|it| it.is_text == is_text).copied().collect();
            if let Err(repeated) = sorted(known.len(), |index| self.bytes(cbor, &known[index])) {
                let bytes = self.bytes(cbor, &known[repeated]);
                let at = known[repeated].start as usize;
                return Err(if is_text {
                    Error::duplicate(at, format_args!("{:?}", String::from_utf8_lossy(bytes)))
                } else {
                    Error::duplicate(at, Key(&Reader::new(bytes)))
                });
            }
        }
        Ok(())
    }

    fn other(&mut self, bytes: &[u8], is_text: bool) -> Result<Found, Error> {
        let start = place(self.other.len())?;
        self.other.extend_from_slice(bytes);
        Ok(Found { start, length: place(bytes.len())?, in_input: false, is_text })
    }

    fn same(&self, cbor: &[u8], a: &Found, b: &Found) -> bool {
        a.length == b.length && a.is_text == b.is_text && self.bytes(cbor, a) == self.bytes(cbor, b)
    }

    fn bytes<'k>(&'k self, cbor: &'k [u8], found: &Found) -> &'k [u8] {
        let from = if found.in_input { cbor } else { &self.other };
        &from[found.start as usize..][..found.length as usize]
    }
}

fn place(at: usize) -> Result<u32, Error> {
    u32::try_from(at).map_err(|_| Error::new("expected a document of less than 4 GiB"))
}

/// A key as a message names it: as its text or number, or else in hexadecimal.
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
