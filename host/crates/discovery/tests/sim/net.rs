//! The seams between the directory, its clients and the simulated network.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::Relaxed};
use std::time::{Duration, SystemTime};

use plugbay_discovery::client::{Connect, Connecting, Connection};
use plugbay_discovery::{Clock, Moment};
use turmoil::net::{TcpListener, TcpStream};

/// Connects over the simulated network.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simulated;

impl Connect for Simulated {
    fn connect(&self, host: &str, port: u16) -> Connecting {
        let host = host.to_owned();
        Box::pin(async move {
            let stream = TcpStream::connect((host.as_str(), port)).await?;
            Ok(Box::new(stream) as Box<dyn Connection>)
        })
    }
}

/// Accepts connections over the simulated network.
pub(crate) struct Listener(pub(crate) TcpListener);

impl axum::serve::Listener for Listener {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            if let Ok(accepted) = self.0.accept().await {
                return accepted;
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// The simulation's time, with a wall clock that jumps.
#[derive(Clone, Debug, Default)]
pub(crate) struct JumpingClock {
    /// Seconds.
    jump: Arc<AtomicI64>,
}

impl JumpingClock {
    pub(crate) fn jump(&self, seconds: i64) {
        self.jump.fetch_add(seconds, Relaxed);
    }
}

impl Clock for JumpingClock {
    fn now(&self) -> Moment {
        let start = SystemTime::UNIX_EPOCH + Duration::from_secs(2_000_000_000);
        let jump = self.jump.load(Relaxed);
        let distance = Duration::from_secs(jump.unsigned_abs());
        let start = if jump < 0 { start - distance } else { start + distance };
        Moment {
            mono: tokio::time::Instant::now().into_std(),
            wall: start + turmoil::sim_elapsed().unwrap_or_default(),
        }
    }
}
