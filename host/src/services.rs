//! What plugins may ask of the generation that their call began with.

use std::sync::{Arc, Weak};

use plugbay_core::codec::{Codec, CodecCall};
use plugbay_core::{CallError, CallErrorKind, CodecInfo, Context, Services};

use crate::dispatch;
use crate::generation::Generation;

/// A generation, as plugins see it.
pub(crate) struct GenerationServices {
    generation: Arc<Generation>,
    this: Weak<GenerationServices>,
}

impl GenerationServices {
    pub(crate) fn of(generation: Arc<Generation>) -> Arc<dyn Services> {
        Arc::new_cyclic(|this| Self { generation, this: Weak::clone(this) })
    }

    /// Calls another codec of the same generation. Needs no lease: the outermost call holds
    /// one of the whole generation, because its plugin imports `codecs`.
    fn nested<R>(
        &self,
        depth: u8,
        name: &str,
        mut call: impl FnMut(&dyn CodecCall, &Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let key = format!("{}:{name}", <Codec as plugbay_core::Kind>::NAME);
        let unsupported = |message: String| CallError::new(CallErrorKind::Unsupported, message);
        let capability = self
            .generation
            .capability("codec", &key)
            .map_err(|missed| unsupported(missed.to_string()))?;
        let services: Arc<dyn Services> = self
            .this
            .upgrade()
            .ok_or_else(|| CallError::new(CallErrorKind::Retired, "the generation is gone"))?;
        let context = Context::nested(&services, depth);
        dispatch::call::<Codec, R>(capability, &context, |codec, context, _plugin| {
            call(codec, context)
        })
    }
}

impl Services for GenerationServices {
    fn codecs(&self) -> Vec<CodecInfo> {
        let capabilities = self.generation.capabilities.iter();
        let codecs = capabilities.filter(|(_, it)| it.key.kind == "codec");
        codecs
            .map(|(_, codec)| CodecInfo {
                name: codec.key.name.clone(),
                media_types: codec.first.described().media_types.clone(),
            })
            .collect()
    }

    fn encode(&self, depth: u8, name: &str, document: &[u8]) -> Result<Vec<u8>, CallError> {
        self.nested(depth, name, |codec, context| codec.encode(context, document))
    }

    fn decode(&self, depth: u8, name: &str, bytes: &[u8]) -> Result<Vec<u8>, CallError> {
        self.nested(depth, name, |codec, context| codec.decode(context, bytes))
    }
}
