use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{env, fs};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use http_body_util::BodyExt as _;
use plugbay::Host;
use serde_json::Value;
use tower::ServiceExt as _;

use super::*;
use crate::admin::router::description as text;
use crate::admin::{AdminPlane, ui};

fn document() -> Value {
    serde_json::from_str(&text()).unwrap()
}

/// The path and the method of each operation.
fn operations() -> Vec<(String, Method, Value)> {
    let document = document();
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let methods = item.as_object().unwrap();
        methods.iter().map(move |(method, operation)| {
            (path.clone(), method.to_uppercase().parse().unwrap(), operation.clone())
        })
    });
    operations.collect()
}

#[test]
fn the_checked_in_document_is_that_of_the_code() {
    let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../docs/openapi.json"));
    if env::var_os("PLUGBAY_BLESS").is_some() {
        fs::write(path, text()).unwrap();
    }
    let checked_in = fs::read_to_string(path).unwrap_or_default();
    assert!(
        checked_in == text(),
        "expected docs/openapi.json as the code describes it, found another text; \
         PLUGBAY_BLESS=1 writes it"
    );
}

/// The paths of a router, as its `Debug` shows them: axum has no other way to list them.
fn paths_of(router: &axum::Router) -> BTreeSet<String> {
    let shown = format!("{router:?}");
    let quoted = shown.split('"').skip(1).step_by(2);
    quoted.filter(|text| text.starts_with('/')).map(str::to_owned).collect()
}

#[tokio::test]
async fn every_route_is_in_the_document_and_every_operation_is_served() {
    let mut config = plugbay::Config::default();
    config.host.linked = false;
    config.host.cache = PathBuf::default();
    let host = Host::builder().config(config).watch(false).build().await.unwrap();
    let router = AdminPlane::new(&host).router();
    let files = paths_of(&ui::router::<()>());
    assert!(files.contains("/ui/{*path}"), "{files:?}");
    let served: BTreeSet<_> = paths_of(&router).difference(&files).cloned().collect();
    let described: BTreeSet<_> = operations().into_iter().map(|(path, ..)| path).collect();
    assert_eq!(served, described);
    for (path, method, _) in operations() {
        // A path that the document does not have in full; `Allow` lists the methods of this one.
        let target = path.replace("{name}", "x").replace("{number}", "1");
        let request = Request::builder().method("OPTIONS").uri(target).header("host", "localhost");
        let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_eq!(response.status(), StatusCode::NO_CONTENT, "{path}");
        let allow = response.headers()["allow"].to_str().unwrap();
        let allowed = allow.split(", ").filter(|it| !["HEAD", "OPTIONS"].contains(it));
        assert_eq!(allowed.collect::<Vec<_>>(), [method.as_str()], "{path}");
    }
}

#[test]
fn every_operation_says_who_may_ask_and_what_it_answers() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations() {
        let of = format!("{method} {path}");
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id.to_owned()), "{of}: the id {id} is taken");
        assert!(!operation["summary"].as_str().unwrap_or_default().is_empty(), "{of}");
        let role = &operation["security"][0]["bearer"][0];
        match (&*path, method) {
            ("/livez" | "/readyz", _) => assert!(role.is_null(), "{of}"),
            ("/debug/pprof/profile", _) | (_, Method::POST) => assert_eq!(role, "operator", "{of}"),
            _ => assert_eq!(role, "viewer", "{of}"),
        }
        let responses = operation["responses"].as_object().unwrap();
        assert!(responses.keys().any(|status| status == "200"), "{of}");
        for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
            let problem = &response["content"]["application/problem+json"];
            for (code, example) in problem["examples"].as_object().into_iter().flatten() {
                assert_eq!(example["$ref"], format!("#/components/examples/{code}"), "{of}");
                let value = &document["components"]["examples"][code]["value"];
                assert_eq!(value["status"].to_string(), *status, "{of}: {code}");
                assert_eq!(value["code"], **code, "{of}");
            }
            assert!(response["content"].is_object(), "{of}: {status}");
        }
    }
    // What a reference names is there.
    let text = text();
    let names = text.split("\"#/components/schemas/").skip(1);
    for name in names.map(|rest| rest.split('"').next().unwrap()) {
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
}

#[tokio::test]
async fn the_document_is_served() {
    let response = super::document(Extension(Document(|| text().into()))).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, text());
}
