//! Replaces this process by a new one of the program that is now on disk, without closing a port.
//!
//! The new process inherits the listening sockets (`inherited.rs`), builds its host, and serves; then it says so on its
//! standard input, which is a socket to this process. From then on this process
//! accepts no connections, and ends as at a signal to stop. Connections in the queues of the sockets are accepted by
//! either of the two. A new process that ends before it serves changes nothing.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::process::Command;
use std::time::Duration;

use command_fds::{CommandFdExt as _, FdMapping};
use plugbay_server::Server;
use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;
use tokio::process::Child;

use super::inherited::{FIRST, SERVES};

/// The flag of `up` by which a process knows that it replaces another one.
const TAKE_OVER: &str = "--take-over";

/// A process that will replace this one.
pub(super) struct Upgrade {
    process: Child,
    pid: u32,
    channel: UnixStream,
}

/// Why this process was not replaced.
#[derive(Debug, thiserror::Error)]
pub(super) enum UpgradeError {
    #[error(
        "expected a process whose end ends nothing else, found process 1 of its container; replace the container instead"
    )]
    Init,
    #[error("cannot start {program}: {source}")]
    Start { program: String, source: io::Error },
    #[error("process {pid} ended with {end} before it served")]
    Ended { pid: u32, end: String },
    #[error("process {pid} did not serve within {limit:?} (host.stall_timeout), and was ended")]
    Late { pid: u32, limit: Duration },
}

impl Upgrade {
    /// Starts a process of the program, with the arguments and the environment of this one.
    pub(super) fn start(server: &Server) -> Result<Self, UpgradeError> {
        if std::process::id() == 1 {
            return Err(UpgradeError::Init);
        }
        let mut args = std::env::args_os();
        // Not the path of this process's file, which may be deleted: what is to run is what lies there now.
        let program = args.next().unwrap_or_else(|| "plugbay".into());
        let source = |source| UpgradeError::Start {
            program: program.to_string_lossy().into_owned(),
            source,
        };
        let (ours, theirs) = StdUnixStream::pair().map_err(source)?;
        let mut command = Command::new(&program);
        command.args(args.filter(|arg| arg != TAKE_OVER)).arg(TAKE_OVER);
        command.stdin(OwnedFd::from(theirs));
        let (names, sockets) = handed(server).map_err(source)?;
        command.env("LISTEN_FDS", sockets.len().to_string());
        command.env("LISTEN_FDNAMES", names);
        // They hold this process's number: without them the variables apply to any process.
        command.env_remove("LISTEN_PID").env_remove("WATCHDOG_PID");
        let mapped = command.fd_mappings(sockets).map_err(io::Error::other);
        mapped.map_err(source)?;
        let process = tokio::process::Command::from(command).spawn().map_err(source)?;
        let pid = process.id().unwrap_or_default();
        ours.set_nonblocking(true).map_err(source)?;
        let channel = UnixStream::from_std(ours).map_err(source)?;
        Ok(Self { process, pid, channel })
    }

    /// The number of the new process.
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    /// Waits until the new process serves; ends it if that takes longer than `limit`.
    pub(super) async fn serves(mut self, limit: Duration) -> Result<u32, UpgradeError> {
        let pid = self.pid;
        let serves = async { matches!(self.channel.read_u8().await, Ok(SERVES)) };
        match tokio::time::timeout(limit, serves).await {
            Ok(true) => Ok(pid),
            Ok(false) => {
                // It closed the channel: it ends, or is not what was expected.
                let _ = self.process.start_kill();
                let end = self.process.wait().await;
                let end = end.map_or_else(|error| error.to_string(), |status| status.to_string());
                Err(UpgradeError::Ended { pid, end })
            }
            Err(_) => {
                let _ = self.process.kill().await;
                Err(UpgradeError::Late { pid, limit })
            }
        }
    }
}

/// The sockets of a server and their names, for a new process.
fn handed(server: &Server) -> io::Result<(String, Vec<FdMapping>)> {
    let mut names = Vec::new();
    let mut mappings = Vec::new();
    for (child_fd, (socket, name)) in (FIRST..).zip(server.sockets()) {
        names.push(name);
        mappings.push(FdMapping { parent_fd: socket.try_clone_to_owned()?, child_fd });
    }
    Ok((names.join(":"), mappings))
}
