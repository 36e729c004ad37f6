//! The sockets of a zone.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::answer::{DnsSource, Responder, Transport};

/// The longest request. A question has at most 271 bytes, and its options are short.
const MAX_REQUEST: usize = 4096;
/// The most connections at the same time. More wait to be accepted.
const MAX_CONNECTIONS: usize = 64;
/// For how long a connection may be without a whole request, or leave an answer unread. RFC 7766
/// section 6.2.3 suggests seconds.
const IDLE: Duration = Duration::from_secs(5);
/// The most requests of one connection, so that a busy one gives its place to others.
const MAX_REQUESTS: usize = 100;
/// How often a free port is looked for that both UDP and TCP can use.
const ATTEMPTS: usize = 16;
/// For how long nothing is accepted after the system refused to accept, for example for want of
/// descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A zone, bound to a port and not served yet.
#[derive(Debug)]
pub struct DnsServer {
    udp: UdpSocket,
    tcp: TcpListener,
}

impl DnsServer {
    /// Binds UDP and TCP to one address. Port 0 is any port that is free for both.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound.
    pub async fn bind(address: SocketAddr) -> io::Result<Self> {
        let mut attempt = 1;
        loop {
            let tcp = TcpListener::bind(address).await?;
            match UdpSocket::bind(tcp.local_addr()?).await {
                Ok(udp) => return Ok(Self { udp, tcp }),
                Err(_) if address.port() == 0 && attempt < ATTEMPTS => attempt += 1,
                Err(error) => return Err(error),
            }
        }
    }

    /// The address that is bound.
    ///
    /// # Errors
    ///
    /// If the system does not say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Answers requests until `stop` is done. Connections are then closed.
    pub async fn serve<S: DnsSource>(
        self,
        responder: Arc<Responder<S>>,
        stop: impl Future<Output = ()>,
    ) {
        tokio::select! {
            () = stop => {}
            () = serve_udp(&self.udp, &responder) => {}
            () = serve_tcp(&self.tcp, &responder) => {}
        }
    }
}

/// Answers datagrams one after the other: an answer is made in memory, so it takes microseconds. What
/// arrives meanwhile waits in the socket, whose queue the system bounds.
async fn serve_udp<S: DnsSource>(socket: &UdpSocket, responder: &Responder<S>) {
    let mut request = [0; MAX_REQUEST];
    loop {
        // An error is about an earlier answer that was not delivered.
        let Ok((length, client)) = socket.recv_from(&mut request).await else { continue };
        if let Some(answer) = responder.respond(&request[..length], Transport::Udp) {
            // A client that misses its answer asks again.
            let _ = socket.try_send_to(&answer, client);
        }
    }
}

async fn serve_tcp<S: DnsSource>(listener: &TcpListener, responder: &Arc<Responder<S>>) {
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    // Dropping it closes the connections.
    let mut connections = JoinSet::new();
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((connection, _)) => {
                let responder = Arc::clone(responder);
                connections.spawn(async move {
                    // The client is told by the end of the connection.
                    let _ = converse(connection, &responder).await;
                    drop(place);
                });
            }
            Err(_) => tokio::time::sleep(PAUSE).await,
        }
    }
}

/// Answers the requests of one connection, each after two bytes with its length (RFC 1035 section
/// 4.2.2), until the client is silent, or sends what is not a request.
async fn converse<S: DnsSource>(
    mut connection: TcpStream,
    responder: &Responder<S>,
) -> io::Result<()> {
    let mut request = [0; MAX_REQUEST];
    for _ in 0..MAX_REQUESTS {
        let length = timeout(IDLE, async {
            let length = connection.read_u16().await?.into();
            let Some(request) = request.get_mut(..length) else {
                return Err(io::ErrorKind::InvalidData.into());
            };
            connection.read_exact(request).await
        });
        let length = length.await??;
        let Some(answer) = responder.respond(&request[..length], Transport::Tcp) else { break };
        let Ok(prefix) = u16::try_from(answer.len()) else { break };
        // One write, so that a client sees both in one segment.
        let framed = [&prefix.to_be_bytes(), &*answer].concat();
        timeout(IDLE, connection.write_all(&framed)).await??;
    }
    Ok(())
}
