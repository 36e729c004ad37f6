//! Converts documents to MessagePack, one item after the other.

use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::document::{Path, reserve};
use plugbay_sdk::{Document, Error, Result};
use rmp::encode;

use crate::time::{TIMESTAMP, Time};
use crate::{Config, Ext, Timestamps, read};

pub(crate) fn write(document: &Document, config: &Config) -> Result<Vec<u8>> {
    let cbor = document.as_cbor();
    let mut reader = Reader::new(cbor);
    let mut output = Output { out: Vec::with_capacity(cbor.len() + 16), config };
    output.write_item(&mut reader, Path::Root)?;
    reader.finish()?;
    Ok(output.out)
}

struct Output<'c> {
    out: Vec<u8>,
    config: &'c Config,
}

impl Output<'_> {
    fn write_item(&mut self, reader: &mut Reader<'_>, path: Path<'_>) -> Result<()> {
        // No scalar and no head is longer.
        reserve(&mut self.out, 16);
        let token = reader.next_token()?;
        match &token {
            Token::Unsigned(value) => drop(encode::write_uint(&mut self.out, *value)?),
            Token::Negative(value) => match i64::try_from(*value) {
                Ok(value) => drop(encode::write_sint(&mut self.out, !value)?),
                Err(_) => return Err(refuse(path, &token)),
            },
            Token::Bool(value) => {
                encode::write_bool(&mut self.out, *value).map_err(Error::internal)?;
            }
            Token::Null => encode::write_nil(&mut self.out).map_err(Error::internal)?,
            Token::F32(value) => encode::write_f64(&mut self.out, (*value).into())?,
            Token::F64(value) => encode::write_f64(&mut self.out, *value)?,
            Token::Text(text) => {
                reserve(&mut self.out, text.len() + 5);
                encode::write_str_len(&mut self.out, length(text.len(), path, &token)?)?;
                self.out.extend_from_slice(text.as_bytes());
            }
            Token::Bytes(bytes) => {
                reserve(&mut self.out, bytes.len() + 5);
                encode::write_bin_len(&mut self.out, length(bytes.len(), path, &token)?)?;
                self.out.extend_from_slice(bytes);
            }
            Token::Array(left) => {
                reader.enter()?;
                let count = reader.count(*left, 1)?;
                encode::write_array_len(&mut self.out, length(count, path, &token)?)?;
                let (mut left, mut index) = (*left, 0);
                while reader.advance(&mut left)? {
                    self.write_item(reader, Path::Index(&path, index))?;
                    index += 1;
                }
                reader.leave();
            }
            Token::Map(left) => {
                reader.enter()?;
                let count = reader.count(*left, 2)?;
                if self.config.ext == Ext::Map && count == 2 && self.write_extension(reader)? {
                    if left.is_none() {
                        reader.advance(&mut None)?;
                    }
                } else {
                    encode::write_map_len(&mut self.out, length(count, path, &token)?)?;
                    self.write_pairs(reader, *left, path)?;
                }
                reader.leave();
            }
            Token::Tag(tag) => return self.write_tagged(reader, *tag, path),
            Token::Undefined | Token::Simple(_) => return Err(refuse(path, &token)),
        }
        Ok(())
    }

    fn write_pairs(
        &mut self,
        reader: &mut Reader<'_>,
        mut left: Option<usize>,
        path: Path<'_>,
    ) -> Result<()> {
        while reader.advance(&mut left)? {
            let mut ahead = *reader;
            let name = match ahead.next_token()? {
                Token::Text(name) => name,
                other => other.to_string().into(),
            };
            self.write_item(reader, path)?;
            self.write_item(reader, Path::Key(&path, &name))?;
        }
        Ok(())
    }

    /// Writes the extension type that the next two pairs represent; `false` if they represent none.
    fn write_extension(&mut self, reader: &mut Reader<'_>) -> Result<bool> {
        let mut ahead = *reader;
        let (mut kind, mut data) = (None, None);
        for _ in 0..2 {
            match (ahead.next_token()?, ahead.next_token()?) {
                (Token::Text(key), value) if key == read::EXT && kind.is_none() => {
                    kind = value.as_integer().and_then(|kind| i8::try_from(kind).ok());
                }
                (Token::Text(key), Token::Bytes(bytes)) if key == read::DATA => data = Some(bytes),
                _ => return Ok(false),
            }
        }
        let (Some(kind), Some(data)) = (kind, data) else { return Ok(false) };
        let Ok(length) = u32::try_from(data.len()) else { return Ok(false) };
        // With `timestamps = "refuse"` no timestamp is written, in this form neither.
        if kind == TIMESTAMP && self.config.timestamps == Timestamps::Refuse {
            return Ok(false);
        }
        *reader = ahead;
        self.write_ext(length, kind, &data)?;
        Ok(true)
    }

    fn write_tagged(&mut self, reader: &mut Reader<'_>, tag: u64, path: Path<'_>) -> Result<()> {
        let start = *reader;
        if let Some(text) = reader.date(tag)? {
            // `from_text` returns `None` for a day alone.
            let time =
                Time::from_text(&text).filter(|_| self.config.timestamps == Timestamps::Date);
            let Some(time) = time else {
                return Err(refuse(path, &format_args!("the date {text:?}")));
            };
            let bytes = time.to_bytes();
            return self.write_ext(u32::try_from(bytes.len())?, TIMESTAMP, &bytes);
        }
        if let Some(integer) = reader.bignum(tag)? {
            return match integer.to_i128().and_then(Token::from_integer) {
                Some(Token::Unsigned(value)) => {
                    encode::write_uint(&mut self.out, value)?;
                    Ok(())
                }
                Some(Token::Negative(value)) if i64::try_from(value).is_ok() => {
                    encode::write_sint(&mut self.out, !value.cast_signed())?;
                    Ok(())
                }
                _ => Err(refuse(path, &format_args!("the integer {integer}"))),
            };
        }
        // Tag 1: seconds since 1970.
        *reader = start;
        let seconds = match (tag, reader.next_token()?.as_integer()) {
            (1, Some(seconds)) => i64::try_from(seconds).ok(),
            _ => None,
        };
        match seconds.filter(|_| self.config.timestamps == Timestamps::Date) {
            Some(seconds) => {
                let bytes = Time { seconds, nanoseconds: 0 }.to_bytes();
                self.write_ext(u32::try_from(bytes.len())?, TIMESTAMP, &bytes)
            }
            None => Err(refuse(path, &Token::Tag(tag))),
        }
    }

    fn write_ext(&mut self, length: u32, kind: i8, data: &[u8]) -> Result<()> {
        reserve(&mut self.out, data.len() + 6);
        encode::write_ext_meta(&mut self.out, length, kind)?;
        self.out.extend_from_slice(data);
        Ok(())
    }
}

fn length(length: usize, path: Path<'_>, token: &Token<'_>) -> Result<u32> {
    u32::try_from(length).map_err(|_| refuse(path, token))
}

#[cold]
fn refuse(path: Path<'_>, what: &dyn std::fmt::Display) -> Error {
    Error::unsupported(format_args!("MessagePack cannot hold {what} at {path}"))
}
