//! Requests over one connection, which is kept as long as the server keeps it.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

/// No answer may take longer.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A client of one address.
pub struct Client {
    address: SocketAddr,
    connection: Option<BufReader<TcpStream>>,
}

/// An answer: its status and its body.
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client that connects when it sends its first request.
    #[must_use]
    pub fn new(address: SocketAddr) -> Self {
        Self { address, connection: None }
    }

    fn connect(&self) -> Result<BufReader<TcpStream>> {
        let stream = TcpStream::connect(self.address).context("connect")?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        stream.set_nodelay(true)?;
        Ok(BufReader::new(stream))
    }

    /// Sends a request, and returns its answer.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the answer is not HTTP.
    pub fn send(&mut self, method: &str, path: &str, body: &[u8]) -> Result<Answer> {
        let mut answer = Vec::new();
        let status = self.send_into(method, path, body, &mut answer)?;
        Ok(Answer { status, body: answer })
    }

    /// Sends a request, writes the body of its answer to `sink` as it arrives, and returns the status.
    ///
    /// # Errors
    ///
    /// If the connection fails, or the answer is not HTTP.
    pub fn send_into(
        &mut self,
        method: &str,
        path: &str,
        body: &[u8],
        sink: &mut impl io::Write,
    ) -> Result<u16> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let length = body.len();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
        );
        let stream = connection.get_mut();
        stream.write_all(&[head.as_bytes(), body].concat()).context("send")?;
        let mut line = String::new();
        connection.read_line(&mut line).context("status")?;
        let status = line.split(' ').nth(1).and_then(|it| it.parse().ok());
        let Some(status) = status else { bail!("expected a status line, found {line:?}") };
        let (mut length, mut closes) = (0, false);
        loop {
            line.clear();
            connection.read_line(&mut line).context("header")?;
            let field = line.trim_end().to_ascii_lowercase();
            if field.is_empty() {
                break;
            }
            if let Some(value) = field.strip_prefix("content-length: ") {
                length = value.parse().context("content-length")?;
            }
            closes |= field == "connection: close";
        }
        let read = io::copy(&mut connection.by_ref().take(length), sink).context("body")?;
        ensure!(read == length, "expected a body of {length} bytes, found {read}");
        if !closes {
            self.connection = Some(connection);
        }
        Ok(status)
    }
}
