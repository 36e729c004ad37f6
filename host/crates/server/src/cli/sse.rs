//! Reads a stream of server-sent events, as far as the admin plane writes them.

/// The longest event that is kept, in bytes: far more than the host sends.
const LONGEST: usize = 1 << 20;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct SentEvent {
    /// The number after which the stream goes on.
    pub(super) id: Option<u64>,
    pub(super) data: String,
}

/// Splits the bytes of a stream into events.
#[derive(Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    event: SentEvent,
}

impl Parser {
    /// Takes the next bytes, and returns the events that they complete.
    ///
    /// # Errors
    /// If an event is too long.
    pub(super) fn take(&mut self, bytes: &[u8]) -> Result<Vec<SentEvent>, String> {
        let mut events = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() + self.event.data.len() >= LONGEST {
                    return Err(format!("expected events of at most {LONGEST} bytes, found more"));
                }
                self.line.push(*byte);
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches('\r')));
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<SentEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return (!event.data.is_empty()).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => self.event.id = value.parse().ok(),
            "data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            // Comments keep the connection open, and the word of the event is in its data, too.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_bytes_are_cut() {
        let stream = ": keep alive\n\nid: 7\nevent: loaded\ndata: {\"a\":1}\n\nid: 8\r\ndata: é\r\ndata:x\r\n\r\n";
        for size in [1, 2, 3, 7, stream.len()] {
            let mut parser = Parser::default();
            let mut events = Vec::new();
            for part in stream.as_bytes().chunks(size) {
                events.extend(parser.take(part).unwrap());
            }
            let expected = [
                SentEvent { id: Some(7), data: "{\"a\":1}".into() },
                SentEvent { id: Some(8), data: "é\nx".into() },
            ];
            assert_eq!(events, expected, "{size}");
        }
    }

    #[test]
    fn an_endless_event_is_refused() {
        let mut parser = Parser::default();
        let part = vec![b'x'; 1 << 16];
        let refused = (0..17).find_map(|_| parser.take(&part).err());
        assert!(refused.unwrap().contains("found more"));
    }
}
