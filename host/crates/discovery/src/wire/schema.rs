//! The schemas of types whose JSON is a text or a number, for the `OpenAPI` document.

use std::borrow::Cow;

use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::openapi::{RefOr, SchemaFormat};
use utoipa::{PartialSchema, ToSchema};

use super::check::Written;
use super::{CheckSpec, EndpointId, Host, Sequence, ServiceName};

macro_rules! scalar {
    ($type:ty, $name:literal, $kind:expr, $format:expr, $description:literal) => {
        impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                let format: Option<&str> = $format;
                let format = format.map(|it| SchemaFormat::Custom(it.to_owned()));
                let schema = ObjectBuilder::new().schema_type($kind).format(format);
                schema.description(Some($description)).into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                $name.into()
            }
        }
    };
}

scalar!(ServiceName, "ServiceName", Type::String, None, "A DNS label in lower case.");
scalar!(Host, "Host", Type::String, None, "A DNS name or an IP address.");
scalar!(EndpointId, "EndpointId", Type::String, Some("uuid"), "A UUID of version 7.");
scalar!(
    Sequence,
    "Sequence",
    Type::Integer,
    Some("int64"),
    "The number of a change; they rise by one in the whole directory."
);

impl PartialSchema for CheckSpec {
    fn schema() -> RefOr<Schema> {
        Written::schema()
    }
}

impl ToSchema for CheckSpec {
    fn name() -> Cow<'static, str> {
        "CheckSpec".into()
    }
}
