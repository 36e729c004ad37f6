//! Reads a stream of server-sent events.
//!
//! The format: WHATWG HTML, section 9.2.6, "Interpreting an event stream". Only what a directory sends is
//! kept: the field `retry` is ignored.

use thiserror::Error;

/// An event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Event {
    /// The field `event`; empty if there is none.
    pub(super) kind: String,
    /// The lines of the field `data`.
    pub(super) data: String,
    /// The latest field `id` so far, of this event or of one before.
    pub(super) id: String,
}

/// The stream has an event that is larger than the reader allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("expected events of at most {most} bytes, found a larger one")]
pub(super) struct TooLarge {
    most: usize,
}

/// Splits bytes into events.
#[derive(Debug)]
pub(super) struct Reader {
    /// The most bytes that an event may have.
    most: usize,
    /// The bytes of the line that has not ended.
    line: Vec<u8>,
    /// The last byte was a carriage return, so a line feed that follows ends no line.
    after_return: bool,
    /// Nothing was read yet: a byte order mark may come.
    is_start: bool,
    event: Event,
    /// Whether the event has a field `data`.
    has_data: bool,
}

impl Reader {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            line: Vec::new(),
            after_return: false,
            is_start: true,
            event: Event::default(),
            has_data: false,
        }
    }

    /// Reads the next bytes, and calls `found` with each event that is complete.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        mut found: impl FnMut(Event),
    ) -> Result<(), TooLarge> {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
            let is_second_half = end == 0 && rest[0] == b'\n' && self.after_return;
            self.after_return = rest[end] == b'\r';
            if !is_second_half {
                self.keep(&rest[..end])?;
                let line = std::mem::take(&mut self.line);
                if let Some(event) = self.line(&line) {
                    found(event);
                }
            }
            rest = &rest[end + 1..];
        }
        if !rest.is_empty() {
            self.after_return = false;
        }
        self.keep(rest)
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), TooLarge> {
        if self.line.len() + bytes.len() + self.event.data.len() > self.most {
            return Err(TooLarge { most: self.most });
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    /// Takes a line. An empty one ends an event.
    fn line(&mut self, line: &[u8]) -> Option<Event> {
        let text = String::from_utf8_lossy(line);
        let text = if std::mem::take(&mut self.is_start) {
            text.strip_prefix('\u{feff}').unwrap_or(&text)
        } else {
            &text
        };
        if text.is_empty() {
            return self.end();
        }
        let (field, value) = text.split_once(':').unwrap_or((text, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => value.clone_into(&mut self.event.kind),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "id" if !value.contains('\0') => value.clone_into(&mut self.event.id),
            // A comment begins with a colon: its field is empty.
            _ => {}
        }
        None
    }

    /// An event without data is none; its id counts.
    fn end(&mut self) -> Option<Event> {
        let next = Event { id: self.event.id.clone(), ..Event::default() };
        let event = std::mem::replace(&mut self.event, next);
        std::mem::take(&mut self.has_data).then_some(event)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(kind: &str, data: &str, id: &str) -> Event {
        Event { kind: kind.into(), data: data.into(), id: id.into() }
    }

    fn read(parts: &[&[u8]]) -> Vec<Event> {
        let mut reader = Reader::new(1_000);
        let mut events = Vec::new();
        for part in parts {
            reader.read(part, |event| events.push(event)).unwrap();
        }
        events
    }

    #[test]
    fn events_are_read_as_the_standard_says() {
        let stream = b"\xef\xbb\xbf: a comment\n\nevent: register\nid: 7\ndata: a\ndata:  b\n\nretry: 5\nid: 8\n\ndata\n\r\ndata:c\rid\r\rdata: not ended\n";
        let expected = [event("register", "a\n b", "7"), event("", "", "8"), event("", "c", "")];
        assert_eq!(read(&[stream]), expected);
    }

    #[test]
    fn an_event_that_is_too_large_is_refused_before_it_is_kept() {
        let mut reader = Reader::new(10);
        assert!(reader.read(b"data: 1234", |_| ()).is_ok());
        assert_eq!(reader.read(b"5", |_| ()), Err(TooLarge { most: 10 }));
        let mut reader = Reader::new(20);
        let lines = (0..10).try_for_each(|_| reader.read(b"data: 123\n", |_| ()));
        assert!(lines.is_err());
    }

    proptest! {
        #[test]
        fn it_does_not_matter_how_the_bytes_arrive(
            stream in "(data|id|event|x|:|)(: ?)?[ab\u{e9}]{0,3}(\n|\r|\r\n)(\n|\r|\r\n)?",
            cuts in prop::collection::vec(0..200_usize, 0..5),
        ) {
            let stream = stream.repeat(3);
            let mut parts = Vec::new();
            let mut rest = stream.as_bytes();
            for cut in cuts {
                let (part, left) = rest.split_at(cut.min(rest.len()));
                parts.push(part);
                rest = left;
            }
            parts.push(rest);
            prop_assert_eq!(read(&parts), read(&[stream.as_bytes()]));
        }
    }
}
