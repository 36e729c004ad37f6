//! YAML to documents, from the parser's events, as they come: nothing is kept of a text but the
//! document that it becomes.

use plugbay_sdk::document::cbor::Writer;
use plugbay_sdk::{Document, Error, Result};

use crate::Config;
use crate::composer::Composer;
use crate::events::{Events, place};

/// The one document of a text.
pub(crate) fn document(bytes: &[u8], config: &Config) -> Result<Document> {
    let mut events = Events::new(bytes)?;
    let mut composer = Composer::new(bytes.len(), config);
    if events.document()?.is_some() {
        composer.root(&mut events)?;
    } else {
        composer.writer.null()?;
    }
    if let Some(span) = events.document()? {
        let what = place("expected one document, found more than one document", &span);
        return Err(Error::unsupported(format_args!(
            "{what}; the codec yaml-stream reads several"
        )));
    }
    Ok(composer.writer.into_document())
}

/// The list of a text's documents.
pub(crate) fn stream(bytes: &[u8], config: &Config) -> Result<Document> {
    let mut events = Events::new(bytes)?;
    let mut composer = Composer::new(bytes.len(), config);
    composer.writer.open_array()?;
    while events.document()?.is_some() {
        composer.root(&mut events)?;
    }
    let mut writer: Writer = composer.writer;
    writer.close()?;
    Ok(writer.into_document())
}
