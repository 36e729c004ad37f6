//! JSON Lines: the elements of a list, each on a line of its own.

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
        // The reader speaks of line 1, for there is no other in what it is given.
        json::read_into(line, &mut writer)
            .map_err(|error| Error::invalid_input(error).context(format_args!("line {number}")))?;
    }
    writer.close()?;
    Ok(writer.into_document())
}

pub(crate) fn write(document: &Document, options: &Options) -> Result<Vec<u8>> {
    let cbor = document.as_cbor();
    let mut reader = Reader::new(cbor);
    let Token::Array(mut left) = reader.next_token()? else {
        bail!(unsupported, "JSON Lines cannot hold anything but a list at the document");
    };
    reader.enter()?;
    let mut out = Vec::with_capacity(cbor.len() + cbor.len() / 4 + 16);
    let mut index = 0;
    while reader.more(&mut left)? {
        json::write_into(&mut reader, options, Path::Index(&Path::Root, index), &mut out)?;
        reserve(&mut out, 1);
        out.push(b'\n');
        index += 1;
    }
    reader.finish()?;
    Ok(out)
}
