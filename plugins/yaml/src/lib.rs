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

/// The plugin, which is also the codec `yaml`. Its field `stream` is the codec `yaml-stream`.
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
    /// How merge keys, `<<`, of YAML 1.1 are read.
    pub merge_keys: MergeKeys,
    /// How tags outside the core schema are read.
    pub tags: Tags,
}

/// How merge keys are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum MergeKeys {
    /// The text is refused as unsupported.
    #[default]
    Refuse,
    /// The pairs of the mappings whose aliases follow `<<` are added to those of its own mapping.
    /// If keys are equal, the mapping's own pair wins, then the first of the others.
    Merge,
}

/// How tags outside the core schema are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Tags {
    /// The text is refused as unsupported.
    #[default]
    Refuse,
    /// The tag is ignored. A scalar with such a tag is text.
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
    /// The codec `yaml-stream`.
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
