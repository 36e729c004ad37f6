//! Writing CBOR, while the depth is bounded and equal keys are refused.

use std::fmt;

use super::head::{
    self, ARRAY, FALSE, MAP, NULL, Open, SIMPLE, TAG, TAG_BIG_NEGATIVE, TAG_BIG_UNSIGNED, TRUE,
    UNDEFINED,
};
use super::keys::{self, FEW, Key};
use super::{Integer, Reader, Token};
use crate::{Error, MAX_DEPTH, Path, reserve};

/// In which width a [`Writer`] writes floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Floats {
    /// Always 64 bits: what documents hold.
    #[default]
    Double,
    /// The shortest of 16, 32 and 64 bits that keeps the value (RFC 8949 section 4.1). Every NaN
    /// becomes the plain one.
    Shortest,
}

/// In which order a [`Writer`] writes the pairs of a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    #[default]
    Kept,
    /// By the bytes of their encoded keys (RFC 8949 section 4.2.1).
    Sorted,
}

/// Writes one CBOR item from what a codec reads, and refuses what no document may be: one that
/// nests deeper than [`MAX_DEPTH`] levels, or that has equal keys in a map.
///
/// Integers are written in preferred form, bignums too: one that 64 bits hold becomes an ordinary
/// integer, and leading zeros are left out.
///
/// Arrays and maps are opened and closed; their lengths need not be known. A map takes a key,
/// then its value, then the next key.
///
/// ```
/// use plugbay_document::cbor::Writer;
///
/// let mut writer = Writer::default();
/// writer.open_map()?;
/// writer.text("a")?;
/// writer.integer(1)?;
/// let error = writer.text("a").unwrap_err();
/// assert_eq!(error.to_string(), r#"duplicate key "a" in the document"#);
/// # Ok::<(), plugbay_document::Error>(())
/// ```
///
/// # Errors
///
/// A function that fails says why and where in the document; the item is to be thrown away then.
/// Every function that writes fails for an item after the first.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    open: Vec<Level>,
    /// The first byte of each key, and the byte after it, of all open maps.
    keys: Vec<(u32, u32)>,
    /// Where the items are that may be repeated, in the order of their beginnings.
    kept: Vec<(u32, u32)>,
    floats: Floats,
    order: Order,
    /// The item is there.
    complete: bool,
}

/// An array, a map or a tag whose content is being written.
#[derive(Clone, Copy, Debug)]
struct Level {
    kind: Kind,
    /// Where its head is.
    start: usize,
    /// Its items so far; of a map, keys and values each count.
    items: usize,
    /// Where its keys begin in `Writer::keys`.
    keys: usize,
    /// The tag's number.
    tag: u64,
}

/// An item that [`Writer::repeat`] can write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kept(u32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array = ARRAY as isize,
    Map = MAP as isize,
    Tag = TAG as isize,
}

impl Writer {
    /// A writer that reserves `bytes` bytes for the item.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// The same with floats in this width.
    #[must_use]
    pub fn floats(self, floats: Floats) -> Self {
        Self { floats, ..self }
    }

    /// The same with pairs in this order.
    #[must_use]
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The bytes of the item.
    ///
    /// # Panics
    ///
    /// If nothing was written, or an array, a map or a tag is still open.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        assert!(self.complete && self.open.is_empty(), "expected a whole item, found part of one");
        self.out
    }

    /// Writes an item that holds no others, or opens a level for one that does; the length that
    /// the token gives is not used.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn token(&mut self, token: &Token<'_>) -> Result<(), Error> {
        match token {
            Token::Null => self.null(),
            Token::Undefined => self.byte(UNDEFINED),
            Token::Bool(value) => self.bool(*value),
            Token::Unsigned(value) => self.head(head::UNSIGNED, *value),
            Token::Negative(value) => self.head(head::NEGATIVE, *value),
            Token::F32(value) => self.float((*value).into()),
            Token::F64(value) => self.float(*value),
            Token::Bytes(bytes) => self.bytes(bytes),
            Token::Text(text) => self.text(text),
            Token::Array(_) => self.open_array(),
            Token::Map(_) => self.open_map(),
            Token::Tag(tag) => self.open_tag(*tag),
            Token::Simple(value) => self.head(SIMPLE, u64::from(*value)),
        }
    }

    /// Writes null.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn null(&mut self) -> Result<(), Error> {
        self.byte(NULL)
    }

    /// Writes a boolean.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn bool(&mut self, value: bool) -> Result<(), Error> {
        self.byte(if value { TRUE } else { FALSE })
    }

    /// Writes an integer; one that 64 bits and a sign do not hold as a bignum.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn integer(&mut self, value: i128) -> Result<(), Error> {
        let start = self.room(32)?;
        head::write_i128(&mut self.out, value);
        self.done(start)
    }

    /// Writes an integer of any size.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn big_integer(&mut self, value: &Integer) -> Result<(), Error> {
        let start = self.room(value.as_bytes().len() + 16)?;
        head::write_big(&mut self.out, value.is_negative(), value.as_bytes());
        self.done(start)
    }

    /// Writes a float.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn float(&mut self, value: f64) -> Result<(), Error> {
        let start = self.room(9)?;
        match self.floats {
            Floats::Double => head::write_f64(&mut self.out, value),
            Floats::Shortest => head::write_shortest(&mut self.out, value),
        }
        self.done(start)
    }

    /// Writes a text.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn text(&mut self, value: &str) -> Result<(), Error> {
        let start = self.room(value.len() + 9)?;
        head::write_text(&mut self.out, value);
        self.done(start)
    }

    /// Writes a byte string.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn bytes(&mut self, value: &[u8]) -> Result<(), Error> {
        let mut start = self.room(value.len() + 18)?;
        match self.open.last() {
            Some(level) if level.is_bignum() => {
                start = level.start;
                let negative = level.tag == TAG_BIG_NEGATIVE;
                self.open.pop();
                self.out.truncate(start);
                head::write_big(&mut self.out, negative, value);
            }
            _ => head::write_bytes(&mut self.out, value),
        }
        self.done(start)
    }

    pub(crate) fn unsigned(&mut self, value: u128) -> Result<(), Error> {
        let start = self.room(32)?;
        head::write_u128(&mut self.out, value);
        self.done(start)
    }

    /// Writes a float of 32 bits as such, whatever [`Floats`] says.
    pub(crate) fn single(&mut self, value: f32) -> Result<(), Error> {
        let start = self.room(5)?;
        head::write_f32(&mut self.out, value);
        self.done(start)
    }

    /// Copies one item, with all that it holds; what was not in preferred form is.
    ///
    /// # Errors
    ///
    /// An item that is not well-formed; else see [`Writer`].
    pub fn copy(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        // The writer bounds the depth, and so the recursion.
        let token = reader.next_token()?;
        self.token(&token)?;
        match token {
            Token::Array(mut left) => {
                while reader.more(&mut left)? {
                    self.copy(reader)?;
                }
                self.close()
            }
            Token::Map(mut left) => {
                while reader.more(&mut left)? {
                    self.copy(reader)?;
                    self.copy(reader)?;
                }
                self.close()
            }
            Token::Tag(_) => self.copy(reader),
            _ => Ok(()),
        }
    }

    /// Says that the next item may be repeated. [`Writer::kept`] is to be called when it is there.
    pub fn keep(&mut self) -> Kept {
        let start = offset(self.out.len());
        self.kept.push((start, start));
        Kept(offset(self.kept.len() - 1))
    }

    /// Says that the item is complete which was to come when [`Writer::keep`] was called.
    pub fn kept(&mut self, item: Kept) {
        let end = offset(self.out.len());
        if let Some(range) = self.kept.get_mut(item.0 as usize) {
            range.1 = end;
        }
    }

    /// At least how much the item takes in any bundled format, when it is written once more.
    ///
    /// # Errors
    ///
    /// An item that is not complete.
    pub fn weight(&self, item: Kept) -> Result<usize, Error> {
        let mut reader = Reader::new(&self.out[self.range(item)?]);
        weigh(&mut reader)
    }

    /// Writes an item again.
    ///
    /// # Errors
    ///
    /// An item that is not complete: it would hold itself. Else see [`Writer`].
    pub fn repeat(&mut self, item: Kept) -> Result<(), Error> {
        let range = self.range(item)?;
        let mut reader = Reader::new(&self.out[range.clone()]);
        for _ in &self.open {
            reader.enter()?;
        }
        reader.skip()?;
        let start = self.room(range.len())?;
        self.out.extend_from_within(range);
        self.done(start)
    }

    /// Whether the item is complete: [`Writer::kept`] was called for it.
    #[must_use]
    pub fn is_complete(&self, item: Kept) -> bool {
        self.range(item).is_ok()
    }

    /// Whether the item is complete and a map.
    #[must_use]
    pub fn is_map(&self, item: Kept) -> bool {
        self.range(item).is_ok_and(|range| self.out[range.start] >> 5 == MAP)
    }

    /// The bytes so far. The heads of what is open change when it is closed.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// How many pairs the innermost map has so far.
    #[must_use]
    pub fn pairs(&self) -> usize {
        self.open.last().map_or(0, |level| self.keys.len() - level.keys)
    }

    /// Writes those pairs of a map again whose keys the innermost map does not have.
    ///
    /// # Errors
    ///
    /// An item that is not complete or no map; else see [`Writer`].
    pub fn merge(&mut self, item: Kept) -> Result<(), Error> {
        let range = self.range(item)?;
        let Some(level) = self.open.last().copied().filter(|level| level.kind == Kind::Map) else {
            return Err(self.error("expected an open map to merge another into"));
        };
        let known = self.keys.len();
        let sorted = self.distinct(level)?;
        let mut at = range.start;
        let mut left = Some(0);
        let mut begun = false;
        loop {
            let bytes = &self.out[at..range.end];
            let mut reader = Reader::new(bytes);
            for _ in &self.open {
                reader.enter()?;
            }
            if !begun {
                let Token::Map(pairs) = reader.next_token()? else {
                    return Err(self.error("expected a map to merge"));
                };
                (left, begun) = (pairs, true);
                at = range.end - reader.rest().len();
                continue;
            }
            if !reader.more(&mut left)? {
                return Ok(());
            }
            reader.skip()?;
            let value = range.end - reader.rest().len();
            reader.skip()?;
            let end = range.end - reader.rest().len();
            let key = &self.out[at..value];
            let keys = &self.keys[level.keys..known];
            let bytes = |place: &u32| {
                let (from, to) = keys[*place as usize];
                &self.out[from as usize..to as usize]
            };
            if sorted.binary_search_by(|place| bytes(place).cmp(key)).is_err() {
                for part in [at..value, value..end] {
                    let start = self.room(part.len())?;
                    self.out.extend_from_within(part);
                    self.done(start)?;
                }
            }
            at = end;
        }
    }

    fn range(&self, item: Kept) -> Result<std::ops::Range<usize>, Error> {
        match self.kept.get(item.0 as usize) {
            Some(&(start, end)) if start < end => Ok(start as usize..end as usize),
            _ => Err(self.error("an item that holds itself")),
        }
    }

    /// Opens an array.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_array(&mut self) -> Result<(), Error> {
        self.open(Kind::Array, 0)
    }

    /// Opens a map.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_map(&mut self) -> Result<(), Error> {
        self.open(Kind::Map, 0)
    }

    /// Tags the next item. A tag needs no [`Writer::close`]: its item closes it.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_tag(&mut self, tag: u64) -> Result<(), Error> {
        self.open(Kind::Tag, tag)
    }

    /// Closes the innermost array or map.
    ///
    /// # Errors
    ///
    /// If none is open, or a key lacks its value, or a tag its item; else see [`Writer`].
    pub fn close(&mut self) -> Result<(), Error> {
        let complete = |level: &Level| match level.kind {
            Kind::Array => true,
            Kind::Map => level.items.is_multiple_of(2),
            Kind::Tag => false,
        };
        let Some(level) = self.open.last().copied().filter(complete) else {
            return Err(self.error("found a break where an item is expected"));
        };
        let count = if level.kind == Kind::Map {
            self.finish_map(level)?;
            level.items / 2
        } else {
            level.items
        };
        self.keys.truncate(level.keys);
        self.open.pop();
        self.room(9)?;
        let before = self.out.len();
        Open::empty(level.kind as u8, level.start).close(&mut self.out, count as u64);
        let shift = offset(self.out.len() - before);
        if shift > 0 {
            let inside = self.kept.iter_mut().rev();
            for range in inside.take_while(|range| range.0 as usize > level.start) {
                *range = (range.0 + shift, range.1 + shift);
            }
        }
        self.done(level.start)
    }

    /// An error that says where in the document the writer stands: `{what} in orders[3]`.
    #[must_use]
    pub fn error(&self, what: impl fmt::Display) -> Error {
        self.with_path(|path| Error::new(format_args!("{what} in {path}")))
    }

    fn open(&mut self, kind: Kind, argument: u64) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            return Err(Error::too_deep());
        }
        let start = self.room(9)?;
        self.open.push(Level { kind, start, items: 0, keys: self.keys.len(), tag: argument });
        head::write(&mut self.out, kind as u8, argument);
        Ok(())
    }

    /// Makes room for so many bytes, and says where they begin.
    #[inline]
    fn room(&mut self, bytes: usize) -> Result<usize, Error> {
        let start = self.out.len();
        if self.out.capacity() - start < bytes {
            self.grow(bytes)?;
        }
        Ok(start)
    }

    #[cold]
    fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        if u32::try_from(self.out.len() + bytes).is_err() {
            return Err(Error::new("expected a document of less than 4 GiB"));
        }
        reserve(&mut self.out, bytes);
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Error> {
        let start = self.room(1)?;
        self.out.push(byte);
        self.done(start)
    }

    fn head(&mut self, kind: u8, number: u64) -> Result<(), Error> {
        let start = self.room(9)?;
        head::write(&mut self.out, kind, number);
        self.done(start)
    }

    /// Counts the item that begins at `start` and ends here.
    #[inline]
    fn done(&mut self, mut start: usize) -> Result<(), Error> {
        while let Some(level) = self.open.last_mut() {
            level.items += 1;
            let level = *level;
            match level.kind {
                Kind::Tag => {
                    self.open.pop();
                    start = level.start;
                }
                Kind::Map if level.items % 2 == 1 => return self.key(level, start),
                _ => return Ok(()),
            }
        }
        self.end(start)
    }

    /// The item that begins at `start` is in no other.
    #[cold]
    fn end(&mut self, start: usize) -> Result<(), Error> {
        if self.complete {
            self.out.truncate(start);
            return Err(Error::new("expected one item, found another after it"));
        }
        self.complete = true;
        Ok(())
    }

    fn key(&mut self, level: Level, start: usize) -> Result<(), Error> {
        let key = &self.out[start..];
        let known = &self.keys[level.keys..];
        let bytes = |range: &(u32, u32)| &self.out[range.0 as usize..range.1 as usize];
        if known.len() < FEW && known.iter().any(|range| bytes(range) == key) {
            return Err(self.duplicate(start, self.out.len()));
        }
        self.keys.push((offset(start), offset(self.out.len())));
        if keys::is_due(self.keys.len() - level.keys) {
            self.distinct(level)?;
        }
        Ok(())
    }

    /// The places of the map's keys in their order, if no two are equal.
    fn distinct(&self, level: Level) -> Result<Vec<u32>, Error> {
        let known = &self.keys[level.keys..];
        let bytes = |index: usize| &self.out[known[index].0 as usize..known[index].1 as usize];
        keys::sorted(known.len(), bytes).map_err(|repeated| {
            let (from, to) = known[repeated];
            self.duplicate(from as usize, to as usize)
        })
    }

    /// What is left to do for a map when all its pairs are there.
    fn finish_map(&mut self, level: Level) -> Result<(), Error> {
        let count = self.keys.len() - level.keys;
        if count <= FEW && (self.order == Order::Kept || count < 2) {
            return Ok(());
        }
        let sorted = self.distinct(level)?;
        if self.order == Order::Sorted {
            let keys = &self.keys[level.keys..];
            let start = |index: usize| keys.get(index).map(|key| key.0 as usize);
            let mut pairs = Vec::with_capacity(self.out.len() - level.start);
            for index in sorted.iter().map(|&index| index as usize) {
                let end = start(index + 1).unwrap_or(self.out.len());
                pairs.extend_from_slice(&self.out[keys[index].0 as usize..end]);
            }
            self.out.truncate(level.start + 1);
            self.out.extend_from_slice(&pairs);
        }
        Ok(())
    }

    #[cold]
    fn duplicate(&self, from: usize, to: usize) -> Error {
        let key = Reader::new(&self.out[from..to]);
        self.error(format_args!("duplicate key {}", Key(&key)))
    }

    fn with_path<T>(&self, with: impl FnOnce(Path<'_>) -> T) -> T {
        self.walk(0, Path::Root, with)
    }

    /// Every level but the innermost is a step: an element that is not yet counted, or the value
    /// of the last key.
    fn walk<T>(&self, index: usize, path: Path<'_>, with: impl FnOnce(Path<'_>) -> T) -> T {
        let Some([level, inner]) = self.open.get(index..index + 2) else {
            return with(path);
        };
        match level.kind {
            Kind::Array => self.walk(index + 1, Path::Index(&path, level.items), with),
            Kind::Tag => self.walk(index + 1, path, with),
            Kind::Map => {
                let key = self.keys[..inner.keys].last().filter(|_| level.items % 2 == 1);
                let bytes = key.map(|&(from, to)| &self.out[from as usize..to as usize]);
                match bytes.map(|key| Reader::new(key).next_token()) {
                    Some(Ok(Token::Text(key))) => {
                        self.walk(index + 1, Path::Key(&path, &key), with)
                    }
                    _ => with(path),
                }
            }
        }
    }
}

impl Level {
    /// Its item is the bytes of a bignum.
    fn is_bignum(&self) -> bool {
        self.kind == Kind::Tag && matches!(self.tag, TAG_BIG_UNSIGNED | TAG_BIG_NEGATIVE)
    }
}

/// A place in the item: [`Writer::grow`] sees to it that there are less than 2^32.
fn offset(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// What an item takes at least, written in the longest of the bundled formats: seven bytes for an
/// item, and what it takes to escape a character that is not printable.
fn weigh(reader: &mut Reader<'_>) -> Result<usize, Error> {
    const ITEM: usize = 7;
    let (mut left, per_element) = match reader.next_token()? {
        Token::Array(count) => (count, 1),
        Token::Map(count) => (count, 2),
        Token::Tag(_) => (Some(1), 1),
        Token::Text(text) => return Ok(ITEM + escaped(&text)),
        Token::Bytes(bytes) => return Ok(ITEM + bytes.len() * 2),
        Token::F32(_) | Token::F64(_) => return Ok(ITEM + 24),
        Token::Unsigned(_) | Token::Negative(_) => return Ok(ITEM + 20),
        _ => return Ok(ITEM),
    };
    reader.enter()?;
    let mut weight = ITEM;
    while reader.more(&mut left)? {
        for _ in 0..per_element {
            weight += weigh(reader)?;
        }
    }
    reader.leave();
    Ok(weight)
}

/// How long a text can get by escapes: six bytes for a character that is not printable.
#[must_use]
pub fn escaped(text: &str) -> usize {
    let special = |byte: &&u8| !matches!(byte, 0x20..=0x7e) || matches!(byte, b'"' | b'\\');
    text.len() + 5 * text.as_bytes().iter().filter(special).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_item() {
        let mut writer = Writer::default();
        writer.null().unwrap();
        let error = writer.open_array().and_then(|()| writer.close()).unwrap_err();
        assert_eq!(error.to_string(), "expected one item, found another after it");
        assert!(writer.null().is_err());
        assert_eq!(writer.finish(), [0xf6]);
    }

    #[test]
    #[should_panic = "expected a whole item"]
    fn an_open_array_is_no_item() {
        let mut writer = Writer::default();
        writer.open_array().unwrap();
        let _ = writer.finish();
    }

    #[test]
    fn what_cannot_be_closed_stays_open() {
        let mut writer = Writer::default();
        assert!(writer.close().is_err());
        writer.open_map().unwrap();
        writer.null().unwrap();
        assert!(writer.close().is_err(), "a key lacks its value");
        writer.open_tag(1).unwrap();
        assert!(writer.close().is_err(), "a tag lacks its item");
        writer.null().unwrap();
        writer.close().unwrap();
        assert_eq!(writer.finish(), [0xa1, 0xf6, 0xc1, 0xf6]);
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let written = |value| {
            let mut writer = Writer::default();
            writer.integer(value).map(|()| writer.finish()).ok()
        };
        for value in [0, -1, 23, 24, 1 << 53, (1 << 64) - 1, -(1 << 64)] {
            let cbor = written(value).unwrap();
            assert_eq!(Reader::new(&cbor).next_token().unwrap().as_integer(), Some(value));
        }
        let bignum = |tag| [&[tag, 0x49, 1][..], &[0; 8]].concat();
        assert_eq!(written(1 << 64), Some(bignum(0xc2)));
        assert_eq!(written(-(1 << 64) - 1), Some(bignum(0xc3)));
    }

    /// RFC 8949 section 3.4.3: a bignum that fits is an integer, and has no leading zeros.
    #[test]
    fn bignums_are_in_preferred_form() {
        let rewritten = |cbor: &[u8]| {
            let mut writer = Writer::default();
            writer.copy(&mut Reader::new(cbor)).map(|()| writer.finish())
        };
        for (found, preferred) in [
            (&[0xc2, 0x41, 0x01][..], &[0x01][..]),
            (&[0xc2, 0x40], &[0x00]),
            (&[0xc3, 0x40], &[0x20]),
            (&[0xc2, 0x42, 0x00, 0x18], &[0x18, 0x18]),
            (
                &[0xc3, 0x48, 255, 255, 255, 255, 255, 255, 255, 255],
                &[0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
            ),
            (&[0xc2, 0x4a, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &[0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            // in chunks, under another tag, and in a list
            (&[0x81, 0xc4, 0xc2, 0x5f, 0x41, 0x00, 0x41, 0x05, 0xff], &[0x81, 0xc4, 0x05]),
        ] {
            assert_eq!(rewritten(found).as_deref(), Ok(preferred), "{found:02x?}");
        }
        let error = rewritten(&[0xa2, 0x01, 0x00, 0xc2, 0x41, 0x01, 0x00]).unwrap_err();
        assert_eq!(error.to_string(), "duplicate key 1 in the document");
    }

    /// Where it stands is known also when the heads before it have grown.
    #[test]
    fn what_was_kept_is_repeated() {
        let mut writer = Writer::default();
        writer.open_array().unwrap();
        let outer = writer.keep();
        writer.open_array().unwrap();
        let inner = writer.keep();
        writer.text("x").unwrap();
        writer.kept(inner);
        for number in 0..300 {
            writer.integer(number).unwrap();
        }
        writer.close().unwrap();
        writer.kept(outer);
        writer.repeat(inner).unwrap();
        writer.repeat(outer).unwrap();
        writer.close().unwrap();
        let values: (Vec<String>, String) = {
            let document = writer.into_document();
            let first: Vec<Item> = document.to_value().unwrap();
            assert_eq!(first.len(), 3);
            assert_eq!(first[0], first[2]);
            (
                Vec::new(),
                match &first[1] {
                    Item::Text(text) => text.clone(),
                    _ => String::new(),
                },
            )
        };
        assert_eq!(values.1, "x");
    }

    #[derive(serde::Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Item {
        Number(u64),
        Text(String),
        List(Vec<Item>),
    }

    #[test]
    fn what_is_open_cannot_be_repeated_nor_go_too_deep() {
        let mut writer = Writer::default();
        let root = writer.keep();
        writer.open_array().unwrap();
        assert!(writer.repeat(root).is_err());
        let deep = writer.keep();
        for _ in 0..100 {
            writer.open_array().unwrap();
        }
        for _ in 0..100 {
            writer.close().unwrap();
        }
        writer.kept(deep);
        for _ in 0..28 {
            writer.open_array().unwrap();
        }
        let error = writer.repeat(deep).unwrap_err();
        assert_eq!(error.to_string(), "nested deeper than 128 levels");
    }

    /// Few keys are compared as they come, many when the map is closed.
    #[test]
    fn equal_keys_are_named_with_their_place() {
        for count in [2, 40] {
            let mut writer = Writer::default();
            writer.open_map().unwrap();
            writer.text("inner").unwrap();
            writer.open_map().unwrap();
            let mut result = Ok(());
            for key in (0..count).chain([1]) {
                result = result.and_then(|()| writer.integer(key)).and_then(|()| writer.null());
            }
            let error = result.and_then(|()| writer.close()).unwrap_err();
            assert_eq!(error.to_string(), "duplicate key 1 in inner");
        }
    }
}
