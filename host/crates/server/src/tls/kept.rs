//! The certificate in force.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use plugbay::config::TlsSettings;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Semaphore;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::error::TlsError;
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
    /// Handshakes that failed or took too long.
    pub(super) failed: AtomicU64,
}

/// What was read last.
struct Seen {
    found: Result<Contents, String>,
    /// Whether it has been taken or told.
    is_settled: bool,
}

impl Tls {
    pub(crate) fn read(plane: &'static str, files: TlsSettings) -> Result<Self, TlsError> {
        let contents = Contents::read(&files)?;
        let loaded = Loaded::new(&files, &contents)?;
        let tls = Self {
            plane,
            files,
            loaded: RwLock::new(Arc::new(loaded)),
            seen: Mutex::new(Seen { found: Ok(contents), is_settled: true }),
            turns: Semaphore::new(HANDSHAKES),
            clients: Addresses::default(),
            is_current: AtomicBool::new(true),
            failed: AtomicU64::new(0),
        };
        tls.warn_if_expired();
        Ok(tls)
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
        self.loaded().not_after
    }

    /// Whether the files were good when they were read last.
    pub(super) fn is_current(&self) -> bool {
        self.is_current.load(Ordering::Relaxed)
    }

    fn loaded(&self) -> Arc<Loaded> {
        Arc::clone(&self.loaded.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn warn_if_expired(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.not_after() <= now {
            let (plane, file) = (self.plane, self.files.certificate.display());
            tracing::warn!(reason = "expired", plane, %file, "clients refuse an expired certificate");
        }
    }

    fn take(&self, loaded: Loaded) {
        *self.loaded.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(loaded);
        self.is_current.store(true, Ordering::Relaxed);
        let (plane, expires) = (self.plane, self.not_after().as_secs());
        tracing::info!(plane, expires, "certificate read");
        self.warn_if_expired();
    }

    fn keep(&self, error: &TlsError) {
        self.is_current.store(false, Ordering::Relaxed);
        let (plane, hint) = (self.plane, error.hint());
        tracing::error!(reason = "certificate", plane, %error, hint, "the certificate before stays in force");
    }
}

impl Watched for Tls {
    /// The files are replaced one after the other: a pair that does not fit is told only if it is the same the next
    /// time.
    fn look(&self) {
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
