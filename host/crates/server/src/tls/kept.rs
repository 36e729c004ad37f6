//! The certificate in force.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugbay::config::TlsSettings;
use plugbay::{EventSink, Outcome};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::error::TlsError;
use super::expiry::Stage;
use super::files::{Contents, Loaded};
use crate::listener::{Addresses, Client};
use crate::watched::Watched;

/// The longest handshake, the wait for its turn included.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// The most handshakes at the same time: each costs a signature and some ten KiB.
const HANDSHAKES: usize = 1024;
/// The most of one client, so that it leaves handshakes for the others.
const OF_ONE_CLIENT: usize = 128;

/// The TLS of a plane. Its files were read when it was made, and are read again while it is used.
pub(crate) struct Tls {
    /// `server` or `admin`.
    pub(super) plane: &'static str,
    files: TlsSettings,
    loaded: RwLock<Arc<Loaded>>,
    seen: Mutex<Seen>,
    turns: Semaphore,
    clients: Addresses,
    is_current: AtomicBool,
    told: Mutex<Told>,
    /// Handshakes that failed or took too long.
    pub(super) failed: AtomicU64,
}

/// What was read last.
struct Seen {
    found: Result<Contents, String>,
    /// Whether it has been taken or told.
    is_settled: bool,
}

/// What was told of it.
struct Told {
    /// What is to be told once there is a host.
    early: Vec<Outcome>,
    sink: Option<EventSink>,
    stage: Stage,
}

/// The most outcomes that wait for a host.
const EARLY: usize = 16;

impl Tls {
    pub(crate) fn read(plane: &'static str, files: TlsSettings) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let loaded = Loaded::new(&files, &contents)?;
        let told = Told { early: Vec::new(), sink: None, stage: Stage::Valid };
        Ok(Self {
            plane,
            files,
            loaded: RwLock::new(Arc::new(loaded)),
            seen: Mutex::new(Seen { found: Ok(contents), is_settled: true }),
            turns: Semaphore::new(HANDSHAKES),
            clients: Addresses::default(),
            is_current: AtomicBool::new(true),
            told: Mutex::new(told),
            failed: AtomicU64::new(0),
        })
    }

    /// Tells from now on what becomes of the certificate, and what has become of it.
    pub(crate) fn tell_to(&self, sink: EventSink) {
        let mut told = self.told();
        told.early.drain(..).for_each(|outcome| sink.report(outcome));
        told.sink = Some(sink);
    }

    /// Shakes hands with a client, in `timeout` at most.
    pub(crate) async fn accept<S>(
        &self,
        client: Client,
        stream: S,
        timeout: Duration,
    ) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let shake = async {
            let _counted =
                self.clients.count(client, OF_ONE_CLIENT).ok_or(io::ErrorKind::QuotaExceeded)?;
            let _turn = self.turns.acquire().await.map_err(io::Error::other)?;
            let config = Arc::clone(&self.loaded().config);
            TlsAcceptor::from(config).accept(stream).await
        };
        let shaken = tokio::time::timeout(timeout.min(HANDSHAKE_TIMEOUT), shake).await;
        let shaken = shaken.unwrap_or_else(|_elapsed| Err(io::ErrorKind::TimedOut.into()));
        if shaken.is_err() {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
        shaken
    }

    /// When the certificate expires, since the epoch of Unix.
    pub(super) fn not_after(&self) -> Duration {
        self.loaded().validity.not_after
    }

    /// Whether the files were good when they were read last.
    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, outcome: Outcome) {
        let mut told = self.told();
        match &told.sink {
            Some(sink) => sink.report(outcome),
            None if told.early.len() < EARLY => told.early.push(outcome),
            None => {}
        }
    }

    /// Tells once that the certificate expires soon, and once that it has expired.
    fn look_at_the_clock(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stage = self.loaded().validity.stage(now);
        let before = std::mem::replace(&mut self.told().stage, stage);
        if stage != before && stage != Stage::Valid {
            self.tell(Outcome::CertificateExpiring {
                plane: self.plane.to_owned(),
                file: self.files.certificate.display().to_string(),
                expires_at: self.expires_at(),
            });
        }
    }

    fn expires_at(&self) -> SystemTime {
        UNIX_EPOCH + self.not_after()
    }

    fn take(&self, loaded: Loaded) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        self.is_current.store(true, Ordering::Relaxed);
        // One that expires soon as well is told of again.
        self.told().stage = Stage::Valid;
        let (plane, expires_at) = (self.plane.to_owned(), self.expires_at());
        self.tell(Outcome::CertificateReloaded { plane, expires_at });
    }

    fn keep(&self, error: &TlsError) {
        self.is_current.store(false, Ordering::Relaxed);
        self.tell(Outcome::CertificateRefused {
            plane: self.plane.to_owned(),
            message: error.to_string(),
            hint: error.hint(),
        });
    }
}

impl Watched for Tls {
    fn look(&self) {
        self.look_at_the_files();
        self.look_at_the_clock();
    }
}

impl Tls {
    /// The files are replaced one after the other: a pair that does not fit is told only if it is the same the next
    /// time.
    fn look_at_the_files(&self) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let read = Contents::read(&self.files);
        let found = read.as_ref().map(Clone::clone).map_err(ToString::to_string);
        let is_same = found == seen.found;
        if is_same && seen.is_settled {
            return;
        }
        let loaded = read.and_then(|contents| Loaded::new(&self.files, &contents));
        *seen = Seen { found, is_settled: loaded.is_ok() || is_same };
        match loaded {
            Ok(loaded) => self.take(loaded),
            Err(error) if is_same => self.keep(&error),
            Err(_) => {}
        }
    }
}
