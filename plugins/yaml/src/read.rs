//! YAML to documents, from the parser's events.
//!
//! The events of the one document are collected; composing it walks over them, and an alias
//! walks over its anchor's events again, as long as the [`MAX_REPLAYED`] last.

use std::collections::HashMap;

use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use plugbay_sdk::document::cbor::{Token, Writer};
use plugbay_sdk::{Document, Error, Result, document};

use crate::scalar::{self, CORE};

/// How many events all aliases of a text may replay.
const MAX_REPLAYED: usize = 100_000;

pub(crate) fn read(bytes: &[u8]) -> Result<Document> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::invalid_input(format_args!("expected utf-8 text, found other bytes at byte {at}"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let events = events(text)?;
    let mut composer = Composer {
        anchors: anchors(&events),
        events: &events,
        writer: Writer::with_capacity(bytes.len()),
        composing: Vec::new(),
        replaying: false,
        replayed: 0,
    };
    if events.is_empty() {
        composer.writer.null()?;
    } else {
        composer.node(0, false)?;
    }
    Ok(composer.writer.into_document())
}

type Events<'t> = Vec<(Event<'t>, Span)>;

/// The events of the one document's nodes.
fn events(text: &str) -> Result<Events<'_>> {
    let mut events = Vec::new();
    let mut documents = 0;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let (line, column) = (error.marker().line(), error.marker().col() + 1);
            let what = error.info();
            let what = if what.is_empty() { error.kind().to_string() } else { what };
            Error::invalid_input(format_args!("{what} at line {line} column {column}"))
        })?;
        match event {
            Event::DocumentStart(_, version) => {
                documents += 1;
                if documents > 1 {
                    return Err(Error::unsupported(place(
                        "expected one document, found more than one document",
                        &span,
                    )));
                }
                if let Some(version) =
                    version.filter(|version| version.major != 1 || version.minor < 2)
                {
                    let (major, minor) = (version.major, version.minor);
                    let what = format!("expected YAML 1.2, found %YAML {major}.{minor}");
                    return Err(Error::unsupported(place(&what, &span)));
                }
            }
            Event::Scalar(..)
            | Event::SequenceStart(..)
            | Event::SequenceEnd
            | Event::MappingStart(..)
            | Event::MappingEnd
            | Event::Alias(_) => events.push((event, span)),
            _ => {}
        }
    }
    Ok(events)
}

/// Where the node of each anchor begins.
fn anchors(events: &Events<'_>) -> HashMap<usize, usize> {
    let anchored = events.iter().enumerate().filter_map(|(index, (event, _))| {
        let id = anchor(event);
        (id != 0).then_some((id, index))
    });
    anchored.collect()
}

/// The anchor of a node; 0 is none.
fn anchor(event: &Event<'_>) -> usize {
    match event {
        Event::Scalar(_, _, id, _)
        | Event::SequenceStart(_, id, _)
        | Event::MappingStart(_, id, _) => *id,
        _ => 0,
    }
}

struct Composer<'e, 't> {
    events: &'e Events<'t>,
    anchors: HashMap<usize, usize>,
    writer: Writer,
    /// The anchors of the collections that are being composed.
    composing: Vec<usize>,
    replaying: bool,
    replayed: usize,
}

impl Composer<'_, '_> {
    /// Composes the node that begins at `index`, and says where the next one does.
    fn node(&mut self, index: usize, is_key: bool) -> Result<usize> {
        let (event, span) = &self.events[index];
        if self.replaying {
            self.replayed += 1;
            if self.replayed > MAX_REPLAYED {
                let what = format!("the aliases stand for more than {MAX_REPLAYED} nodes");
                return Err(Error::unsupported(place(&what, span)));
            }
        }
        match event {
            Event::Scalar(text, style, _, tag) => {
                let token = scalar(text, *style, tag.as_deref(), span, is_key)?;
                self.put(span, |writer| writer.token(&token))?;
                Ok(index + 1)
            }
            Event::SequenceStart(_, id, tag) => {
                collection(tag.as_deref(), "seq", span)?;
                self.put(span, Writer::open_array)?;
                self.composing.push(*id);
                let mut next = index + 1;
                while !matches!(self.events[next].0, Event::SequenceEnd) {
                    next = self.node(next, false)?;
                }
                self.close(next)
            }
            Event::MappingStart(_, id, tag) => {
                collection(tag.as_deref(), "map", span)?;
                self.put(span, Writer::open_map)?;
                self.composing.push(*id);
                let mut next = index + 1;
                while !matches!(self.events[next].0, Event::MappingEnd) {
                    next = self.node(next, true)?;
                    next = self.node(next, false)?;
                }
                self.close(next)
            }
            Event::Alias(id) => {
                self.alias(*id, span, is_key)?;
                Ok(index + 1)
            }
            _ => Err(Error::internal("the parser's events do not nest")),
        }
    }

    fn close(&mut self, end: usize) -> Result<usize> {
        let (_, span) = &self.events[end];
        self.composing.pop();
        self.put(span, Writer::close)?;
        Ok(end + 1)
    }

    fn alias(&mut self, id: usize, span: &Span, is_key: bool) -> Result<()> {
        let Some(&anchor) = self.anchors.get(&id) else {
            return Err(Error::invalid_input(place("an alias of an unknown anchor", span)));
        };
        if self.composing.contains(&id) {
            return Err(Error::unsupported(place("a node that contains itself", span)));
        }
        let outer = std::mem::replace(&mut self.replaying, true);
        self.node(anchor, is_key)?;
        self.replaying = outer;
        Ok(())
    }

    /// Tells the writer, and says where if it refuses.
    fn put(
        &mut self,
        span: &Span,
        put: impl FnOnce(&mut Writer) -> Result<(), document::Error>,
    ) -> Result<()> {
        put(&mut self.writer).map_err(|error| Error::invalid_input(place(&error.to_string(), span)))
    }
}

/// What a scalar is.
fn scalar<'s>(
    text: &'s str,
    style: ScalarStyle,
    tag: Option<&Tag>,
    span: &Span,
    is_key: bool,
) -> Result<Token<'s>> {
    let plain = style == ScalarStyle::Plain;
    let item = match tag.map(name).as_deref() {
        None if plain && is_key && text == "<<" => {
            let what =
                "expected YAML 1.2, found the merge key << of YAML 1.1; quote it to mean text";
            return Err(Error::unsupported(place(what, span)));
        }
        None if plain => scalar::plain(text),
        // Quoted, and the non-specific tag: text.
        None | Some("!") => Ok(Token::Text(text.into())),
        Some(tag) => match tag.strip_prefix(CORE).and_then(|tag| scalar::tagged(tag, text)) {
            Some(item) => item,
            None => return Err(wrong_tag(tag, "a scalar", span)),
        },
    };
    item.map_err(|what| Error::invalid_input(place(&what, span)))
}

/// Whether a collection's tag is the one that it has without.
fn collection(tag: Option<&Tag>, expected: &str, span: &Span) -> Result<()> {
    match tag.map(name).as_deref() {
        None | Some("!") => Ok(()),
        Some(tag) if tag.strip_prefix(CORE) == Some(expected) => Ok(()),
        Some(tag) => {
            let what = if expected == "seq" { "a sequence" } else { "a mapping" };
            Err(wrong_tag(tag, what, span))
        }
    }
}

fn name(tag: &Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

fn wrong_tag(tag: &str, what: &str, span: &Span) -> Error {
    Error::unsupported(place(&format!("a document has no place for the tag {tag} of {what}"), span))
}

fn place(what: &str, span: &Span) -> String {
    format!("{what} at line {} column {}", span.start.line(), span.start.col() + 1)
}
