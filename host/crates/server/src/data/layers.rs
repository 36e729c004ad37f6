//! What may be done to an answer once it is there: fields for pages of other origins, and compression. Only for
//! routes and planes that are configured for it: a plain answer does not come here.

use std::convert::Infallible;
use std::future::ready;
use std::pin::Pin;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, Request, header};
use http_body_util::{Either, Full};
use plugbay::config::CorsSettings;
use tower::{Layer, Service, ServiceExt as _, service_fn};
use tower_http::compression::predicate::{NotForContentType, Predicate as _, SizeAbove};
use tower_http::compression::{CompressionBody, CompressionLayer};
use tower_http::cors::{AllowHeaders, AllowMethods, AllowOrigin, CorsLayer, ExposeHeaders};

use super::context::Context;
use crate::problem::Response;

/// The body of an answer: as it is, or compressed while it is written.
pub(crate) type Body = Either<Full<Bytes>, Pin<Box<CompressionBody<Full<Bytes>>>>>;

/// The fields of requests that layers read.
const READ: [header::HeaderName; 4] = [
    header::ACCEPT_ENCODING,
    header::ORIGIN,
    header::ACCESS_CONTROL_REQUEST_METHOD,
    header::ACCESS_CONTROL_REQUEST_HEADERS,
];

/// The smallest answer that is compressed, in bytes: a smaller one fits into a packet.
const MIN_COMPRESSED: u64 = 1024;

/// A request as far as layers read it.
pub(super) fn head(method: &Method, headers: &HeaderMap) -> Request<()> {
    let mut head = Request::new(());
    head.method_mut().clone_from(method);
    for name in READ {
        for value in headers.get_all(&name) {
            head.headers_mut().append(name.clone(), value.clone());
        }
    }
    head
}

/// Does to an answer what its route and the plane are configured for.
pub(super) async fn around(
    context: &Context,
    head: Request<()>,
    response: Response,
) -> axum::http::Response<Body> {
    let settings = context.options.as_ref().and_then(|it| it.cors.as_ref());
    let response = match settings {
        Some(settings) => cors(settings, head.clone(), response).await,
        None => response,
    };
    if context.snapshot.config().server.compression {
        compressed(head, response).await
    } else {
        response.map(Either::Left)
    }
}

/// Adds the fields that let a page of another origin read the answer, or answers a preflight.
async fn cors(settings: &CorsSettings, head: Request<()>, response: Response) -> Response {
    // The layer takes every OPTIONS for a preflight, and answers it.
    let is_preflight = head.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    let is_refused = response.status().is_client_error() || response.status().is_server_error();
    if head.method() == Method::OPTIONS && (!is_preflight || is_refused) {
        return response;
    }
    let status = response.status();
    let mut response = Some(response);
    let answer = service_fn(move |_: Request<()>| {
        ready(Ok::<_, Infallible>(response.take().unwrap_or_default()))
    });
    let mut answer = done(cors_layer(settings).layer(answer), head).await;
    *answer.status_mut() = status;
    answer
}

/// Compresses an answer, if the client accepts that and it is worth it.
async fn compressed(head: Request<()>, response: Response) -> axum::http::Response<Body> {
    let no_transform = |headers: &HeaderMap| {
        let values = headers.get_all(header::CACHE_CONTROL).iter();
        values.filter_map(|value| value.to_str().ok()).any(|it| it.contains("no-transform"))
    };
    if no_transform(response.headers()) {
        return response.map(Either::Left);
    }
    let worth_it = SizeAbove::new(MIN_COMPRESSED)
        .and(NotForContentType::IMAGES)
        .and(NotForContentType::GRPC)
        .and(NotForContentType::SSE);
    let was_coded = response.headers().contains_key(header::CONTENT_ENCODING);
    let mut response = Some(response);
    let answer = service_fn(move |_: Request<()>| {
        ready(Ok::<_, Infallible>(response.take().unwrap_or_default()))
    });
    let layer = CompressionLayer::new().compress_when(worth_it);
    let mut response = done(layer.layer(answer), head).await;
    if !was_coded && response.headers().contains_key(header::CONTENT_ENCODING) {
        weaken(response.headers_mut());
    }
    response.map(|body| Either::Right(Box::pin(body)))
}

/// The compressed answer is not the same bytes as the other (RFC 9110, section 8.8.1).
fn weaken(headers: &mut HeaderMap) {
    let Some(tag) = headers.get(header::ETAG).filter(|it| it.as_bytes().starts_with(b"\"")) else {
        return;
    };
    if let Ok(weak) = HeaderValue::from_bytes(&[b"W/", tag.as_bytes()].concat()) {
        headers.insert(header::ETAG, weak);
    }
}

async fn done<S, A>(service: S, head: Request<()>) -> A
where
    S: Service<Request<()>, Response = A, Error = Infallible>,
{
    match service.oneshot(head).await {
        Ok(answer) => answer,
        Err(never) => match never {},
    }
}

fn cors_layer(settings: &CorsSettings) -> CorsLayer {
    let CorsSettings { origins, methods, headers, expose, credentials, max_age, .. } = settings;
    let is_any = CorsSettings::is_any;
    let origin = if is_any(origins) {
        AllowOrigin::any()
    } else {
        AllowOrigin::list(parsed::<HeaderValue>(origins))
    };
    let methods =
        if is_any(methods) { AllowMethods::any() } else { AllowMethods::list(parsed(methods)) };
    let headers =
        if is_any(headers) { AllowHeaders::any() } else { AllowHeaders::list(parsed(headers)) };
    let expose =
        if is_any(expose) { ExposeHeaders::any() } else { ExposeHeaders::list(parsed(expose)) };
    CorsLayer::new()
        .allow_origin(origin)
        .allow_methods(methods)
        .allow_headers(headers)
        .expose_headers(expose)
        .allow_credentials(*credentials)
        .max_age(*max_age)
}

/// The configuration was checked, so that each is valid.
fn parsed<T: std::str::FromStr>(texts: &[String]) -> Vec<T> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}
