//! A list of texts, one on each line.

use plugbay_sdk::prelude::*;

/// The plugin, and its one codec.
struct PluginName;

impl Plugin for PluginName {
    const NAME: &'static str = "plugin-name";
    const DESCRIPTION: &'static str = "a list of texts, one on each line";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
}

impl Codec for PluginName {
    const NAME: &'static str = "plugin-name";
    const MEDIA_TYPES: &'static [&'static str] = &["text/plain"];

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        let lines: Vec<String> = document.to_value()?;
        let mut text = String::new();
        for line in &lines {
            ensure!(!line.contains('\n'), unsupported, "expected one line, found {line:?}");
            text.push_str(line);
            text.push('\n');
        }
        Ok(text.into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        let lines: Vec<&str> = std::str::from_utf8(bytes)?.lines().collect();
        Ok(Document::from_value(&lines)?)
    }
}

export!(PluginName: codec);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_back() -> Result<()> {
        let codec = PluginName::new(())?;
        let document = Document::from_value(&["one", "two"])?;
        let bytes = codec.encode(&document)?;
        assert_eq!(bytes, b"one\ntwo\n");
        assert_eq!(codec.decode(&bytes)?, document);
        Ok(())
    }
}
