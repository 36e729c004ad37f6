//! The host services for plugins: calls of other codecs in the generation that their call began
//! with.

use std::sync::Arc;

use plugbay_core::codec::{Codec, CodecFuture, Direction};
use plugbay_core::{CallError, CallErrorKind, CodecInfo, Context, Kind as _, Services};
use plugbay_document::Document;

use super::dispatch;
use super::leased::no_document;
use super::options::CallOptions;
use super::spans;
use crate::set::{Capability, Generation};

/// The services of one generation.
pub(crate) struct GenerationServices {
    generation: Arc<Generation>,
}

impl GenerationServices {
    pub(crate) fn of(generation: Arc<Generation>) -> Arc<dyn Services> {
        Arc::new(Self { generation })
    }

    /// A codec of the generation. Calling it needs no lease: the outermost call holds a lease of
    /// the whole generation, because its plugin imports `codecs`.
    fn codec(&self, name: &str) -> Result<&Capability, CallError> {
        let key = format!("{}:{name}", Codec::NAME);
        let found = self.generation.capability(Codec::NAME, &key);
        found
            .map(|(_, codec)| codec)
            .map_err(|missed| CallError::new(CallErrorKind::Unsupported, missed.to_string()))
    }

    fn call(
        &self,
        context: &Context<'_>,
        name: &str,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let (codec, options) = (self.codec(name)?, CallOptions::codec());
        dispatch::call::<Codec, _>(codec, context, options, |codec, context, plugin| {
            let answer = codec.convert(context, direction, input)?;
            strict(answer, direction, name).map_err(|error| error.of(plugin))
        })
    }

    /// `input` is copied only if several providers may be called.
    async fn call_async(
        &self,
        context: Context<'_>,
        name: &str,
        direction: Direction,
        mut input: Vec<u8>,
    ) -> Result<Vec<u8>, CallError> {
        let codec = self.codec(name)?;
        let called_once = codec.balancing.is_none();
        let (options, no_fault) = (CallOptions::codec(), |_: &Vec<u8>| None);
        dispatch::call_async::<Codec, _>(
            codec,
            context,
            options,
            no_fault,
            &mut |codec, context| {
                let input = if called_once { std::mem::take(&mut input) } else { input.clone() };
                let (answer, name) =
                    (codec.convert_async(context, direction, input), name.to_owned());
                Box::pin(async move { strict(answer.await?, direction, &name) })
            },
        )
        .await
    }
}

impl Services for GenerationServices {
    fn codecs(&self) -> Vec<CodecInfo> {
        let capabilities = self.generation.capabilities.iter();
        let codecs = capabilities.filter(|(_, it)| it.key.kind == Codec::NAME);
        codecs
            .map(|(_, codec)| CodecInfo {
                name: codec.key.name.clone(),
                media_types: codec.first.described().media_types.clone(),
            })
            .collect()
    }

    fn convert(
        &self,
        context: &Context<'_>,
        name: &str,
        direction: Direction,
        input: &[u8],
    ) -> Result<Vec<u8>, CallError> {
        let span = context.recorded().and_then(|it| spans::of_host_call(it, direction, name));
        let Some(span) = span else { return self.call(context, name, direction, input) };
        let correlation = Arc::clone(span.correlation());
        let answer = self.call(&context.correlated(&correlation), name, direction, input);
        spans::end(span, &answer);
        answer
    }

    fn convert_async<'a>(
        &'a self,
        context: Context<'a>,
        name: &'a str,
        direction: Direction,
        input: Vec<u8>,
    ) -> CodecFuture<'a> {
        Box::pin(async move {
            let span = context.recorded().and_then(|it| spans::of_host_call(it, direction, name));
            let Some(span) = span else {
                return self.call_async(context, name, direction, input).await;
            };
            let correlation = Arc::clone(span.correlation());
            let context = context.correlated(&correlation);
            let answer = self.call_async(context, name, direction, input).await;
            spans::end(span, &answer);
            answer
        })
    }
}

/// A document that a codec answers is checked before another plugin gets it, as it is before a
/// caller does.
fn strict(answer: Vec<u8>, direction: Direction, codec: &str) -> Result<Vec<u8>, CallError> {
    if direction == Direction::Decode {
        Document::check(&answer).map_err(|error| no_document(codec, &error))?;
    }
    Ok(answer)
}
