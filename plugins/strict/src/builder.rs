//! Writing CBOR, while the depth is bounded and duplicate keys are refused.

use crate::head::{push_argument, shortest};
use crate::{Item, MAX_DEPTH, Path, Reader, Refused};

/// In which width floats are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Floats {
    /// Always as doubles: what documents hold.
    #[default]
    Double,
    /// In the shortest width that keeps the value (RFC 8949 section 4.1).
    Shortest,
}

/// In which order the pairs of a map are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    #[default]
    Kept,
    /// By the bytes of their encoded keys (RFC 8949 section 4.2.1).
    Sorted,
}

/// Builds one CBOR item from what a codec reads.
///
/// Arrays and maps are opened and closed; their lengths need not be known. A map takes a key,
/// then its value, then the next key. [`finish`](Builder::finish) gives the bytes.
///
/// ```
/// use plugbay_strict::Builder;
///
/// let mut builder = Builder::default();
/// builder.open_map()?;
/// builder.text("a")?;
/// builder.integer(1)?;
/// builder.close()?;
/// assert_eq!(builder.finish(), [0xa1, 0x61, b'a', 0x01]);
/// # Ok::<(), plugbay_strict::Refused>(())
/// ```
#[derive(Debug, Default)]
pub struct Builder {
    out: Vec<u8>,
    open: Vec<Level>,
    /// The first byte of each key, and the byte after it, of all open maps.
    keys: Vec<(usize, usize)>,
    floats: Floats,
    order: Order,
}

/// An array, a map or a tag whose content is being written.
#[derive(Clone, Copy, Debug)]
struct Level {
    kind: Kind,
    /// Where its head is.
    start: usize,
    /// Its items so far; of a map, keys and values each count.
    items: usize,
    /// Where its keys begin in `Builder::keys`.
    keys: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array = 4,
    Map = 5,
    Tag = 6,
}

/// Up to this many keys are compared one by one as they come; more are sorted in the end.
const FEW: usize = 16;

impl Builder {
    /// A builder that expects about `bytes` of CBOR.
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

    /// The item that was built.
    pub fn finish(self) -> Vec<u8> {
        debug_assert!(self.open.is_empty() && !self.out.is_empty(), "unfinished item");
        self.out
    }

    /// How many levels are open.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// Writes an item that holds no others, or opens a level for one that does.
    pub fn item(&mut self, item: &Item<'_>) -> Result<(), Refused> {
        match item {
            Item::Null => self.byte(0xf6),
            Item::Undefined => self.byte(0xf7),
            Item::Bool(value) => self.byte(0xf4 + u8::from(*value)),
            Item::Integer(value) => self.integer(*value),
            Item::Float(value) => self.float(*value),
            Item::Bytes(bytes) => self.bytes(bytes),
            Item::Text(text) => self.text(text),
            Item::Array(_) => self.open_array(),
            Item::Map(_) => self.open_map(),
            Item::Tag(tag) => self.open_tag(*tag),
            Item::Simple(value) => self.argument(7, u64::from(*value), true),
            Item::Break => self.close(),
        }
    }

    /// Writes null.
    pub fn null(&mut self) -> Result<(), Refused> {
        self.byte(0xf6)
    }

    /// Writes a boolean.
    pub fn bool(&mut self, value: bool) -> Result<(), Refused> {
        self.byte(0xf4 + u8::from(value))
    }

    /// Writes an integer from -2^64 to 2^64 - 1.
    pub fn integer(&mut self, value: i128) -> Result<(), Refused> {
        if let Ok(value) = u64::try_from(value) {
            self.argument(0, value, true)
        } else if let Ok(value) = u64::try_from(-1 - value) {
            self.argument(1, value, true)
        } else {
            Err(self.refused(format_args!("integer {value} is beyond 64 bits")))
        }
    }

    /// Writes a float.
    pub fn float(&mut self, value: f64) -> Result<(), Refused> {
        let start = self.out.len();
        if self.floats == Floats::Shortest {
            shortest(value, &mut self.out);
        } else {
            self.out.push(0xfb);
            self.out.extend(value.to_be_bytes());
        }
        self.done(start)
    }

    /// Writes a text.
    pub fn text(&mut self, value: &str) -> Result<(), Refused> {
        let start = self.out.len();
        self.argument(3, value.len() as u64, false)?;
        self.out.extend_from_slice(value.as_bytes());
        self.done(start)
    }

    /// Writes a byte string.
    pub fn bytes(&mut self, value: &[u8]) -> Result<(), Refused> {
        let start = self.out.len();
        self.argument(2, value.len() as u64, false)?;
        self.out.extend_from_slice(value);
        self.done(start)
    }

    /// Opens an array.
    pub fn open_array(&mut self) -> Result<(), Refused> {
        self.open(Kind::Array, 0)
    }

    /// Opens a map.
    pub fn open_map(&mut self) -> Result<(), Refused> {
        self.open(Kind::Map, 0)
    }

    /// Tags the next item. Nothing closes a tag: its item does.
    pub fn open_tag(&mut self, tag: u64) -> Result<(), Refused> {
        self.open(Kind::Tag, tag)
    }

    /// Closes the innermost array or map.
    pub fn close(&mut self) -> Result<(), Refused> {
        let complete = |level: &Level| match level.kind {
            Kind::Array => true,
            Kind::Map => level.items.is_multiple_of(2),
            Kind::Tag => false,
        };
        let Some(level) = self.open.last().copied().filter(complete) else {
            return Err(self.refused("found a break where an item is expected"));
        };
        let count = if level.kind == Kind::Map {
            self.finish_map(level)?;
            level.items / 2
        } else {
            level.items
        };
        self.keys.truncate(level.keys);
        self.open.pop();
        // The head was written as if the length were 0; a short length fits into it.
        match u8::try_from(count) {
            Ok(count) if count < 24 => self.out[level.start] |= count,
            _ => {
                let mut head = Vec::with_capacity(9);
                push_argument(&mut head, level.kind as u8, count as u64);
                self.out.splice(level.start..=level.start, head);
            }
        }
        self.done(level.start)
    }

    /// A refusal that says where the builder stands.
    pub fn refused(&self, what: impl std::fmt::Display) -> Refused {
        self.with_path(|path| Refused::new(format_args!("{what} in {path}")))
    }

    fn open(&mut self, kind: Kind, argument: u64) -> Result<(), Refused> {
        if self.open.len() == MAX_DEPTH {
            return Err(Refused::too_deep());
        }
        self.open.push(Level { kind, start: self.out.len(), items: 0, keys: self.keys.len() });
        push_argument(&mut self.out, kind as u8, argument);
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Refused> {
        self.out.push(byte);
        self.done(self.out.len() - 1)
    }

    fn argument(&mut self, major: u8, argument: u64, done: bool) -> Result<(), Refused> {
        let start = self.out.len();
        push_argument(&mut self.out, major, argument);
        if done { self.done(start) } else { Ok(()) }
    }

    /// Counts the item that begins at `start` and ends here.
    fn done(&mut self, mut start: usize) -> Result<(), Refused> {
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
        Ok(())
    }

    fn key(&mut self, level: Level, start: usize) -> Result<(), Refused> {
        let key = &self.out[start..];
        let known = &self.keys[level.keys..];
        if known.len() < FEW && known.iter().any(|&(from, to)| self.out[from..to] == *key) {
            return Err(self.duplicate(start, self.out.len()));
        }
        self.keys.push((start, self.out.len()));
        Ok(())
    }

    /// What is left to do for a map when all its pairs are there.
    fn finish_map(&mut self, level: Level) -> Result<(), Refused> {
        let keys = &self.keys[level.keys..];
        if keys.len() <= FEW && (self.order == Order::Kept || keys.len() < 2) {
            return Ok(());
        }
        let mut sorted: Vec<usize> = (0..keys.len()).collect();
        let bytes = |index: usize| &self.out[keys[index].0..keys[index].1];
        sorted.sort_unstable_by(|&a, &b| bytes(a).cmp(bytes(b)));
        if let Some(pair) = sorted.windows(2).find(|pair| bytes(pair[0]) == bytes(pair[1])) {
            let (from, to) = keys[pair[0].max(pair[1])];
            return Err(self.duplicate(from, to));
        }
        if self.order == Order::Sorted {
            let end = |index: usize| keys.get(index + 1).map_or(self.out.len(), |next| next.0);
            let pairs: Vec<u8> = sorted
                .iter()
                .flat_map(|&index| &self.out[keys[index].0..end(index)])
                .copied()
                .collect();
            self.out.truncate(level.start + 1);
            self.out.extend(pairs);
        }
        Ok(())
    }

    fn duplicate(&self, from: usize, to: usize) -> Refused {
        let key = match Reader::new(&self.out[from..to], 0).pull() {
            Ok(Item::Text(text)) => format!("{text:?}"),
            Ok(Item::Integer(value)) => value.to_string(),
            Ok(Item::Float(value)) => format!("{value:?}"),
            Ok(Item::Bool(value)) => value.to_string(),
            Ok(Item::Null) => "null".to_owned(),
            _ => data_encoding::HEXLOWER.encode(&self.out[from..to]),
        };
        self.refused(format_args!("duplicate key {key}"))
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
                match key.map(|&(from, to)| Reader::new(&self.out[from..to], 0).pull()) {
                    Some(Ok(Item::Text(key))) => self.walk(index + 1, Path::Key(&path, &key), with),
                    _ => with(path),
                }
            }
        }
    }
}
