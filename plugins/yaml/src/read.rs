//! Converts YAML to documents, from the events of the parser. Only the document is kept in memory.

use plugbay_sdk::document::cbor::Writer;
use plugbay_sdk::{Document, Error, Result};

use crate::Config;
use crate::composer::Composer;
use crate::events::{Events, with_position};

/// Reads the only document of a text.
pub(crate) fn document(bytes: &[u8], config: &Config) -> Result<Document> {
    let mut events = Events::new(bytes)?;
    let mut composer = Composer::new(bytes.len(), config);
    if events.next_document()?.is_some() {
        composer.compose_root(&mut events)?;
    } else {
        composer.writer.null()?;
    }
    if let Some(span) = events.next_document()? {
        let what = with_position("expected one document, found more than one document", &span);
        return Err(Error::unsupported(format_args!(
            "{what}; the codec yaml-stream reads several"
        )));
    }
    Ok(composer.writer.into_document())
}

/// Reads the documents of a text as a list.
pub(crate) fn stream(bytes: &[u8], config: &Config) -> Result<Document> {
    let mut events = Events::new(bytes)?;
    let mut composer = Composer::new(bytes.len(), config);
    composer.writer.open_array()?;
    while events.next_document()?.is_some() {
        composer.compose_root(&mut events)?;
    }
    let mut writer: Writer = composer.writer;
    writer.close()?;
    Ok(writer.into_document())
}
