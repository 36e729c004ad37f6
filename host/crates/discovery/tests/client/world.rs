//! A directory that can be stopped, and what tests need beside it.

use std::net::SocketAddr;
use std::num::NonZeroU16;
use std::time::{Duration, Instant};

use plugbay_discovery::client::{Backoff, Client, ClientBuilder, Service};
use plugbay_discovery::{
    ApiSettings, LiveDirectory, LiveSettings, Query, Registration, ServiceName, router,
};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;

/// A directory over HTTP.
pub(crate) struct Directory {
    address: SocketAddr,
    live: LiveDirectory,
    /// Of its own, so that all connections end with it.
    runtime: Option<Runtime>,
}

impl Directory {
    pub(crate) async fn start() -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap()).await
    }

    async fn start_at(address: SocketAddr) -> Self {
        let mut settings = LiveSettings::default();
        settings.sweep = Duration::from_millis(100);
        let live = LiveDirectory::in_memory(settings);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let served = live.clone();
        let started = runtime.spawn(async move {
            let listener = listen(address).await;
            let address = listener.local_addr().unwrap();
            let app = router(served.clone(), ApiSettings::default());
            tokio::spawn(async move {
                let _tasks = served.start();
                axum::serve(listener, app).await.unwrap();
            });
            address
        });
        let address = started.await.unwrap();
        Self { address, live, runtime: Some(runtime) }
    }

    /// Stops and forgets everything, as if the process were killed. The address can be used again.
    pub(crate) fn kill(mut self) -> SocketAddr {
        self.stop();
        self.address
    }

    pub(crate) async fn restart_at(address: SocketAddr) -> Self {
        Self::start_at(address).await
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The ports of a service, as the directory returns them.
    pub(crate) fn ports(&self, service: &str) -> Vec<u16> {
        self.live.read(|directory, now| {
            let found = directory.lookup(service, &Query::default(), now);
            let mut ports: Vec<_> = found.endpoints.iter().map(|it| it.port.get()).collect();
            ports.sort_unstable();
            ports
        })
    }

    fn stop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }

    pub(crate) fn live(&self) -> &LiveDirectory {
        &self.live
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Waits while a directory that was killed still has the address.
async fn listen(address: SocketAddr) -> TcpListener {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseaddr(true).unwrap();
        match socket.bind(address).and_then(|()| socket.listen(1_024)) {
            Ok(listener) => return listener,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A client with short waits.
pub(crate) fn builder(directory: &str) -> ClientBuilder {
    let backoff = Backoff { base: Duration::from_millis(20), max: Duration::from_millis(100) };
    Client::builder().directory(directory).backoff(backoff).timeout(Duration::from_secs(2)).seed(1)
}

pub(crate) async fn client(directory: &Directory) -> Client {
    builder(&directory.url()).build().await.unwrap()
}

pub(crate) fn name(text: &str) -> ServiceName {
    text.parse().unwrap()
}

pub(crate) fn registration(service: &str, port: u16, ttl: Duration) -> Registration {
    let port = NonZeroU16::new(port).unwrap();
    let mut registration = Registration::new(name(service), "127.0.0.1".parse().unwrap(), port);
    registration.ttl = ttl;
    registration
}

/// The ports of a service, as a client knows them.
pub(crate) fn known(service: &Service) -> Vec<u16> {
    let snapshot = service.snapshot();
    let mut ports: Vec<_> = snapshot
        .iter()
        .flat_map(|snapshot| snapshot.endpoints.iter().map(|it| it.port.get()))
        .collect();
    ports.sort_unstable();
    ports
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "{what} did not come true");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
