//! JSON Lines: the elements of a list, one per line.

use plugbay_document::cbor::{Reader, Token, Writer};
use plugbay_document::json::{self, Options};
use plugbay_document::{Path, reserve};
use plugbay_sdk::{Document, Error, Result, bail};

pub(crate) fn read(bytes: &[u8]) -> Result<Document> {
    let mut writer = Writer::with_capacity(bytes.len() + 1);
    writer.open_array()?;
    for (line, number) in bytes.split(|byte| *byte == b'\n').zip(1..) {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        // The reader's own errors name line 1, because its input is one line.
        json::read_into(line, &mut writer)
            .map_err(|error| Error::invalid_input(error).context(format_args!("line {number}")))?;
    }
    writer.close()?;
    Ok(writer.into_document())
}

pub(crate) fn write(document: &Document, options: &Options) -> Result<Vec<u8>> {
    let cbor = document.as_cbor();
    let mut reader = Reader::new(cbor);
    let mut left = match reader.next_token()? {
        Token::Array(left) => left,
        found => bail!(unsupported, "expected a list of documents for JSON Lines, found {found}"),
    };
    reader.enter()?;
    // Numbers and short texts are longer in JSON. A vector that is too short doubles.
    let mut out = Vec::with_capacity(cbor.len() + cbor.len() / 2 + 16);
    let mut index = 0;
    while reader.advance(&mut left)? {
        json::write_into(&mut reader, options, Path::Index(&Path::Root, index), &mut out)?;
        reserve(&mut out, 1);
        out.push(b'\n');
        index += 1;
    }
    reader.finish()?;
    Ok(out)
}
