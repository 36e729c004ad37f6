//! A list of texts, one on each line.

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, and its one codec.
struct PluginName {
    config: Config,
}

/// `[plugins.plugin-name.config]`
#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Config {
    /// What stands before each line.
    prefix: String,
}

impl Default for Config {
    fn default() -> Self {
        Self { prefix: String::new() }
    }
}

impl Plugin for PluginName {
    const NAME: &'static str = "plugin-name";
    const DESCRIPTION: &'static str = "a list of texts, one on each line";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        ensure!(!config.prefix.contains('\n'), invalid_input, "expected a prefix of one line");
        Ok(Self { config })
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
            text.push_str(&self.config.prefix);
            text.push_str(line);
            text.push('\n');
        }
        Ok(text.into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        let prefix = &self.config.prefix;
        let mut lines = Vec::new();
        for line in std::str::from_utf8(bytes)?.lines() {
            let Some(text) = line.strip_prefix(prefix.as_str()) else {
                bail!(invalid_input, "expected a line that begins with {prefix:?}, found {line:?}");
            };
            lines.push(text);
        }
        Ok(Document::from_value(&lines)?)
    }
}

export!(PluginName: codec);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_comes_and_goes() -> Result<()> {
        let codec = PluginName::new(Config { prefix: "- ".to_owned() })?;
        let document = Document::from_value(&["one", "two"])?;
        let bytes = codec.encode(&document)?;
        assert_eq!(bytes, b"- one\n- two\n");
        assert_eq!(codec.decode(&bytes)?, document);
        Ok(())
    }
}
