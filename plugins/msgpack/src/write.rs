//! Documents to MessagePack, item by item.

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
    output.item(&mut reader, Path::Root)?;
    reader.finish()?;
    Ok(output.out)
}

struct Output<'c> {
    out: Vec<u8>,
    config: &'c Config,
}

impl Output<'_> {
    /// Writes one item.
    fn item(&mut self, reader: &mut Reader<'_>, path: Path<'_>) -> Result<()> {
        // More than any scalar and any head takes.
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
                let mut left = counted(reader, *left, 1)?;
                encode::write_array_len(&mut self.out, length(left.unwrap_or(0), path, &token)?)?;
                let mut index = 0;
                while reader.more(&mut left)? {
                    self.item(reader, Path::Index(&path, index))?;
                    index += 1;
                }
                take_break(reader, &token)?;
                reader.leave();
            }
            Token::Map(left) => {
                reader.enter()?;
                let left = counted(reader, *left, 2)?;
                if self.config.ext == Ext::Map && left == Some(2) && self.extension(reader)? {
                    take_break(reader, &token)?;
                    reader.leave();
                    return Ok(());
                }
                self.map(reader, left, path, &token)?;
            }
            Token::Tag(tag) => return self.tagged(reader, *tag, path),
            Token::Undefined | Token::Simple(_) => return Err(refuse(path, &token)),
        }
        Ok(())
    }

    fn map(
        &mut self,
        reader: &mut Reader<'_>,
        mut left: Option<usize>,
        path: Path<'_>,
        token: &Token<'_>,
    ) -> Result<()> {
        encode::write_map_len(&mut self.out, length(left.unwrap_or(0), path, token)?)?;
        while reader.more(&mut left)? {
            let mut ahead = *reader;
            let name = match ahead.next_token()? {
                Token::Text(name) => name,
                other => other.to_string().into(),
            };
            self.item(reader, path)?;
            self.item(reader, Path::Key(&path, &name))?;
        }
        take_break(reader, token)?;
        reader.leave();
        Ok(())
    }

    /// Writes the extension type that the two pairs which follow stand for, if they do.
    fn extension(&mut self, reader: &mut Reader<'_>) -> Result<bool> {
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
        // A timestamp is a date, if it is one at all.
        if kind == TIMESTAMP && self.config.timestamps == Timestamps::Refuse {
            return Ok(false);
        }
        *reader = ahead;
        self.ext(length, kind, &data)?;
        Ok(true)
    }

    fn tagged(&mut self, reader: &mut Reader<'_>, tag: u64, path: Path<'_>) -> Result<()> {
        let start = *reader;
        if let Some(text) = reader.date(tag)? {
            // A day alone is no time.
            let time =
                Time::from_text(&text).filter(|_| self.config.timestamps == Timestamps::Date);
            let Some(time) = time else {
                return Err(refuse(path, &format_args!("the date {text:?}")));
            };
            let bytes = time.to_bytes();
            return self.ext(u32::try_from(bytes.len())?, TIMESTAMP, &bytes);
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
        // Seconds since 1970.
        *reader = start;
        let seconds = match (tag, reader.next_token()?.as_integer()) {
            (1, Some(seconds)) => i64::try_from(seconds).ok(),
            _ => None,
        };
        match seconds.filter(|_| self.config.timestamps == Timestamps::Date) {
            Some(seconds) => {
                let bytes = Time { seconds, nanoseconds: 0 }.to_bytes();
                self.ext(u32::try_from(bytes.len())?, TIMESTAMP, &bytes)
            }
            None => Err(refuse(path, &Token::Tag(tag))),
        }
    }

    fn ext(&mut self, length: u32, kind: i8, data: &[u8]) -> Result<()> {
        reserve(&mut self.out, data.len() + 6);
        encode::write_ext_meta(&mut self.out, length, kind)?;
        self.out.extend_from_slice(data);
        Ok(())
    }
}

/// How many elements there are: those of an indefinite length are counted.
fn counted(reader: &Reader<'_>, left: Option<usize>, width: usize) -> Result<Option<usize>> {
    if left.is_some() {
        return Ok(left);
    }
    let (mut ahead, mut left, mut count) = (*reader, None, 0);
    while ahead.more(&mut left)? {
        for _ in 0..width {
            ahead.skip()?;
        }
        count += 1;
    }
    Ok(Some(count))
}

/// Takes the break after elements that were counted.
fn take_break(reader: &mut Reader<'_>, token: &Token<'_>) -> Result<()> {
    if matches!(token, Token::Array(None) | Token::Map(None)) {
        reader.more(&mut None)?;
    }
    Ok(())
}

fn length(length: usize, path: Path<'_>, token: &Token<'_>) -> Result<u32> {
    u32::try_from(length).map_err(|_| refuse(path, token))
}

#[cold]
fn refuse(path: Path<'_>, what: &dyn std::fmt::Display) -> Error {
    Error::unsupported(format_args!("MessagePack cannot hold {what} at {path}"))
}
