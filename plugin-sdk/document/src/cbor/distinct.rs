//! Checks that no map of an item has equal keys.

use super::keys::{FEW, Key, is_due, sorted};
use super::{Reader, Token, Writer};
use crate::Error;

/// Skips a whole item like [`Reader::skip`], and refuses equal keys in a map. `cbor` is the whole
/// input of the reader.
pub(crate) fn check<'a>(
    reader: &mut Reader<'a>,
    cbor: &'a [u8],
    keys: &mut Keys,
) -> Result<(), Error> {
    match reader.next_token()? {
        Token::Array(mut left) => {
            reader.enter()?;
            while reader.advance(&mut left)? {
                check(reader, cbor, keys)?;
            }
        }
        Token::Map(mut left) => {
            reader.enter()?;
            let mark = keys.begin();
            while reader.advance(&mut left)? {
                let mut key = *reader;
                // A key may contain maps.
                check(reader, cbor, keys)?;
                keys.take(mark, cbor, &mut key)?;
                check(reader, cbor, keys)?;
            }
            keys.end(mark, cbor)?;
        }
        Token::Tag(_) => {
            reader.enter()?;
            check(reader, cbor, keys)?;
        }
        _ => return Ok(()),
    }
    reader.leave();
    Ok(())
}

/// The keys of the maps that a reader is in.
#[derive(Debug, Default)]
pub(crate) struct Keys {
    keys: Vec<Found>,
    /// The bytes of keys that differ from those in the input.
    other: Vec<u8>,
}

/// The range of a key's text, or of its encoded bytes.
#[derive(Clone, Copy, Debug)]
struct Found {
    start: u32,
    length: u32,
    /// Whether the range is in the input, and not in `Keys::other`.
    in_input: bool,
    /// Whether the bytes are those of a text, and not an item in preferred form.
    is_text: bool,
}

/// The beginning of the keys of a map.
#[derive(Clone, Copy, Debug)]
struct Mark {
    keys: usize,
    other: usize,
}

impl Keys {
    /// Begins a map.
    fn begin(&self) -> Mark {
        Mark { keys: self.keys.len(), other: self.other.len() }
    }

    /// Reads the next key, a well-formed item, and adds it to the map that began at `mark`.
    fn take<'a>(
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

    /// Ends the map that began at `mark`.
    fn end(&mut self, mark: Mark, cbor: &[u8]) -> Result<(), Error> {
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
