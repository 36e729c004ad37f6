//! The description of the API is that of what is served.

use std::collections::BTreeMap;

use axum::http::Method;
use serde_json::{Value, json};

use crate::served::Served;

/// The operations, by path and method.
fn operations(document: &Value) -> BTreeMap<(String, String), Value> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter().map(move |(method, it)| ((path.clone(), method.to_uppercase()), it.clone()))
    });
    operations.collect()
}

#[tokio::test]
async fn every_described_operation_is_served_and_answers_as_described() {
    let it = Served::new().await;
    let document = it.client.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    let operations = operations(&document);
    assert_eq!(operations.len(), 10);
    it.api.stopped.cancel();
    for ((path, method), operation) in operations {
        let id = it.client.post("/services", &json!({"name": "web", "host": "h", "port": 1})).await;
        let id = id.json()["id"].as_str().unwrap().to_owned();
        let path = path.replace("{name}", "web").replace("{id}", &id);
        let method: Method = method.parse().unwrap();
        let body = if path == "/heartbeats" { r#"{"heartbeats":[]}"# } else { "" };
        let answer = it.client.send(method.clone(), &path, &[], body).await;
        let described = operation["responses"].as_object().unwrap();
        let status = answer.status.as_u16().to_string();
        assert!(described.contains_key(&status), "{method} {path}: {answer:?}");
        let refused = method == Method::POST;
        assert_eq!(answer.status.is_success(), !refused, "{method} {path}: {answer:?}");
        it.client.delete(&format!("/services/web/{id}")).await;
    }
}

#[tokio::test]
async fn an_endpoint_has_the_fields_of_its_schema() {
    let it = Served::new().await;
    let body = json!({"name": "web", "host": "h", "port": 1, "check": {"tcp": true, "deregister_after": 60}});
    let id = it.client.register(&body).await;
    let document = it.client.get("/openapi.json").await.json();
    let schemas = &document["components"]["schemas"];
    for (path, name) in [
        (format!("/services/web/{id}"), "Endpoint"),
        (format!("/services/web/{id}/health"), "Health"),
    ] {
        let found = it.client.get(&path).await.json();
        let properties = schemas[name]["properties"].as_object().unwrap();
        for field in found.as_object().unwrap().keys() {
            assert!(properties.contains_key(field), "{name}.{field}");
        }
        for field in schemas[name]["required"].as_array().unwrap() {
            assert!(found.get(field.as_str().unwrap()).is_some(), "{name}.{field}");
        }
    }
    let check = it.client.get(&format!("/services/web/{id}")).await.json()["check"].clone();
    let properties = schemas["CheckSpec"]["properties"].as_object().unwrap();
    for field in check.as_object().unwrap().keys() {
        assert!(properties.contains_key(field), "CheckSpec.{field}");
    }
}
