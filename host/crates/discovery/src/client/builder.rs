//! How a client is set up.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use tokio_rustls::rustls::ClientConfig;

use super::Client;
use super::bootstrap::{Bootstrap, BootstrapError};
use super::call::Backoff;
use super::remote::{Connect, Http, Remote, Tcp};
use super::settings::{ServiceRules, WatchSettings};
use crate::ServiceName;

/// How a client is set up. [`Client::builder`] makes one.
#[derive(Clone, Debug)]
#[must_use]
pub struct ClientBuilder {
    bootstrap: Bootstrap,
    authorization: Option<HeaderValue>,
    is_token_invalid: bool,
    tls: Option<Arc<ClientConfig>>,
    connect: Arc<dyn Connect>,
    rules: ServiceRules,
    rules_by_service: HashMap<ServiceName, ServiceRules>,
    watch: WatchSettings,
    timeout: Duration,
    takes_over: bool,
    seed: Option<u64>,
}

impl Default for ClientBuilder {
    fn default() -> Self {
        Self {
            bootstrap: Bootstrap::default(),
            authorization: None,
            is_token_invalid: false,
            tls: None,
            connect: Arc::new(Tcp),
            rules: ServiceRules::default(),
            rules_by_service: HashMap::new(),
            watch: WatchSettings {
                backoff: Backoff { base: Duration::from_millis(200), max: Duration::from_secs(10) },
                silence: Duration::from_secs(60),
                max_stale: Duration::from_secs(300),
                first_wait: Duration::from_secs(5),
            },
            timeout: Duration::from_secs(5),
            takes_over: false,
            seed: None,
        }
    }
}

impl Client {
    /// Sets a client up.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }
}

impl ClientBuilder {
    /// The directory's addresses: URLs, or `host:port`, with commas between them. The same as
    /// [`Bootstrap::explicit`].
    pub fn directory(mut self, addresses: &str) -> Self {
        self.bootstrap = self.bootstrap.explicit(addresses);
        self
    }

    /// How to find the directory, instead of all that was set before.
    pub fn bootstrap(mut self, bootstrap: Bootstrap) -> Self {
        self.bootstrap = bootstrap;
        self
    }

    /// The token for the directory.
    pub fn token(mut self, token: &str) -> Self {
        let header = HeaderValue::try_from(format!("Bearer {token}")).map(|mut header| {
            header.set_sensitive(true);
            header
        });
        self.is_token_invalid = header.is_err();
        self.authorization = header.ok();
        self
    }

    /// How to encrypt connections to addresses that begin with `https`.
    pub fn tls(mut self, tls: Arc<ClientConfig>) -> Self {
        self.tls = Some(tls);
        self
    }

    /// How to connect to the directory, instead of by TCP.
    pub fn connect(mut self, connect: impl Connect) -> Self {
        self.connect = Arc::new(connect);
        self
    }

    /// How services are called, if nothing else is said of them.
    pub fn rules(mut self, rules: ServiceRules) -> Self {
        self.rules = rules;
        self
    }

    /// How one service is called.
    pub fn rules_for(mut self, service: ServiceName, rules: ServiceRules) -> Self {
        self.rules_by_service.insert(service, rules);
        self
    }

    /// How old what is known of a service may become while the directory cannot be asked. Default 5 min.
    pub fn max_stale(mut self, age: Duration) -> Self {
        self.watch.max_stale = age;
        self
    }

    /// How long a call waits for the first word about a service. Default 5 s.
    pub fn first_wait(mut self, wait: Duration) -> Self {
        self.watch.first_wait = wait;
        self
    }

    /// After which silence a watch counts as broken. A directory sends comments in between, so this must be
    /// longer than its keep-alive. Default 60 s.
    pub fn silence(mut self, silence: Duration) -> Self {
        self.watch.silence = silence;
        self
    }

    /// The waits before a broken watch is opened again, and before a heartbeat that failed is repeated.
    /// Default up to 200 ms, 400 ms and so on up to 10 s.
    pub fn backoff(mut self, backoff: Backoff) -> Self {
        self.watch.backoff = backoff;
        self
    }

    /// How long an answer of the directory may take. Default 5 s.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Lets an endpoint take over the registration that has its host and port already, instead of waiting
    /// until that one's lease runs out. This is right for a process that listens at the addresses that it
    /// registers: the other registration is then that of a process that it replaces, or of its own life
    /// before a crash. A directory with tokens allows it only to the token that registered the other one.
    pub fn take_over_addresses(mut self) -> Self {
        self.takes_over = true;
        self
    }

    /// Determines all that the client does by chance. By default, chance does.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The client. It looks for the directory's addresses once, so that a mistake in them is found now. The
    /// directory itself need not run yet.
    ///
    /// # Errors
    ///
    /// [`BootstrapError`] if no address is set, or something else than an address; not if the DNS does not
    /// answer.
    pub async fn build(self) -> Result<Client, BootstrapError> {
        if self.is_token_invalid {
            return Err(BootstrapError::Token);
        }
        match self.bootstrap.find().await {
            Ok(_) | Err(BootstrapError::Dns { .. }) => {}
            Err(error) => return Err(error),
        }
        let http = Http::new(self.connect, self.tls, self.authorization, self.timeout);
        let remote = Remote::new(self.bootstrap, http);
        let seed = self.seed.unwrap_or_else(|| fastrand::u64(..));
        let rules = (self.rules, self.rules_by_service);
        Ok(Client::new(remote, rules, self.watch, self.takes_over, seed))
    }
}
