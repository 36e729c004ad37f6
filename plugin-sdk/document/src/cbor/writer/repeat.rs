//! Items that are written again, as aliases and merge keys of YAML require.

use std::ops::Range;

use super::{Kind, Writer, offset};
use crate::Error;
use crate::cbor::head::MAP;
use crate::cbor::{Reader, Token};

/// Marks an item that [`Writer::repeat`] and [`Writer::merge`] can write again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Anchor(u32);

impl Writer {
    /// Marks the next item. [`Writer::end_anchor`] must be called after it was written.
    pub fn start_anchor(&mut self) -> Anchor {
        let start = offset(self.out.len());
        self.anchors.push((start, start));
        Anchor(offset(self.anchors.len() - 1))
    }

    /// Marks the item as complete that was next when [`Writer::start_anchor`] was called.
    pub fn end_anchor(&mut self, anchor: Anchor) {
        let end = offset(self.out.len());
        if let Some(range) = self.anchors.get_mut(anchor.0 as usize) {
            range.1 = end;
        }
    }

    /// Whether the item is complete: [`Writer::end_anchor`] was called for it.
    #[must_use]
    pub fn is_complete(&self, anchor: Anchor) -> bool {
        self.range(anchor).is_ok()
    }

    /// Whether the item is complete and a map.
    #[must_use]
    pub fn is_map(&self, anchor: Anchor) -> bool {
        self.range(anchor).is_ok_and(|range| self.out[range.start] >> 5 == MAP)
    }

    /// The length of the item in the longest of the bundled formats, as a codec counts it when it
    /// limits repetitions.
    ///
    /// # Errors
    ///
    /// An item that is not complete.
    pub fn expanded_len(&self, anchor: Anchor) -> Result<usize, Error> {
        expanded_len(&mut Reader::new(&self.out[self.range(anchor)?]))
    }

    /// Writes an item again.
    ///
    /// # Errors
    ///
    /// An item that is not complete: it would contain itself. Otherwise see [`Writer`].
    pub fn repeat(&mut self, anchor: Anchor) -> Result<(), Error> {
        let range = self.range(anchor)?;
        self.reader_at(range.clone())?.skip()?;
        let start = self.reserve(range.len())?;
        self.out.extend_from_within(range);
        self.count_item(start)
    }

    /// Writes those pairs of a map again whose keys the innermost map does not have.
    ///
    /// # Errors
    ///
    /// An item that is not complete or not a map; otherwise see [`Writer`].
    pub fn merge(&mut self, anchor: Anchor) -> Result<(), Error> {
        let range = self.range(anchor)?;
        let Some(level) = self.levels.last().copied().filter(|level| level.kind == Kind::Map)
        else {
            return Err(self.error("expected an open map to merge another into"));
        };
        let known = self.keys.len();
        let sorted = self.sorted_keys(level)?;
        let mut reader = self.reader_at(range.clone())?;
        let Token::Map(mut left) = reader.next_token()? else {
            return Err(self.error("expected a map to merge"));
        };
        let mut at = range.end - reader.rest().len();
        loop {
            // Each pair has a new reader, because writing the pair before may have moved the bytes.
            let mut reader = self.reader_at(at..range.end)?;
            if !reader.advance(&mut left)? {
                return Ok(());
            }
            reader.skip()?;
            let value = range.end - reader.rest().len();
            reader.skip()?;
            let end = range.end - reader.rest().len();
            let key = &self.out[at..value];
            let keys = &self.keys[level.keys..known];
            let bytes = |index: &u32| {
                let (from, to) = keys[*index as usize];
                &self.out[from as usize..to as usize]
            };
            if sorted.binary_search_by(|index| bytes(index).cmp(key)).is_err() {
                for part in [at..value, value..end] {
                    let start = self.reserve(part.len())?;
                    self.out.extend_from_within(part);
                    self.count_item(start)?;
                }
            }
            at = end;
        }
    }

    /// Moves the anchors inside the item at `start`, whose head has grown by `shift` bytes.
    pub(super) fn shift_anchors(&mut self, start: usize, shift: usize) {
        if shift == 0 {
            return;
        }
        let shift = offset(shift);
        let inside = self.anchors.iter_mut().rev();
        for range in inside.take_while(|range| range.0 as usize > start) {
            *range = (range.0 + shift, range.1 + shift);
        }
    }

    fn range(&self, anchor: Anchor) -> Result<Range<usize>, Error> {
        match self.anchors.get(anchor.0 as usize) {
            Some(&(start, end)) if start < end => Ok(start as usize..end as usize),
            _ => Err(self.error("an item that contains itself")),
        }
    }

    /// A reader of written bytes that counts the open levels towards the depth.
    fn reader_at(&self, range: Range<usize>) -> Result<Reader<'_>, Error> {
        let mut reader = Reader::new(&self.out[range]);
        for _ in &self.levels {
            reader.enter()?;
        }
        Ok(reader)
    }
}

/// The length of an item in the longest of the bundled formats: at least seven bytes, and six for a
/// character that has to be escaped.
fn expanded_len(reader: &mut Reader<'_>) -> Result<usize, Error> {
    const ITEM: usize = 7;
    let (mut left, per_element) = match reader.next_token()? {
        Token::Array(count) => (count, 1),
        Token::Map(count) => (count, 2),
        Token::Tag(_) => (Some(1), 1),
        Token::Text(text) => return Ok(ITEM + escaped_len(&text)),
        Token::Bytes(bytes) => return Ok(ITEM + bytes.len() * 2),
        Token::F32(_) | Token::F64(_) => return Ok(ITEM + 24),
        Token::Unsigned(_) | Token::Negative(_) => return Ok(ITEM + 20),
        _ => return Ok(ITEM),
    };
    reader.enter()?;
    let mut length = ITEM;
    while reader.advance(&mut left)? {
        for _ in 0..per_element {
            length += expanded_len(reader)?;
        }
    }
    reader.leave();
    Ok(length)
}

/// The length of a text with escapes: six bytes for a character that is not printable.
#[must_use]
pub fn escaped_len(text: &str) -> usize {
    let special = |byte: &&u8| !matches!(byte, 0x20..=0x7e) || matches!(byte, b'"' | b'\\');
    text.len() + 5 * text.as_bytes().iter().filter(special).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize, PartialEq, Debug)]
    #[serde(untagged)]
    enum Item {
        Number(u64),
        Text(String),
        List(Vec<Item>),
    }

    #[test]
    fn an_item_is_repeated_also_after_the_heads_before_it_have_grown() {
        let mut writer = Writer::default();
        writer.open_array().unwrap();
        let outer = writer.start_anchor();
        writer.open_array().unwrap();
        let inner = writer.start_anchor();
        writer.text("x").unwrap();
        writer.end_anchor(inner);
        for number in 0..300 {
            writer.integer(number).unwrap();
        }
        writer.close().unwrap();
        writer.end_anchor(outer);
        writer.repeat(inner).unwrap();
        writer.repeat(outer).unwrap();
        writer.close().unwrap();
        let items: Vec<Item> = writer.into_document().to_value().unwrap();
        assert_eq!(items.len(), 3);
        assert_eq!(items[0], items[2]);
        assert_eq!(items[1], Item::Text("x".to_owned()));
    }

    #[test]
    fn an_open_item_cannot_be_repeated_and_none_beyond_the_depth() {
        let mut writer = Writer::default();
        let root = writer.start_anchor();
        writer.open_array().unwrap();
        assert!(writer.repeat(root).is_err());
        let deep = writer.start_anchor();
        for _ in 0..100 {
            writer.open_array().unwrap();
        }
        for _ in 0..100 {
            writer.close().unwrap();
        }
        writer.end_anchor(deep);
        for _ in 0..28 {
            writer.open_array().unwrap();
        }
        let error = writer.repeat(deep).unwrap_err();
        assert_eq!(error.to_string(), "nested deeper than 128 levels");
    }
}
