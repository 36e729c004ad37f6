#![doc = include_str!("../README.md")]

mod composer;
mod events;
mod merge;
mod plain;
mod read;
mod scalar;
mod write;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, and its codec `yaml`. A field of it is the codec `yaml-stream`.
#[derive(Debug)]
pub struct Yaml {
    config: Config,
    stream: YamlStream,
}

/// The codec `yaml-stream`: a list of documents.
#[derive(Debug)]
pub struct YamlStream {
    config: Config,
}

/// `[plugins.yaml.config]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What becomes of merge keys, `<<`, which are of YAML 1.1.
    pub merge_keys: MergeKeys,
    /// What becomes of tags that are not of the core schema.
    pub tags: Tags,
}

/// What becomes of merge keys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeKeys {
    /// The text is refused as unsupported.
    #[default]
    Refuse,
    /// The pairs of the mappings that `<<` names by aliases are added to those of its own mapping,
    /// whose keys win; of several mappings the first wins.
    Merge,
}

/// What becomes of tags that are not of the core schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tags {
    /// The text is refused as unsupported.
    #[default]
    Refuse,
    /// The tag is left out. A scalar that had one is text.
    Drop,
    /// The node becomes a map of one pair: its key is the tag as it is written, its value the node.
    Map,
}

impl Plugin for Yaml {
    const NAME: &'static str = "yaml";
    const DESCRIPTION: &'static str = "YAML 1.2, core schema: documents, and streams of them";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { stream: YamlStream { config: config.clone() }, config })
    }
}

impl Yaml {
    /// Its codec `yaml-stream`.
    pub fn stream(&self) -> &YamlStream {
        &self.stream
    }
}

impl Codec for Yaml {
    const NAME: &'static str = "yaml";
    const MEDIA_TYPES: &'static [&'static str] =
        &["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
    const DESCRIPTION: &'static str = "YAML 1.2, core schema, one document";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        write::write(document)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::document(bytes, &self.config)
    }
}

impl Codec for YamlStream {
    const NAME: &'static str = "yaml-stream";
    const MEDIA_TYPES: &'static [&'static str] = &["application/yaml-stream"];
    const DESCRIPTION: &'static str = "YAML 1.2, core schema, a list of documents";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        write::write_stream(document)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::stream(bytes, &self.config)
    }
}

export!(Yaml: codec, codec stream);
