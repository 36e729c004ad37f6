//! The events of the parser, and their positions in the text.

use granit_parser::{Event, Parser, Span, StrInput, options};
use plugbay_sdk::{Error, Result};

/// The events of a text.
pub(crate) struct Events<'t> {
    parser: Parser<'t, StrInput<'t>>,
    /// Whether the last event of the stream was read.
    ended: bool,
}

impl<'t> Events<'t> {
    pub(crate) fn new(bytes: &'t [u8]) -> Result<Self> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let at = error.valid_up_to();
            Error::invalid_input(format_args!(
                "expected utf-8 text, found other bytes at byte {at}"
            ))
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let options = options! { strict_indentation: true };
        Ok(Self { parser: Parser::new_from_str_with_options(text, options), ended: false })
    }

    /// Reads the next event.
    pub(crate) fn next(&mut self) -> Result<(Event<'t>, Span)> {
        let event = self.parser.next_event();
        let event = event.ok_or_else(|| Error::internal("the parser's events do not nest"))?;
        event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            let what = error.info();
            let what = if what.is_empty() { error.kind().to_string() } else { what };
            Error::invalid_input(format_args!("{what} at line {line} column {column}"))
        })
    }

    /// Skips to the node of the next document, and returns its position; `None` if there is none.
    pub(crate) fn next_document(&mut self) -> Result<Option<Span>> {
        while !self.ended {
            match self.next()? {
                // Texts of older versions are read as 1.2 (section 6.8.1).
                (Event::DocumentStart(..), span) => return Ok(Some(span)),
                (Event::StreamEnd, _) => self.ended = true,
                _ => {}
            }
        }
        Ok(None)
    }
}

/// A message with a position in the text.
pub(crate) fn with_position(what: &str, span: &Span) -> String {
    format!("{what} at line {} column {}", span.start.line(), span.start.col() + 1)
}
