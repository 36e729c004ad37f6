//! A directory that is asked.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{Method, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use plugbay_discovery::ProblemBody;
use serde::de::DeserializeOwned;
use tokio::time::timeout;

use crate::cli::failure::Failure;
use crate::cli::globals::Globals;
use crate::cli::remote::{Files, Remote};
use crate::cli::source;

const DEFAULT: &str = "http://127.0.0.1:7072";
/// The longest an answer may take; a watch is not bounded by it.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest answer, in bytes.
const MAX_ANSWER: usize = 64 << 20;

pub(super) struct Directory {
    remote: Remote,
}

impl Directory {
    pub(super) fn of(address: Option<&str>, globals: &Globals) -> Result<Self, Failure> {
        let args = &globals.remote;
        let files = Files {
            token: args.token_file.as_deref(),
            ca: args.ca.as_deref(),
            identity: args.identity.as_deref(),
        };
        let address = address.filter(|it| !it.is_empty()).unwrap_or(DEFAULT);
        Ok(Self { remote: Remote::at(address, files)? })
    }

    /// The body of a successful answer.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: impl Into<Bytes>,
    ) -> Result<Bytes, Failure> {
        let answer = timeout(TIMEOUT, async {
            let response = self.open(&method, path, &[], body.into()).await?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| self.failure(&error))?.to_bytes();
            Ok::<_, Failure>((status, body))
        });
        let late = |_| self.failure(&format!("no answer within {} s", TIMEOUT.as_secs()));
        let (status, body) = answer.await.map_err(late)??;
        if status.is_success() { Ok(body) } else { Err(self.refused(status, &body)) }
    }

    /// An answer as soon as it begins.
    pub(super) async fn open(
        &self,
        method: &Method,
        path: &str,
        headers: &[(&'static str, &str)],
        body: Bytes,
    ) -> Result<axum::http::Response<Incoming>, Failure> {
        let asked = source::request(&self.remote, method, path, headers, body).await;
        asked.map_err(|error| {
            let start = "say where it is (--directory URL), or start one: plugbay directory";
            self.failure(&error).hint(start)
        })
    }

    pub(super) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        let body = self.send(Method::GET, path, "").await?;
        serde_json::from_slice(&body).map_err(|error| self.failure(&error))
    }

    /// What a directory that refused says.
    pub(super) fn refused(&self, status: StatusCode, body: &[u8]) -> Failure {
        let Ok(problem) = serde_json::from_slice::<ProblemBody>(body) else {
            return Failure::new(format!(
                "the directory at {} answered with {status}",
                self.remote
            ));
        };
        let failure =
            Failure::new(format!("the directory at {} answered: {}", self.remote, problem.detail));
        match status {
            StatusCode::BAD_REQUEST => failure.caused_by_caller(),
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => failure.hint(
                "give a token: --token-file FILE, or PLUGBAY_TOKEN; \
                 `plugbay token new NAME --grants read:* --file FILE` makes one",
            ),
            _ => failure,
        }
    }

    pub(super) fn failure(&self, error: &impl std::fmt::Display) -> Failure {
        Failure::new(format!("cannot ask the directory at {}: {error}", self.remote))
    }
}
