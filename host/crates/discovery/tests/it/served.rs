//! A directory that is served on a port of this machine.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use plugbay_discovery::{
    ApiSettings, Clock, LiveDirectory, LiveSettings, Moment, Store, Tasks, router,
};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::client::Client;

/// A directory over HTTP. It ends when this is dropped.
pub(crate) struct Served {
    pub(crate) directory: LiveDirectory,
    pub(crate) client: Client,
    pub(crate) api: ApiSettings,
    _tasks: Tasks,
    _server: JoinSet<()>,
}

/// What most tests want: checks of this machine, and a sweep ten times a second.
pub(crate) fn settings() -> LiveSettings {
    let mut settings = LiveSettings::default();
    settings.sweep = Duration::from_millis(100);
    settings.checks = settings.checks.with_loopback();
    settings
}

impl Served {
    pub(crate) async fn new() -> Self {
        Self::with(settings(), ApiSettings::default()).await
    }

    pub(crate) async fn with(settings: LiveSettings, api: ApiSettings) -> Self {
        Self::of(LiveDirectory::in_memory(settings), api).await
    }

    pub(crate) async fn stored(store: impl Store) -> Self {
        let directory = LiveDirectory::open(settings(), Box::new(store)).unwrap();
        Self::of(directory, ApiSettings::default()).await
    }

    async fn of(directory: LiveDirectory, api: ApiSettings) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client(listener.local_addr().unwrap());
        let tasks = directory.start();
        let app = router(directory.clone(), api.clone());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { directory, client, api, _tasks: tasks, _server: server }
    }
}

/// A clock that a test moves.
#[derive(Clone)]
pub(crate) struct TestClock(Arc<Mutex<Moment>>);

impl TestClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Moment::now())))
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, time: Duration) {
        self.0.lock().unwrap().mono += time;
    }

    /// Sets the wall clock.
    pub(crate) fn jump(&self, wall: std::time::SystemTime) {
        self.0.lock().unwrap().wall = wall;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Moment {
        *self.0.lock().unwrap()
    }
}
