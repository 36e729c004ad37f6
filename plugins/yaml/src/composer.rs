//! Composes the items of a document from events. An alias repeats the item of its anchor.

use granit_parser::{Event, ScalarStyle, Span, StructureStyle, Tag};
use plugbay_sdk::document::cbor::{Anchor, Token, Writer};
use plugbay_sdk::document::repeats;
use plugbay_sdk::{Error, Result, document};

use crate::events::{Events, with_position};
use crate::merge::Merges;
use crate::scalar::{self, CORE, Scalar};
use crate::{Config, MergeKeys, Tags};

const TOO_MANY_REPETITIONS: &str = "the aliases exceed the limit of repetitions";

pub(crate) struct Composer<'c> {
    pub(crate) writer: Writer,
    config: &'c Config,
    /// The anchors, by the numbers that the parser gave them.
    anchors: Vec<Option<Anchor>>,
    /// How many bytes may still be repeated.
    repeats: usize,
    /// The number of flow collections around the next node.
    flow: usize,
}

impl<'c> Composer<'c> {
    pub(crate) fn new(bytes: usize, config: &'c Config) -> Self {
        Self {
            writer: Writer::with_capacity(bytes),
            config,
            anchors: Vec::new(),
            repeats: repeats(bytes),
            flow: 0,
        }
    }

    /// Composes the outermost node of a document.
    pub(crate) fn compose_root(&mut self, events: &mut Events<'_>) -> Result<()> {
        let (event, span) = events.next()?;
        self.compose(event, &span, events)
    }

    fn compose(&mut self, event: Event<'_>, span: &Span, events: &mut Events<'_>) -> Result<()> {
        match event {
            Event::Scalar(text, style, id, tag) => {
                let plain = style == ScalarStyle::Plain;
                let anchor = self.start_anchor(id);
                let tagged = self.open_tag_map(tag.as_deref(), span)?;
                if plain && text == "?" && self.flow > 0 {
                    return Err(question_mark(span));
                }
                let item = match tag.as_deref().map(full_name).as_deref() {
                    None if plain => scalar::plain(&text),
                    // Quoted scalars, and those with the non-specific tag, are text.
                    None | Some("!") => Ok(Scalar::Token(Token::Text(text))),
                    Some(tag) => {
                        match tag.strip_prefix(CORE).and_then(|tag| scalar::tagged(tag, &text)) {
                            Some(item) => item,
                            None if self.config.tags != Tags::Refuse => {
                                Ok(Scalar::Token(Token::Text(text)))
                            }
                            None => return Err(unsupported_tag(tag, "a scalar", span)),
                        }
                    }
                };
                match item.map_err(|what| Error::invalid_input(with_position(&what, span)))? {
                    Scalar::Token(token) => self.put(span, |writer| writer.token(&token))?,
                    Scalar::Big(integer) => {
                        self.put(span, |writer| writer.big_integer(&integer))?;
                    }
                }
                self.end_node(anchor, tagged, span)
            }
            Event::SequenceStart(style, id, tag) => {
                let anchor = self.start_anchor(id);
                let tagged = self.open_collection_tag(tag.as_deref(), "seq", span)?;
                let in_flow = usize::from(style == StructureStyle::Flow);
                self.put(span, Writer::open_array)?;
                self.flow += in_flow;
                let end = loop {
                    match events.next()? {
                        (Event::SequenceEnd, span) => break span,
                        (event, span) => self.compose(event, &span, events)?,
                    }
                };
                self.flow -= in_flow;
                self.put(&end, Writer::close)?;
                self.end_node(anchor, tagged, span)
            }
            Event::MappingStart(style, id, tag) => {
                let anchor = self.start_anchor(id);
                let tagged = self.open_collection_tag(tag.as_deref(), "map", span)?;
                let in_flow = usize::from(style == StructureStyle::Flow);
                self.put(span, Writer::open_map)?;
                self.flow += in_flow;
                let mut merges = Merges::default();
                let end = loop {
                    let (key, span) = events.next()?;
                    if matches!(key, Event::MappingEnd) {
                        break span;
                    }
                    if is_merge_key(&key) {
                        self.read_merge_key(&mut merges, &span, events)?;
                        continue;
                    }
                    self.compose(key, &span, events)?;
                    let (value, span) = events.next()?;
                    self.compose(value, &span, events)?;
                };
                self.flow -= in_flow;
                self.merge(&merges)?;
                self.put(&end, Writer::close)?;
                self.end_node(anchor, tagged, span)
            }
            Event::Alias(id) => {
                let anchor = self.anchor(id, span)?;
                self.count_repetition(anchor, span)?;
                self.put(span, |writer| writer.repeat(anchor))
            }
            _ => Err(Error::internal("the parser's events do not nest")),
        }
    }

    /// Starts the anchor with this number for the next item; the number 0 means no anchor.
    fn start_anchor(&mut self, id: usize) -> Option<Anchor> {
        if id == 0 {
            return None;
        }
        let anchor = self.writer.start_anchor();
        if self.anchors.len() <= id {
            self.anchors.resize(id + 1, None);
        }
        self.anchors[id] = Some(anchor);
        Some(anchor)
    }

    /// Ends a node: closes the map of its tag, if there is one, and ends its anchor.
    fn end_node(&mut self, anchor: Option<Anchor>, tagged: bool, span: &Span) -> Result<()> {
        if tagged {
            self.put(span, Writer::close)?;
        }
        if let Some(anchor) = anchor {
            self.writer.end_anchor(anchor);
        }
        Ok(())
    }

    /// The anchor with this number, whose item must be complete.
    fn anchor(&self, id: usize, span: &Span) -> Result<Anchor> {
        let anchor = self.anchors.get(id).copied().flatten();
        let unknown = || {
            Error::invalid_input(with_position(
                "expected an alias of an anchor before it, found one of an unknown anchor",
                span,
            ))
        };
        let anchor = anchor.ok_or_else(unknown)?;
        if !self.writer.is_complete(anchor) {
            return Err(Error::unsupported(with_position(
                "expected a finite document, found a node that contains itself",
                span,
            )));
        }
        Ok(anchor)
    }

    /// Counts an item towards the limit of repetitions.
    fn count_repetition(&mut self, anchor: Anchor, span: &Span) -> Result<()> {
        let left = self.repeats.checked_sub(self.writer.expanded_len(anchor)?);
        self.repeats =
            left.ok_or_else(|| Error::unsupported(with_position(TOO_MANY_REPETITIONS, span)))?;
        Ok(())
    }

    /// Opens the map for the tag of a collection, if the tag is read as a map; `false` if not. The
    /// tag `expected` means the same as no tag.
    fn open_collection_tag(
        &mut self,
        tag: Option<&Tag>,
        expected: &str,
        span: &Span,
    ) -> Result<bool> {
        match tag.map(full_name).as_deref() {
            None | Some("!") => Ok(false),
            Some(tag) if tag.strip_prefix(CORE) == Some(expected) => Ok(false),
            Some(tag) if self.config.tags == Tags::Refuse => {
                let what = if expected == "seq" { "a sequence" } else { "a mapping" };
                Err(unsupported_tag(tag, what, span))
            }
            Some(_) => self.open_tag_map(tag, span),
        }
    }

    /// Opens the map for a tag, if the tag is read as a map; `false` if not.
    fn open_tag_map(&mut self, tag: Option<&Tag>, span: &Span) -> Result<bool> {
        let Some(tag) = tag.filter(|_| self.config.tags == Tags::Map) else { return Ok(false) };
        let known = full_name(tag);
        let known = known == "!"
            || known.strip_prefix(CORE).is_some_and(|tag| {
                ["seq", "map"].contains(&tag) || scalar::tagged(tag, "").is_some()
            });
        if known {
            return Ok(false);
        }
        self.put(span, Writer::open_map)?;
        let written = tag.original();
        self.put(span, |writer| writer.text(&written))?;
        Ok(true)
    }

    /// Reads the value of a merge key: an alias of a mapping, or a list of such aliases.
    fn read_merge_key(
        &mut self,
        merges: &mut Merges,
        span: &Span,
        events: &mut Events<'_>,
    ) -> Result<()> {
        if self.config.merge_keys == MergeKeys::Refuse {
            let what = with_position("expected YAML 1.2, found the merge key << of YAML 1.1", span);
            let hint = "quote it to write text, or set merge_keys = \"merge\" in \
                        [plugins.yaml.config] to merge mappings";
            return Err(Error::unsupported(format_args!("{what}; {hint}")));
        }
        match events.next()? {
            (Event::Alias(id), span) => self.add_merge(merges, id, &span)?,
            (Event::SequenceStart(..), _) => loop {
                match events.next()? {
                    (Event::Alias(id), span) => self.add_merge(merges, id, &span)?,
                    (Event::SequenceEnd, _) => break,
                    (_, span) => return Err(not_an_alias(&span)),
                }
            },
            (_, span) => return Err(not_an_alias(&span)),
        }
        Ok(())
    }

    /// Adds the mapping of an alias to those that will be merged.
    fn add_merge(&mut self, merges: &mut Merges, id: usize, span: &Span) -> Result<()> {
        let anchor = self.anchor(id, span)?;
        if !self.writer.is_map(anchor) {
            return Err(not_an_alias(span));
        }
        self.count_repetition(anchor, span)?;
        merges.push(anchor, span);
        Ok(())
    }

    /// Adds the pairs of the other mappings to the open one.
    fn merge(&mut self, merges: &Merges) -> Result<()> {
        for merge in merges.iter() {
            // Sorting the keys of the open mapping takes memory, too.
            let left = self.repeats.checked_sub(8 * self.writer.pair_count());
            self.repeats =
                left.ok_or_else(|| Error::unsupported(merge.with_position(TOO_MANY_REPETITIONS)))?;
            let result = self.writer.merge(merge.anchor);
            result
                .map_err(|error| Error::invalid_input(merge.with_position(&error.to_string())))?;
        }
        Ok(())
    }

    /// Calls the writer, and adds the position to its error.
    fn put(
        &mut self,
        span: &Span,
        put: impl FnOnce(&mut Writer) -> Result<(), document::Error>,
    ) -> Result<()> {
        put(&mut self.writer)
            .map_err(|error| Error::invalid_input(with_position(&error.to_string(), span)))
    }
}

fn is_merge_key(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<")
}

/// The error for a question mark in a flow collection without a space after it. With a space it
/// begins an explicit key, otherwise a plain scalar, which needs another character (section 7.3.3).
/// The parser accepts the question mark alone as a scalar.
fn question_mark(span: &Span) -> Error {
    let what = "expected a space after the question mark of an explicit key, found none";
    Error::invalid_input(with_position(what, span))
}

fn not_an_alias(span: &Span) -> Error {
    let what = "expected an alias of a mapping, or a list of them, after the merge key";
    Error::unsupported(with_position(what, span))
}

fn full_name(tag: &Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

fn unsupported_tag(tag: &str, node: &str, span: &Span) -> Error {
    let what = format!("expected a value that a document can hold, found the tag {tag} of {node}");
    Error::unsupported(with_position(&what, span))
}
