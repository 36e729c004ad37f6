//! What plugins may ask of the generation that their call began with.

use std::sync::Arc;

use plugbay_core::codec::{Codec, CodecCall};
use plugbay_core::{CallError, CallErrorKind, CodecInfo, Context, Services};

use crate::calling::Calling;
use crate::dispatch;
use crate::generation::Generation;

/// A generation, as plugins see it.
pub(crate) struct GenerationServices {
    generation: Arc<Generation>,
}

impl GenerationServices {
    pub(crate) fn of(generation: Arc<Generation>) -> Arc<dyn Services> {
        Arc::new(Self { generation })
    }

    /// Calls another codec of the same generation. Needs no lease: the outermost call holds
    /// one of the whole generation, because its plugin imports `codecs`.
    fn nested<R>(
        &self,
        context: &Context<'_>,
        name: &str,
        mut call: impl FnMut(&dyn CodecCall, &Context<'_>) -> Result<R, CallError>,
    ) -> Result<R, CallError> {
        let key = format!("{}:{name}", <Codec as plugbay_core::Kind>::NAME);
        let unsupported = |message: String| CallError::new(CallErrorKind::Unsupported, message);
        let capability = self
            .generation
            .capability("codec", &key)
            .map_err(|missed| unsupported(missed.to_string()))?;
        dispatch::call::<Codec, R>(
            capability,
            context,
            Calling::codec(),
            |codec, context, _plugin| call(codec, context),
        )
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

    fn encode(
        &self,
        context: &Context<'_>,
        name: &str,
        document: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        self.nested(context, name, |codec, context| codec.encode(context, document))
    }

    fn decode(
        &self,
        context: &Context<'_>,
        name: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        self.nested(context, name, |codec, context| codec.decode(context, bytes))
    }
}
