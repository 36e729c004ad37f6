//! Handles of the built-in kinds.

use plugbay_core::codec::Codec;
use plugbay_core::handler::{Handler, Request, Response};
use plugbay_document::Document;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;
use super::handle::Handle;
use super::leased::checked;
use super::options::CallOptions;

/// A codec: any `serde` value to the format's bytes and back, whatever the plugin is
/// written in.
///
/// ```
/// use plugbay::Host;
/// # use plugbay::Config;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut config = Config::default();
/// # config.host.linked = false;
/// # config.host.cache = Default::default();
/// # let echo = plugbay_fixtures::Guest::codec("echo").build();
/// # let builder = Host::builder().config(config).watch(false).artifact("echo", echo);
/// # let host = builder.build().await?;
/// let echo = host.codec("echo")?;
/// let bytes = echo.encode(&[1, 2, 3])?;
/// assert_eq!(echo.decode::<Vec<u8>>(&bytes)?, [1, 2, 3]);
///
/// // The same without blocking the task's thread.
/// assert_eq!(echo.encode_async(&[1, 2, 3]).await?, bytes);
/// assert_eq!(echo.decode_async::<Vec<u8>>(bytes).await?, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct CodecHandle(pub(crate) Handle<Codec>);

impl CodecHandle {
    /// The codec's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Writes a value in the codec's format.
    ///
    /// # Errors
    ///
    /// If the value does not serialise, or the codec gives no answer; see
    /// [`CallErrorKind`](crate::CallErrorKind).
    pub fn encode(&self, value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, Error> {
        let document =
            Document::from_value(value).map_err(|error| Error::Serialize(Box::new(error)))?;
        self.encode_document(document.as_cbor())
    }

    /// Reads a value from the codec's format.
    ///
    /// # Errors
    /// If the codec gives no answer, or its document cannot be read as a `T`.
    pub fn decode<T: DeserializeOwned>(&self, bytes: &[u8]) -> Result<T, Error> {
        let document = self.decode_document(bytes)?;
        document.to_value().map_err(|error| Error::Deserialize(Box::new(error)))
    }

    /// As [`CodecHandle::encode`], without blocking a thread while the plugin works or waits.
    ///
    /// # Errors
    ///
    /// As [`CodecHandle::encode`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on this value; no other call notices.
    pub async fn encode_async(&self, value: &(impl Serialize + ?Sized)) -> Result<Vec<u8>, Error> {
        let document =
            Document::from_value(value).map_err(|error| Error::Serialize(Box::new(error)))?;
        let lease = self.0.lease()?;
        lease.encode_document_async(CallOptions::codec(), document.into_cbor()).await
    }

    /// As [`CodecHandle::decode`], without blocking a thread while the plugin works or waits.
    ///
    /// # Errors
    ///
    /// As [`CodecHandle::decode`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on these bytes; no other call notices.
    pub async fn decode_async<T: DeserializeOwned>(&self, bytes: Vec<u8>) -> Result<T, Error> {
        let document = self.0.lease()?.decode_document_async(CallOptions::codec(), bytes).await?;
        document.to_value().map_err(|error| Error::Deserialize(Box::new(error)))
    }

    /// Writes a document that is CBOR already: one item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer.
    pub fn encode_document(&self, document: &[u8]) -> Result<Vec<u8>, Error> {
        self.0.call(CallOptions::codec(), |codec, context| codec.encode(context, document))
    }

    /// Reads a document, checked to be one CBOR item.
    ///
    /// # Errors
    ///
    /// If the codec gives no answer, or one that is no document.
    pub fn decode_document(&self, bytes: &[u8]) -> Result<Document, Error> {
        self.0.call_named(CallOptions::codec(), |codec, context, plugin| {
            checked(codec.decode(context, bytes)?, self.name()).map_err(|error| error.of(plugin))
        })
    }
}

/// A handler of HTTP requests.
///
/// ```
/// use plugbay::{Host, Request};
/// # use plugbay::Config;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let mut config = Config::default();
/// # config.host.linked = false;
/// # config.host.cache = Default::default();
/// # let mirror = plugbay_fixtures::Guest::handler("mirror").build();
/// # let builder = Host::builder().config(config).watch(false).artifact("mirror", mirror);
/// # let host = builder.build().await?;
/// let mirror = host.handler("mirror")?;
/// let request = Request { method: "POST".into(), body: b"hi".to_vec(), ..Request::default() };
/// let response = mirror.handle(request).await?;
/// assert_eq!((response.status, response.body.as_slice()), (200, b"hi".as_slice()));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HandlerHandle(pub(crate) Handle<Handler>);

impl HandlerHandle {
    /// The handler's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.name()
    }

    /// Answers one request on the plugin version that runs now.
    ///
    /// # Errors
    ///
    /// If the running generation does not hold the handler, or it gives no answer.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future stops the plugin's work on this request; no other call notices.
    pub async fn handle(&self, request: Request) -> Result<Response, Error> {
        Ok(self.0.lease()?.handle(CallOptions::default(), request).await?)
    }
}
