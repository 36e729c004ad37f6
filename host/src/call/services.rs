//! What plugins may ask of the generation that their call began with.

use std::sync::Arc;

use plugbay_core::codec::{Codec, CodecCall, CodecFuture};
use plugbay_core::{CallError, CallErrorKind, CodecInfo, Context, Services};

use super::dispatch;
use super::options::Calling;
use crate::set::{Capability, Generation};

/// A generation, as plugins see it.
pub(crate) struct GenerationServices {
    generation: Arc<Generation>,
}

impl GenerationServices {
    pub(crate) fn of(generation: Arc<Generation>) -> Arc<dyn Services> {
        Arc::new(Self { generation })
    }

    /// A codec of the generation. To call it needs no lease: the outermost call holds one of the
    /// whole generation, because its plugin imports `codecs`.
    fn codec(&self, name: &str) -> Result<&Capability, CallError> {
        let key = format!("{}:{name}", <Codec as plugbay_core::Kind>::NAME);
        self.generation
            .capability("codec", &key)
            .map_err(|missed| CallError::new(CallErrorKind::Unsupported, missed.to_string()))
    }

    /// Calls another codec, waiting for the answer. Each provider that is asked gets `input`.
    fn awaited<'a>(
        &'a self,
        context: Context<'a>,
        name: &'a str,
        mut input: Vec<u8>,
        call: for<'c> fn(&'c dyn CodecCall, Context<'c>, Vec<u8>) -> CodecFuture<'c>,
    ) -> CodecFuture<'a> {
        Box::pin(async move {
            let codec = self.codec(name)?;
            let asked_once = codec.spread.is_none();
            let (how, no_fault) = (Calling::codec(), |_: &Vec<u8>| None);
            dispatch::call_async::<Codec, _>(
                codec,
                context,
                how,
                no_fault,
                &mut |codec, context| {
                    let input = if asked_once { std::mem::take(&mut input) } else { input.clone() };
                    call(codec, context, input)
                },
            )
            .await
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

    fn encode(
        &self,
        context: &Context<'_>,
        name: &str,
        document: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let (codec, how) = (self.codec(name)?, Calling::codec());
        dispatch::call::<Codec, _>(codec, context, how, |codec, context, _plugin| {
            codec.encode(context, document)
        })
    }

    fn decode(
        &self,
        context: &Context<'_>,
        name: &str,
        bytes: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let (codec, how) = (self.codec(name)?, Calling::codec());
        dispatch::call::<Codec, _>(codec, context, how, |codec, context, _plugin| {
            codec.decode(context, bytes)
        })
    }

    fn encode_async<'a>(
        &'a self,
        context: Context<'a>,
        name: &'a str,
        document: Vec<u8>,
    ) -> CodecFuture<'a> {
        self.awaited(context, name, document, |codec, context, document| {
            codec.encode_async(context, document)
        })
    }

    fn decode_async<'a>(
        &'a self,
        context: Context<'a>,
        name: &'a str,
        bytes: Vec<u8>,
    ) -> CodecFuture<'a> {
        self.awaited(context, name, bytes, |codec, context, bytes| {
            codec.decode_async(context, bytes)
        })
    }
}
