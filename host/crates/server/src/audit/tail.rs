//! The last line of a file.

use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};

use super::line::{FIRST, Line, MAX_LINE, hash};

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tail {
    /// The number of the last line; 0 if there is none.
    pub(super) seq: u64,
    /// Its hash.
    pub(super) hash: String,
    /// Whether the file ends within a line.
    pub(super) is_torn: bool,
}

impl Tail {
    pub(super) fn none() -> Self {
        Self { seq: 0, hash: FIRST.to_owned(), is_torn: false }
    }

    /// Reads the end of the file; `None` if it is not that of an audit log.
    pub(super) fn read(file: &mut File) -> io::Result<Option<Self>> {
        let size = file.metadata()?.len();
        // Two lines: the last one may be torn.
        let window = (2 * MAX_LINE as u64 + 2).min(size);
        file.seek(SeekFrom::Start(size - window))?;
        let mut bytes = Vec::new();
        file.take(window).read_to_end(&mut bytes)?;
        if bytes.is_empty() {
            return Ok(Some(Self::none()));
        }
        let (whole, torn) = match bytes.iter().rposition(|&byte| byte == b'\n') {
            Some(end) => (&bytes[..end], &bytes[end + 1..]),
            None => (&b""[..], &bytes[..]),
        };
        let last = whole.rsplit(|&byte| byte == b'\n').next().unwrap_or_default();
        let number = |line: &[u8]| serde_json::from_slice::<Line>(line).ok().map(|line| line.seq);
        let seq = match number(last) {
            // Perhaps only its end is missing.
            Some(seq) => number(torn).unwrap_or(seq),
            // Only the first line can be torn without one before.
            None if size == torn.len() as u64 => number(torn).unwrap_or_default(),
            None => return Ok(None),
        };
        if torn.len() > MAX_LINE {
            return Ok(None);
        }
        let is_torn = !torn.is_empty();
        Ok(Some(Self { seq, hash: hash(if is_torn { torn } else { last }), is_torn }))
    }
}
