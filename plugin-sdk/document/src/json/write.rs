//! Documents to JSON.

use std::io;

use crate::cbor::keys::sorted;
use crate::cbor::{Reader, Token};
use crate::format::Bytes;
use crate::{Document, Error, Path, reserve};

/// Options for writing JSON.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// How byte strings are written.
    pub bytes: Bytes,
    /// How integer keys are written.
    pub integer_keys: IntegerKeys,
    /// Indent by two spaces.
    pub pretty: bool,
}

/// How integer keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IntegerKeys {
    /// The document is refused.
    #[default]
    Refuse,
    /// As text, in decimal digits.
    Text,
}

/// The document as JSON text.
///
/// # Errors
///
/// A value that JSON cannot hold, with its place in the document.
pub fn write(document: &Document, options: &Options) -> Result<Vec<u8>, Error> {
    let cbor = document.as_cbor();
    // Numbers and short texts are longer in JSON. A vector that is too short doubles.
    let mut out = Vec::with_capacity(cbor.len() + cbor.len() / 2 + 16);
    let mut reader = Reader::new(cbor);
    write_into(&mut reader, options, Path::Root, &mut out)?;
    reader.finish()?;
    Ok(out)
}

/// Writes the next item of `reader`, which is at `path`.
///
/// # Errors
///
/// A value that JSON cannot hold, with its place in the document.
pub fn write_into(
    reader: &mut Reader<'_>,
    options: &Options,
    path: Path<'_>,
    out: &mut Vec<u8>,
) -> Result<(), Error> {
    // The limit of indentation is in proportion to the document.
    let spaces = if options.pretty { reader.rest().len() * 2 + (4 << 20) } else { 0 };
    Json { reader, options, out: Out(out), spaces }.item(path, 0, options.pretty)
}

struct Json<'r, 'a, 'o> {
    reader: &'r mut Reader<'a>,
    options: &'o Options,
    out: Out<'o>,
    /// How many spaces may still be written.
    spaces: usize,
}

impl Json<'_, '_, '_> {
    fn item(&mut self, path: Path<'_>, depth: usize, pretty: bool) -> Result<(), Error> {
        let token = self.reader.next_token()?;
        match token {
            Token::Unsigned(value) => self.out.json(&value),
            Token::Negative(value) => match crate::cbor::negative(value) {
                Ok(value) => self.out.json(&value),
                Err(value) => self.out.json(&value),
            },
            Token::Text(text) => self.out.json(&*text),
            Token::Bool(value) => self.out.json(&value),
            Token::Null => self.out.put(b"null"),
            Token::F32(value) if value.is_finite() => self.out.json(&f64::from(value)),
            Token::F64(value) if value.is_finite() => self.out.json(&value),
            Token::Array(count) => self.list(path, depth, count, pretty),
            Token::Map(count) => self.map(path, depth, count, pretty),
            Token::Bytes(bytes) => {
                let Bytes::Text(write) = self.options.bytes else {
                    return Err(refuse(path, &Token::Bytes(bytes)));
                };
                let written = crate::format::Written { bytes: &bytes, write };
                self.out.collect(&written)
            }
            Token::Tag(tag) => {
                if let Some(text) = self.reader.date(tag)? {
                    return self.out.json(&*text);
                }
                match self.reader.bignum(tag)? {
                    Some(integer) if integer.has_digits() => {
                        self.out.put(integer.to_string().as_bytes())
                    }
                    Some(integer) => Err(refuse(path, &format_args!("the integer {integer}"))),
                    None => Err(refuse(path, &token)),
                }
            }
            other => Err(refuse(path, &other)),
        }
    }

    fn list(
        &mut self,
        path: Path<'_>,
        depth: usize,
        left: Option<usize>,
        pretty: bool,
    ) -> Result<(), Error> {
        self.collection([b"[", b"]"], depth, left, pretty, |json, index, pretty| {
            json.item(Path::Index(&path, index), depth + 1, pretty)
        })
    }

    fn map(
        &mut self,
        path: Path<'_>,
        depth: usize,
        left: Option<usize>,
        pretty: bool,
    ) -> Result<(), Error> {
        let mut keys = WrittenKeys::default();
        self.collection([b"{", b"}"], depth, left, pretty, |json, _, pretty| {
            json.pair(path, depth + 1, pretty, &mut keys)
        })?;
        keys.check(self.out.0, path)
    }

    fn pair(
        &mut self,
        path: Path<'_>,
        depth: usize,
        pretty: bool,
        keys: &mut WrittenKeys,
    ) -> Result<(), Error> {
        let start = self.out.0.len();
        let token = self.reader.next_token()?;
        let name = match (&token, token.as_integer()) {
            (Token::Text(name), _) => std::borrow::Cow::Borrowed(&**name),
            (_, Some(integer)) if self.options.integer_keys == IntegerKeys::Text => {
                keys.has_integers = true;
                integer.to_string().into()
            }
            (other, _) => {
                return Err(Error::new(format_args!(
                    "JSON cannot hold {other} as a key in {path}"
                )));
            }
        };
        self.out.json(&*name)?;
        if self.options.integer_keys == IntegerKeys::Text {
            keys.ranges.push((start, self.out.0.len()));
        }
        self.out.put(if pretty { b": " } else { b":" })?;
        self.item(Path::Key(&path, &name), depth, pretty)
    }

    /// Writes a list or a map, whose elements `element` writes: on lines of their own, if `pretty`
    /// is set and the limit of indentation allows it.
    fn collection(
        &mut self,
        [open, close]: [&[u8]; 2],
        depth: usize,
        mut left: Option<usize>,
        pretty: bool,
        mut element: impl FnMut(&mut Self, usize, bool) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.reader.enter()?;
        let pretty = pretty && self.reserve_spaces(left, depth);
        self.out.put(open)?;
        let mut index = 0;
        while self.reader.advance(&mut left)? {
            if index > 0 {
                self.out.put(b",")?;
            }
            self.break_line(depth + 1, pretty)?;
            element(self, index, pretty)?;
            index += 1;
        }
        if index > 0 {
            self.break_line(depth, pretty)?;
        }
        self.reader.leave();
        self.out.put(close)
    }

    /// Reserves the indentation of so many elements; `false` if it would exceed the limit.
    fn reserve_spaces(&mut self, count: Option<usize>, depth: usize) -> bool {
        let spaces = count.unwrap_or(usize::MAX).saturating_add(1).saturating_mul(2 * depth + 3);
        let left = self.spaces.checked_sub(spaces);
        self.spaces = left.unwrap_or(self.spaces);
        left.is_some()
    }

    fn break_line(&mut self, depth: usize, pretty: bool) -> Result<(), Error> {
        if pretty {
            self.out.put(b"\n")?;
            for _ in 0..depth {
                self.out.put(b"  ")?;
            }
        }
        Ok(())
    }
}

/// The written keys of a map: the digits of an integer may be the text of another key.
#[derive(Default)]
struct WrittenKeys {
    /// The start and the end of each key in the output.
    ranges: Vec<(usize, usize)>,
    has_integers: bool,
}

impl WrittenKeys {
    /// Checks that no two keys are equal.
    fn check(&self, out: &[u8], path: Path<'_>) -> Result<(), Error> {
        let key = |index: usize| &out[self.ranges[index].0..self.ranges[index].1];
        match sorted(if self.has_integers { self.ranges.len() } else { 0 }, key) {
            Ok(_) => Ok(()),
            Err(repeated) => Err(Error::new(format_args!(
                "JSON cannot hold an integer and the text {} as two keys in {path}",
                String::from_utf8_lossy(key(repeated))
            ))),
        }
    }
}

#[cold]
fn refuse(path: Path<'_>, what: &dyn std::fmt::Display) -> Error {
    Error::new(format_args!("JSON cannot hold {what} at {path}"))
}

/// The output.
struct Out<'o>(&'o mut Vec<u8>);

impl Out<'_> {
    #[expect(clippy::unnecessary_wraps, reason = "as the other functions of the output")]
    fn put(&mut self, bytes: &[u8]) -> Result<(), Error> {
        reserve(self.0, bytes.len());
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn json<T: serde::Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        serde_json::to_writer(self, value).map_err(Error::new)
    }

    fn collect(&mut self, value: &crate::format::Written<'_>) -> Result<(), Error> {
        use serde::Serializer as _;
        serde_json::Serializer::new(self).collect_str(value).map_err(Error::new)
    }
}

impl io::Write for Out<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        reserve(self.0, bytes.len());
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write(bytes).map(drop)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(cbor: &[u8], options: &Options) -> Result<String, String> {
        let document = Document::from_trusted_cbor(cbor.to_vec());
        let text = write(&document, options).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(text).unwrap())
    }

    #[test]
    fn the_error_for_an_unsupported_value_has_its_place() {
        for (cbor, expected) in [
            (&[0x81, 0x41, 0x00][..], "JSON cannot hold a byte string (1 bytes) at [0]"),
            (&[0xf9, 0x7c, 0x00], "JSON cannot hold the float inf at the document"),
            (&[0xa1, 0x01, 0x00], "JSON cannot hold the integer 1 as a key in the document"),
            (&[0xc4, 0x80], "JSON cannot hold the tag 4 at the document"),
            (&[0xf7], "JSON cannot hold undefined at the document"),
        ] {
            assert_eq!(written(cbor, &Options::default()), Err(expected.to_owned()));
        }
        let mut huge = vec![0xc2, 0x58, 0x81];
        huge.extend([1; 0x81]);
        let expected = "JSON cannot hold the integer of 1025 bits at the document";
        assert_eq!(written(&huge, &Options::default()), Err(expected.to_owned()));
    }

    #[test]
    fn integer_keys_become_text_unless_that_text_is_also_a_key() {
        let options = Options { integer_keys: IntegerKeys::Text, ..Options::default() };
        let cbor = [0xa2, 0x18, 200, 0x01, 0x61, b'a', 0x02];
        assert_eq!(written(&cbor, &options).as_deref(), Ok(r#"{"200":1,"a":2}"#));
        let cbor = [0xa2, 0x01, 0x00, 0x61, b'1', 0x00];
        let error = written(&cbor, &options).unwrap_err();
        assert_eq!(
            error,
            r#"JSON cannot hold an integer and the text "1" as two keys in the document"#
        );
    }

    #[test]
    fn dates_are_written_as_text() {
        let cbor = [&[0xc0, 0x74][..], b"2013-03-21T20:04:00Z"].concat();
        assert_eq!(written(&cbor, &Options::default()).as_deref(), Ok(r#""2013-03-21T20:04:00Z""#));
    }

    #[test]
    fn indentation_is_limited() {
        let options = Options { pretty: true, ..Options::default() };
        let mut cbor = vec![0x81; 100];
        cbor.extend([0x9a, 0, 1, 0, 0]);
        cbor.extend(std::iter::repeat_n(0x00, 65_536));
        let text = written(&cbor, &options).unwrap();
        assert!(text.starts_with("[\n  [\n    [") && text.len() < 8 << 20, "{}", text.len());
        let mut small = vec![0x81; 100];
        small.extend([0x81, 0x00]);
        assert_eq!(written(&small, &options).unwrap().lines().count(), 203);
    }
}
