//! `Idempotency-Key`: a request that is sent again is answered as before, and not acted on again.
//!
//! After the draft "The Idempotency-Key HTTP Header Field" of the IETF. A client that got no answer cannot know whether
//! its request was acted on. It sends the same request with the same key again, and gets the first answer. Keys belong
//! to a token. The answers are kept in memory, so that a restart forgets them.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, request};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};
use sha2::{Digest as _, Sha256};

use crate::access::Caller;
use crate::problem::Problem;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Whether an answer is one that was kept.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// The longest key, in bytes.
const MAX_KEY: usize = 255;
/// The largest body of a request, in bytes.
const MAX_BODY: usize = 64 << 10;
/// The largest answer that is kept.
const MAX_ANSWER: usize = 32 << 10;
/// The most answers that are kept.
const MAX_KEPT: usize = 512;
/// For how long an answer is kept.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// The requests with keys.
#[derive(Default)]
pub(crate) struct Idempotent(Mutex<Known>);

#[derive(Default)]
struct Known {
    requests: HashMap<Id, Seen>,
    /// The keys whose answers are kept, the oldest first.
    answered: VecDeque<(Instant, Id)>,
}

/// A key, and whose it is.
type Id = (Arc<str>, Arc<str>);

struct Seen {
    /// What the request was.
    digest: [u8; 32],
    /// `None` while it is acted on.
    answer: Option<Answer>,
}

#[derive(Clone)]
struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

/// What is done with a request.
enum Begun {
    /// It is new.
    New,
    /// It was answered.
    Answered(Answer),
}

impl Idempotent {
    fn begin(&self, id: &Id, digest: [u8; 32]) -> Result<Begun, Problem> {
        let mut known = self.lock();
        known.forget(|at, kept| kept > MAX_KEPT || at.elapsed() > KEPT_FOR);
        match known.requests.get(id) {
            Some(seen) if seen.digest != digest => {
                let detail = "expected the request that this Idempotency-Key was used for, found another one";
                Err(Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "key-reused", detail))
            }
            Some(Seen { answer: Some(answer), .. }) => Ok(Begun::Answered(answer.clone())),
            Some(Seen { answer: None, .. }) => {
                let detail = "the request with this Idempotency-Key is still acted on";
                Err(Problem::new(StatusCode::CONFLICT, "in-progress", detail))
            }
            None => {
                known.requests.insert(id.clone(), Seen { digest, answer: None });
                Ok(Begun::New)
            }
        }
    }

    /// Keeps an answer, or forgets the request.
    fn end(&self, id: Id, answer: Option<Answer>) {
        let mut known = self.lock();
        match (known.requests.get_mut(&id), answer) {
            (Some(seen), Some(answer)) => {
                seen.answer = Some(answer);
                known.answered.push_back((Instant::now(), id));
                known.forget(|_, kept| kept > MAX_KEPT);
            }
            _ => drop(known.requests.remove(&id)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    /// Forgets the oldest answers, as long as `old` says so of the oldest one and the number of all.
    fn forget(&mut self, old: impl Fn(Instant, usize) -> bool) {
        while let Some((at, id)) = self.answered.front()
            && old(*at, self.answered.len())
        {
            self.requests.remove(id);
            self.answered.pop_front();
        }
    }
}

/// Forgets a request that was not answered, if this is dropped.
struct Open {
    all: Arc<Idempotent>,
    id: Option<Id>,
}

impl Open {
    fn end(mut self, answer: Option<Answer>) {
        if let Some(id) = self.id.take() {
            self.all.end(id, answer);
        }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        if let Some(id) = self.id.take() {
            self.all.end(id, None);
        }
    }
}

/// Answers a request that changes something once for each key, and bounds its body.
pub(super) async fn once(
    State(all): State<Arc<Idempotent>>,
    request: Request,
    next: Next,
) -> Response {
    // The plane has no other method that changes something: what else is sent is refused further on.
    if *request.method() != Method::POST {
        return next.run(request).await;
    }
    act(all, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

async fn act(all: Arc<Idempotent>, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key(request.headers())?;
    let (head, body) = request.into_parts();
    let body = whole(body, MAX_BODY).await?;
    let Some(key) = key else {
        return Ok(next.run(Request::from_parts(head, body.into())).await);
    };
    let caller = head.extensions.get::<Caller>().map(|caller| Arc::clone(&caller.name));
    let id = (caller.unwrap_or_default(), key);
    if let Begun::Answered(Answer { status, headers, body }) =
        all.begin(&id, digest(&head, &body))?
    {
        let mut response = (status, headers, body).into_response();
        response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
        return Ok(response);
    }
    let open = Open { all, id: Some(id) };
    let request = Request::from_parts(head, body.into());
    // In a task of its own: if the client leaves, its next request gets the answer.
    let acting = tokio::spawn(async move {
        let response = next.run(request).await;
        let (head, body) = response.into_parts();
        let body = body.collect().await.map(http_body_util::Collected::to_bytes);
        let Ok(body) = body else { return failed().into_response() };
        // Of these nothing was done, and the next time it may be.
        let not_done = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS];
        let is_kept = !not_done.contains(&head.status) && body.len() <= MAX_ANSWER;
        let (status, headers) = (head.status, head.headers.clone());
        open.end(is_kept.then(|| Answer { status, headers, body: body.clone() }));
        Response::from_parts(head, Body::from(body))
    });
    Ok(acting.await.unwrap_or_else(|_panic| failed().into_response()))
}

fn failed() -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "the server failed")
}

/// The key of a request: a string of structured fields, or the same without quotes.
fn key(headers: &HeaderMap) -> Result<Option<Arc<str>>, Problem> {
    let mut values = headers.get_all(KEY).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = value.to_str().unwrap_or_default();
    let bare = text.strip_prefix('"').and_then(|it| it.strip_suffix('"')).unwrap_or(text);
    let plain = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
    let is_key = (1..=MAX_KEY).contains(&bare.len()) && bare.bytes().all(plain);
    if is_key && values.next().is_none() {
        return Ok(Some(bare.into()));
    }
    Err(Problem::bad_request(format!(
        "expected one header field idempotency-key of 1 to {MAX_KEY} visible ASCII characters, such as a UUID"
    )))
}

/// What a request is: its method, its target and its body.
fn digest(head: &request::Parts, body: &[u8]) -> [u8; 32] {
    let target = head.uri.path_and_query().map_or("", |it| it.as_str());
    let mut digest = Sha256::new();
    for part in [head.method.as_str(), target] {
        digest.update(part);
        // Neither a method nor a target has one.
        digest.update([0]);
    }
    digest.update(body);
    digest.finalize().into()
}

/// The whole body, if it is not larger than `most`.
async fn whole(body: Body, most: usize) -> Result<Bytes, Problem> {
    match Limited::new(body, most).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => {
            let detail = format!("expected a body of at most {most} bytes, found a larger one");
            let problem = Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body-too-large", detail);
            Err(problem.closing())
        }
        Err(_) => {
            Err(Problem::bad_request("expected the whole body, found its early end").closing())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(key: &str) -> Id {
        ("ada".into(), key.into())
    }

    fn answer() -> Answer {
        Answer { status: StatusCode::OK, headers: HeaderMap::new(), body: Bytes::new() }
    }

    fn status(begun: Result<Begun, Problem>) -> u16 {
        match begun {
            Ok(Begun::New) => 0,
            Ok(Begun::Answered(answer)) => answer.status.as_u16(),
            Err(problem) => problem.status().as_u16(),
        }
    }

    #[test]
    fn a_key_is_used_for_one_request() {
        let all = Idempotent::default();
        assert_eq!(status(all.begin(&id("a"), [1; 32])), 0);
        assert_eq!(status(all.begin(&id("a"), [1; 32])), 409, "in progress");
        assert_eq!(status(all.begin(&id("a"), [2; 32])), 422);
        all.end(id("a"), Some(answer()));
        assert_eq!(status(all.begin(&id("a"), [1; 32])), 200);
        assert_eq!(status(all.begin(&id("a"), [2; 32])), 422);
        assert_eq!(status(all.begin(&("bob".into(), "a".into()), [2; 32])), 0, "of another token");
        assert_eq!(status(all.begin(&id("b"), [1; 32])), 0);
        all.end(id("b"), None);
        assert_eq!(status(all.begin(&id("b"), [1; 32])), 0, "nothing was done");
    }

    #[test]
    fn the_oldest_answers_are_forgotten() {
        let all = Idempotent::default();
        for number in 0..MAX_KEPT + 10 {
            let id = id(&number.to_string());
            assert_eq!(status(all.begin(&id, [0; 32])), 0);
            all.end(id, Some(answer()));
        }
        assert_eq!(all.lock().requests.len(), MAX_KEPT);
        assert_eq!(status(all.begin(&id("9"), [0; 32])), 0);
        assert_eq!(status(all.begin(&id("10"), [0; 32])), 200);
        let mut known = all.lock();
        known.forget(|at, _| at.elapsed() >= Duration::ZERO);
        assert_eq!((known.requests.len(), known.answered.len()), (1, 0), "one is in progress");
    }

    #[test]
    fn keys_are_strings_with_or_without_quotes() {
        let read = |value: &str| {
            let headers = HeaderMap::from_iter([(KEY, HeaderValue::from_str(value).unwrap())]);
            key(&headers)
                .map(|key| key.map(|key| key.to_string()))
                .map_err(|it| it.status().as_u16())
        };
        for value in ["8e03978e-40d5-43dd", "\"8e03978e-40d5-43dd\""] {
            assert_eq!(read(value), Ok(Some("8e03978e-40d5-43dd".into())));
        }
        for bad in ["", "\"\"", "a b", "\"a", "a\"b", &"x".repeat(256)] {
            assert_eq!(read(bad), Err(400), "{bad}");
        }
        assert!(key(&HeaderMap::new()).unwrap().is_none());
    }
}
