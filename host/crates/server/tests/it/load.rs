//! Clients that load a server, and count what is lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use super::support::SOON;
use super::up::connect;

/// Clients that send one request after the other, as fast as they are answered.
pub(crate) struct Load {
    answered: Arc<AtomicU32>,
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    /// Starts this many clients. Each calls the function that `client` returns, until it returns
    /// `None`: a refused connection was not accepted, so no request is lost.
    pub(crate) fn of<A>(clients: usize, client: impl Fn() -> A) -> Self
    where
        A: FnMut() -> Option<Result<(), String>> + Send + 'static,
    {
        let (answered, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
        let clients = (0..clients).map(|_| {
            let mut ask = client();
            let (answered, stop) = (Arc::clone(&answered), Arc::clone(&stop));
            std::thread::spawn(move || {
                let mut lost = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    match ask() {
                        None => break,
                        Some(Ok(())) => drop(answered.fetch_add(1, Ordering::Relaxed)),
                        Some(Err(what)) => lost.push(what),
                    }
                }
                lost
            })
        });
        let clients = clients.collect();
        Self { answered, stop, clients }
    }

    /// Clients that send each request on a new connection to the handler `echo`, whose stamp is `!`.
    pub(crate) fn fresh(clients: usize, address: SocketAddr, refused: Refused) -> Self {
        Self::of(clients, move || {
            move || {
                let mut stream = match connect(address) {
                    Ok(stream) => stream,
                    Err(error) => return refused.result(&error),
                };
                let request = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\
                               connection: close\r\n\r\nhi";
                let mut answer = String::new();
                let done = stream.write_all(request.as_bytes());
                let done = done.and_then(|()| stream.read_to_string(&mut answer));
                let good = answer.starts_with("HTTP/1.1 200") && answer.ends_with("hi!");
                Some(if done.is_ok() && good {
                    Ok(())
                } else {
                    Err(format!("{done:?}: {answer:?}"))
                })
            }
        })
    }

    /// As [`Load::fresh`], on connections that are kept until an answer closes them.
    pub(crate) fn kept(clients: usize, address: SocketAddr, refused: Refused) -> Self {
        Self::of(clients, move || {
            let mut connection: Option<BufReader<TcpStream>> = None;
            move || {
                let mut kept = match connection
                    .take()
                    .map_or_else(|| connect(address).map(BufReader::new), Ok)
                {
                    Ok(kept) => kept,
                    Err(error) => return refused.result(&error),
                };
                let request = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\r\nhi";
                let answer = kept.get_mut().write_all(request).and_then(|()| answer(&mut kept));
                let closes = |head: &str| head.to_ascii_lowercase().contains("connection: close");
                Some(match answer {
                    Ok((head, body)) if head.starts_with("HTTP/1.1 200") && body == "hi!" => {
                        connection = (!closes(&head)).then_some(kept);
                        Ok(())
                    }
                    other => Err(format!("{other:?}")),
                })
            }
        })
    }

    /// How many requests were answered.
    pub(crate) fn answered(&self) -> u32 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Waits until this many requests were answered.
    pub(crate) fn wait_for_answers(&self, answers: u32) {
        let end = Instant::now() + SOON;
        while self.answered.load(Ordering::Relaxed) < answers {
            assert!(Instant::now() < end, "too few answers");
            std::thread::yield_now();
        }
    }

    pub(crate) fn assert_nothing_lost(self) {
        self.stop.store(true, Ordering::Relaxed);
        let lost: Vec<String> =
            self.clients.into_iter().flat_map(|it| it.join().unwrap()).collect();
        assert!(lost.is_empty(), "{} requests were lost, for example {}", lost.len(), lost[0]);
    }
}

/// What a refused connection is.
#[derive(Clone, Copy)]
pub(crate) enum Refused {
    /// The end of the client: its request was not accepted.
    Ends,
    /// A lost request.
    IsLost,
}

impl Refused {
    fn result(self, error: &std::io::Error) -> Option<Result<(), String>> {
        match self {
            Self::Ends => None,
            Self::IsLost => Some(Err(format!("refused: {error}"))),
        }
    }
}

/// Reads one answer on a kept connection: head and body.
fn answer(from: &mut BufReader<TcpStream>) -> std::io::Result<(String, String)> {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if from.read_line(&mut head)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    let fields = head.lines().filter_map(|line| line.split_once(':'));
    let length = fields.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|(_, length)| length.trim().parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    from.read_exact(&mut body)?;
    Ok((head, String::from_utf8_lossy(&body).into_owned()))
}
