//! What the layers around the handlers add to the description of each operation: who may ask, and which requests are
//! refused before a handler sees them.

use axum::http::Method;
use utoipa::ToSchema as _;
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::AnyOfBuilder;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme};
use utoipa::openapi::{
    Components, HeaderBuilder, ObjectBuilder, OpenApi, RefOr, Required, Response, Schema, Type,
};

use super::problems::{add, examples};
use crate::admin::actions::{Changed, Unfinished};
use crate::admin::authenticate::needed;
use crate::admin::probes::Ready;

const BEARER: &str = "bearer";
/// The path that `admin.metrics` may open.
const METRICS: &str = "/metrics";

/// Describes the layers around the routes that need a token.
pub(super) fn guarded(api: &mut OpenApi) {
    for (path, item) in &mut api.paths.paths {
        for (method, operation) in [(Method::GET, &mut item.get), (Method::POST, &mut item.post)] {
            let Some(operation) = operation else { continue };
            let role = needed(&method, path).to_string();
            let mut ways = vec![SecurityRequirement::new(BEARER, [role])];
            if path == METRICS {
                ways.push(SecurityRequirement::default());
            }
            operation.security = Some(ways);
            add(operation, &["unauthenticated", "role", "rate-limited", "starting"]);
            if method == Method::POST {
                add(
                    operation,
                    &["bad-request", "in-progress", "key-reused", "body-too-large", "audit"],
                );
                repeatable(operation);
            }
        }
    }
}

/// Describes `Idempotency-Key`.
fn repeatable(operation: &mut Operation) {
    let key = ObjectBuilder::new().schema_type(Type::String).pattern(Some(r"^[!#-\[\]-~]{1,255}$"));
    let key = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .required(Required::False)
        .description(Some(
            "Names the request, so that it may be sent again: it is answered as before, and acted on once.",
        ))
        .schema(Some(key));
    operation.parameters.get_or_insert_default().push(RefOr::T(key.build()));
    let replayed = ObjectBuilder::new().schema_type(Type::Boolean);
    let replayed = HeaderBuilder::new()
        .description(Some("Whether the answer is one that was given before."))
        .schema(Some(replayed))
        .build();
    for response in answers(operation) {
        response.headers.insert("Idempotency-Replayed".to_owned(), RefOr::T(replayed.clone()));
    }
}

/// Describes the layers around all routes.
pub(super) fn all(api: &mut OpenApi) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(
        "A token that `plugbay token new NAME --role viewer` makes, if the plane has tokens. Its role is `viewer` or `operator`; an operator may do \
         what a viewer may.",
    ));
    let components = api.components.get_or_insert_default();
    components.examples.extend(examples());
    // A reader takes the first form that fits; another one may fit as well.
    for name in [Changed::name(), Unfinished::name(), Ready::name()] {
        any_of(components, &name);
    }
    components
        .security_schemes
        .insert(BEARER.to_owned(), RefOr::T(SecurityScheme::Http(bearer.build())));
    let text = ObjectBuilder::new().schema_type(Type::String);
    let id = HeaderBuilder::new()
        .description(Some(
            "The id of the request in the log: the one that the client sent, or a new one.",
        ))
        .schema(Some(text))
        .build();
    for item in api.paths.paths.values_mut() {
        for operation in [&mut item.get, &mut item.post].into_iter().flatten() {
            add(operation, &["bad-request", "forbidden", "misdirected", "internal"]);
            for response in answers(operation) {
                response.headers.insert("X-Request-Id".to_owned(), RefOr::T(id.clone()));
            }
        }
    }
}

/// Lets an answer have several of its forms at the same time: one may have all fields of another one.
fn any_of(components: &mut Components, name: &str) {
    let Some(RefOr::T(schema)) = components.schemas.get_mut(name) else { return };
    if let Schema::OneOf(one) = schema {
        let any = AnyOfBuilder::new().description(one.description.take());
        let any = one.items.drain(..).fold(any, AnyOfBuilder::item);
        *schema = Schema::AnyOf(any.build());
    }
}

fn answers(operation: &mut Operation) -> impl Iterator<Item = &mut Response> {
    operation.responses.responses.values_mut().filter_map(|response| match response {
        RefOr::T(response) => Some(response),
        RefOr::Ref(_) => None,
    })
}
