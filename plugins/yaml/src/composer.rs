//! From events to the items of a document. An alias repeats the item that its anchor became.

use granit_parser::{Event, ScalarStyle, Span, StructureStyle, Tag};
use plugbay_sdk::document::cbor::{Kept, Token, Writer};
use plugbay_sdk::document::repeats;
use plugbay_sdk::{Error, Result, document};

use crate::events::{Events, place};
use crate::merge::Merges;
use crate::scalar::{self, CORE, Scalar};
use crate::{Config, MergeKeys, Tags};

const TOO_MUCH: &str = "the aliases would make the document several times as long as the text";

pub(crate) struct Composer<'c> {
    pub(crate) writer: Writer,
    config: &'c Config,
    /// The item of each anchor, by the number that the parser gave it.
    anchors: Vec<Option<Kept>>,
    /// How many bytes aliases may still stand for.
    repeats: usize,
    /// How many flow collections the next node is in.
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

    /// Composes the node of a document that has just begun.
    pub(crate) fn root(&mut self, events: &mut Events<'_>) -> Result<()> {
        let (event, span) = events.next()?;
        self.node(event, &span, events)
    }

    fn node(&mut self, event: Event<'_>, span: &Span, events: &mut Events<'_>) -> Result<()> {
        match event {
            Event::Scalar(text, style, id, tag) => {
                let plain = style == ScalarStyle::Plain;
                let kept = self.keep(id);
                let tagged = self.tag(tag.as_deref(), span)?;
                if plain && text == "?" && self.flow > 0 {
                    return Err(question_mark(span));
                }
                let item = match tag.as_deref().map(name).as_deref() {
                    None if plain => scalar::plain(&text),
                    // Quoted, and the non-specific tag: text.
                    None | Some("!") => Ok(Scalar::Token(Token::Text(text))),
                    Some(tag) => {
                        match tag.strip_prefix(CORE).and_then(|tag| scalar::tagged(tag, &text)) {
                            Some(item) => item,
                            None if self.config.tags != Tags::Refuse => {
                                Ok(Scalar::Token(Token::Text(text)))
                            }
                            None => return Err(wrong_tag(tag, "a scalar", span)),
                        }
                    }
                };
                match item.map_err(|what| Error::invalid_input(place(&what, span)))? {
                    Scalar::Token(token) => self.put(span, |writer| writer.token(&token))?,
                    Scalar::Big(integer) => {
                        self.put(span, |writer| writer.big_integer(&integer))?;
                    }
                }
                self.end(kept, tagged, span)
            }
            Event::SequenceStart(style, id, tag) => {
                let kept = self.keep(id);
                let tagged = self.collection(tag.as_deref(), "seq", span)?;
                let in_flow = usize::from(style == StructureStyle::Flow);
                self.put(span, Writer::open_array)?;
                self.flow += in_flow;
                let end = loop {
                    match events.next()? {
                        (Event::SequenceEnd, span) => break span,
                        (event, span) => self.node(event, &span, events)?,
                    }
                };
                self.flow -= in_flow;
                self.put(&end, Writer::close)?;
                self.end(kept, tagged, span)
            }
            Event::MappingStart(style, id, tag) => {
                let kept = self.keep(id);
                let tagged = self.collection(tag.as_deref(), "map", span)?;
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
                        self.merge_key(&mut merges, &span, events)?;
                        continue;
                    }
                    self.node(key, &span, events)?;
                    let (value, span) = events.next()?;
                    self.node(value, &span, events)?;
                };
                self.flow -= in_flow;
                self.merge(&merges)?;
                self.put(&end, Writer::close)?;
                self.end(kept, tagged, span)
            }
            Event::Alias(id) => {
                let item = self.anchored(id, span)?;
                self.spend(item, span)?;
                self.put(span, |writer| writer.repeat(item))
            }
            _ => Err(Error::internal("the parser's events do not nest")),
        }
    }

    /// Says that the item which follows has the anchor with this number; 0 is none.
    fn keep(&mut self, id: usize) -> Option<Kept> {
        if id == 0 {
            return None;
        }
        let kept = self.writer.keep();
        if self.anchors.len() <= id {
            self.anchors.resize(id + 1, None);
        }
        self.anchors[id] = Some(kept);
        Some(kept)
    }

    fn end(&mut self, kept: Option<Kept>, tagged: bool, span: &Span) -> Result<()> {
        if tagged {
            self.put(span, Writer::close)?;
        }
        if let Some(kept) = kept {
            self.writer.kept(kept);
        }
        Ok(())
    }

    fn anchored(&self, id: usize, span: &Span) -> Result<Kept> {
        let item = self.anchors.get(id).copied().flatten();
        let item =
            item.ok_or_else(|| Error::invalid_input(place("an alias of an unknown anchor", span)))?;
        if !self.writer.is_complete(item) {
            return Err(Error::unsupported(place("a node that contains itself", span)));
        }
        Ok(item)
    }

    /// Counts an item against what may be repeated.
    fn spend(&mut self, item: Kept, span: &Span) -> Result<()> {
        let left = self.repeats.checked_sub(self.writer.weight(item)?);
        self.repeats = left.ok_or_else(|| Error::unsupported(place(TOO_MUCH, span)))?;
        Ok(())
    }

    /// Whether a collection's tag is the one that it has without; else, if it is to become a map,
    /// opens that and says so.
    fn collection(&mut self, tag: Option<&Tag>, expected: &str, span: &Span) -> Result<bool> {
        match tag.map(name).as_deref() {
            None | Some("!") => Ok(false),
            Some(tag) if tag.strip_prefix(CORE) == Some(expected) => Ok(false),
            Some(tag) if self.config.tags == Tags::Refuse => {
                let what = if expected == "seq" { "a sequence" } else { "a mapping" };
                Err(wrong_tag(tag, what, span))
            }
            Some(_) => self.tag(tag, span),
        }
    }

    /// If the tag is to become a map, opens that and says so.
    fn tag(&mut self, tag: Option<&Tag>, span: &Span) -> Result<bool> {
        let Some(tag) = tag.filter(|_| self.config.tags == Tags::Map) else { return Ok(false) };
        let known = name(tag);
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

    /// Reads the value of a merge key: an alias of a mapping, or a list of such.
    fn merge_key(
        &mut self,
        merges: &mut Merges,
        span: &Span,
        events: &mut Events<'_>,
    ) -> Result<()> {
        if self.config.merge_keys == MergeKeys::Refuse {
            let what =
                "expected YAML 1.2, found the merge key << of YAML 1.1; quote it to mean text";
            let what = place(what, span);
            let how = "merge_keys = \"merge\" in [plugins.yaml.config] merges";
            return Err(Error::unsupported(format_args!("{what}; {how}")));
        }
        match events.next()? {
            (Event::Alias(id), span) => self.merged(merges, id, &span)?,
            (Event::SequenceStart(..), _) => loop {
                match events.next()? {
                    (Event::Alias(id), span) => self.merged(merges, id, &span)?,
                    (Event::SequenceEnd, _) => break,
                    (_, span) => return Err(no_alias(&span)),
                }
            },
            (_, span) => return Err(no_alias(&span)),
        }
        Ok(())
    }

    fn merged(&mut self, merges: &mut Merges, id: usize, span: &Span) -> Result<()> {
        let item = self.anchored(id, span)?;
        if !self.writer.is_map(item) {
            return Err(no_alias(span));
        }
        self.spend(item, span)?;
        merges.push(item, span);
        Ok(())
    }

    /// Adds the pairs of the merged mappings to the one that is open.
    fn merge(&mut self, merges: &Merges) -> Result<()> {
        for merge in merges.iter() {
            // Its keys are looked up among those that there are.
            let left = self.repeats.checked_sub(8 * self.writer.pairs());
            self.repeats = left.ok_or_else(|| Error::unsupported(merge.place(TOO_MUCH)))?;
            let result = self.writer.merge(merge.item);
            result.map_err(|error| Error::invalid_input(merge.place(&error.to_string())))?;
        }
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

fn is_merge_key(event: &Event<'_>) -> bool {
    matches!(event, Event::Scalar(text, ScalarStyle::Plain, _, None) if text == "<<")
}

/// A question mark in a flow collection begins an explicit key if a space follows, and else a
/// plain scalar, which cannot be a question mark alone (section 7.3.3: what follows it is to be a
/// character of the scalar). The parser takes it for one.
fn question_mark(span: &Span) -> Error {
    let what = "expected a space after the question mark of an explicit key, found none";
    Error::invalid_input(place(what, span))
}

fn no_alias(span: &Span) -> Error {
    let what = "expected an alias of a mapping, or a list of them, after the merge key";
    Error::unsupported(place(what, span))
}

fn name(tag: &Tag) -> String {
    format!("{}{}", tag.handle(), tag.suffix())
}

fn wrong_tag(tag: &str, what: &str, span: &Span) -> Error {
    Error::unsupported(place(&format!("a document has no place for the tag {tag} of {what}"), span))
}
