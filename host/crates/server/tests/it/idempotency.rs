//! `Idempotency-Key`, and the bounds of requests to the admin plane.

use plugbay_fixtures::Guest;

use super::support::{Answer, Serving, ask, host};

async fn post(serving: &Serving, path: &str, key: &str, body: &[u8]) -> Answer {
    ask(serving.admin(), "POST", path, &[("idempotency-key", key)], body.to_vec()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_sent_again_is_answered_and_not_acted_on() {
    let serving = host().plugin("a.wasm", &Guest::codec("a")).serve().await;
    serving.deploy("a.wasm", &Guest::codec("a").version("2.0.0"));
    while serving.reload().await.json()["generation"] != 2 {}
    let rollback = "/v1/generations/1/rollback";
    let first = post(&serving, rollback, "one", b"").await;
    assert_eq!((first.status, first.header("idempotency-replayed")), (200, None));
    assert_eq!(first.json()["generation"], 3);
    let again = post(&serving, rollback, "\"one\"", b"").await;
    assert_eq!((again.status, again.header("idempotency-replayed")), (200, Some("true")));
    assert_eq!(again.body, first.body);
    // It is a request of its own.
    assert_ne!(again.header("x-request-id"), first.header("x-request-id"));
    let other = post(&serving, "/v1/resume", "one", b"").await;
    assert_eq!((other.status, &*other.code()), (422, "key-reused"));
    let other = post(&serving, rollback, "one", b"x").await;
    assert_eq!((other.status, &*other.code()), (422, "key-reused"));
    assert_eq!(serving.admin_get("/v1/generations").await.json()["generation"], 3);
    assert_eq!(post(&serving, "/v1/resume", "two", b"").await.json()["generation"], 4);
    // A refusal is an answer, too.
    for replayed in [None, Some("true")] {
        let refused = post(&serving, "/v1/generations/99/rollback", "three", b"").await;
        assert_eq!((refused.status, refused.header("idempotency-replayed")), (404, replayed));
        assert_eq!(refused.code(), "unknown-generation");
    }
    assert_eq!(post(&serving, "/v1/resume", "a b", b"").await.status, 400);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_bodies_of_requests_to_the_admin_plane_are_bounded() {
    let serving = host().serve().await;
    let large = vec![b'x'; 100_000];
    for headers in [&[][..], &[("idempotency-key", "k")]] {
        let answer = ask(serving.admin(), "POST", "/v1/reload", headers, large.clone()).await;
        assert_eq!((answer.status, &*answer.code()), (413, "body-too-large"));
    }
    let small = ask(serving.admin(), "POST", "/v1/reload", &[], vec![b'x'; 1000]).await;
    assert_eq!(small.status, 200);
}
