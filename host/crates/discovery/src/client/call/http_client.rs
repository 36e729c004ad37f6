//! Calls of services by reqwest.

use reqwest::{Method, Request, RequestBuilder, Response, Url};

use super::named::named_by;
use super::run::repeat;
use super::{CallError, Outcome};
use crate::client::Client;
use crate::client::balance::Member;

/// A reqwest client that calls services by their names: `http://SERVICE/path`. The module's page says how
/// often, and to which endpoint.
///
/// ```no_run
/// use plugbay_discovery::client::{Client, HttpClient};
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let directory = Client::builder().directory("http://127.0.0.1:8500").build().await?;
/// let http = HttpClient::new(directory, reqwest::Client::new());
///
/// let recent = http.get("http://orders/recent").await?.text().await?;
/// let order = http.post("http://orders/").body("2 tea").header("idempotency-key", "17");
/// let response = http.send(order).await?;
/// # drop((recent, response));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client,
    http: reqwest::Client,
}

impl HttpClient {
    /// Requests go through `http`, with all that is set there (such as time-outs and certificates). It
    /// should not follow redirects to addresses that only endpoints know.
    #[must_use]
    pub fn new(client: Client, http: reqwest::Client) -> Self {
        Self { client, http }
    }

    /// Begins a request, for [`send`](Self::send).
    pub fn request(&self, method: Method, url: &str) -> RequestBuilder {
        self.http.request(method, url)
    }

    /// Begins a POST request, for [`send`](Self::send).
    pub fn post(&self, url: &str) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Sends a GET request.
    ///
    /// # Errors
    ///
    /// [`CallError`] if there was no response.
    pub async fn get(&self, url: &str) -> Result<Response, CallError> {
        self.send(self.request(Method::GET, url)).await
    }

    /// Sends a request. A body that is a stream is sent once.
    ///
    /// # Errors
    ///
    /// [`CallError`] if there was no response.
    pub async fn send(&self, request: RequestBuilder) -> Result<Response, CallError> {
        let invalid = |error: reqwest::Error| CallError::Url {
            found: error.url().map(Url::to_string).unwrap_or_default(),
            problem: error.to_string(),
        };
        self.execute(request.build().map_err(invalid)?).await
    }

    /// Sends a request. A body that is a stream is sent once.
    ///
    /// # Errors
    ///
    /// [`CallError`] if there was no response.
    pub async fn execute(&self, request: Request) -> Result<Response, CallError> {
        let service =
            self.client.service(&named_by(request.url(), Some(request.url().authority()))?);
        service.wait_known().await?;
        let caller = service.caller();
        let rules = caller.rules();
        let repeat = repeat(request.method(), request.headers(), rules);
        let key = rules.hash_header.as_ref();
        let key = key.and_then(|name| request.headers().get(name)).cloned();
        let mut next = Some(request);
        let send = |member: &Member| {
            let mut request = next.take()?;
            next = request.try_clone();
            let addressed = address(request.url_mut(), member);
            let http = &self.http;
            Some(async move {
                addressed?;
                Ok(http.execute(request).await?)
            })
        };
        let outcome = |response: &Response| Outcome::of_status(response.status());
        caller
            .call(key.as_ref().map(reqwest::header::HeaderValue::as_bytes), repeat, send, outcome)
            .await
    }
}

/// Puts the address of an endpoint into the URL.
fn address(url: &mut Url, member: &Member) -> Result<(), super::error::BoxError> {
    let endpoint = member.endpoint();
    let authority = member.authority();
    let host = authority.rsplit_once(':').map_or(&**authority, |(host, _)| host);
    url.set_host(Some(host))?;
    url.set_port(Some(endpoint.port.get())).map_err(|()| format!("{url} cannot have a port").into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::testing::member_at;

    #[test]
    fn the_endpoint_replaces_the_service_in_the_url() {
        let address = |url: &str, host| {
            let mut url: Url = url.parse().unwrap();
            address(&mut url, &member_at(host, 81)).unwrap();
            url.to_string()
        };
        assert_eq!(address("http://orders/a?b=c", "10.0.0.1"), "http://10.0.0.1:81/a?b=c");
        assert_eq!(address("https://orders", "::1"), "https://[::1]:81/");
        assert_eq!(address("http://orders/", "host.example"), "http://host.example:81/");
    }
}
