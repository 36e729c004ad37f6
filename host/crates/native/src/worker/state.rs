//! What is said to a worker, and of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use plugbay_core::WorkerStatus;
use serde::{Deserialize, Serialize};

use super::ARGUMENT;

/// The program that becomes a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerCommand {
    /// Its absolute path.
    pub program: PathBuf,
    /// Its arguments; they have it call [`serve`](super::serve) before anything else.
    pub args: Vec<OsString>,
}

impl WorkerCommand {
    /// The program that runs now, even if its file was replaced since; its `main` begins with
    /// [`serve_if_asked`](super::serve_if_asked).
    #[must_use]
    pub fn this_program() -> Self {
        Self::this_program_with([ARGUMENT])
    }

    /// The program that runs now, with arguments that have it call [`serve`](super::serve).
    #[must_use]
    pub fn this_program_with(args: impl IntoIterator<Item: Into<OsString>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { program: "/proc/self/exe".into(), args }
    }
}

/// How a plugin's worker is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It loads the library, or makes the instance.
    Starting,
    /// It serves.
    Running {
        /// Its process.
        pid: u32,
        /// What it gave up.
        protections: Protections,
    },
    /// It ended; the first call after `pause` starts another.
    BackingOff {
        /// How long until then; zero if that time has come.
        pause: Duration,
        /// How it ended.
        reason: String,
    },
    /// It ended too often: there is none until the plugin is loaded again.
    Broken {
        /// How the last one ended.
        reason: String,
    },
    /// The plugin was shut down.
    Stopped,
}

impl WorkerState {
    /// As status shows it.
    pub(super) fn status(self) -> WorkerStatus {
        let state =
            |state: &'static str| WorkerStatus { state: state.into(), ..WorkerStatus::default() };
        match self {
            Self::Starting => state("starting"),
            Self::Running { pid, protections } => WorkerStatus {
                pid: Some(pid),
                protections: protections.names(),
                ..state("running")
            },
            Self::BackingOff { reason, .. } => {
                WorkerStatus { reason: Some(reason), ..state("backing-off") }
            }
            Self::Broken { reason } => WorkerStatus { reason: Some(reason), ..state("broken") },
            Self::Stopped => state("stopped"),
        }
    }
}

/// How the system keeps a worker to a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kept {
    /// It has what is granted, and no more.
    AsGranted,
    /// It has more than that: the system cannot tell.
    Beyond,
    /// It has nothing of it: the system cannot tell, and more would be too much.
    Withheld,
}

/// What a worker gave up before it loaded the library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a protection of its own")]
#[non_exhaustive]
pub struct Protections {
    /// It cannot gain rights through a program that it starts.
    pub no_new_privs: bool,
    /// It got no descriptor but its standard ones: nothing that the host has open leaked to it.
    pub no_inherited_fds: bool,
    /// It holds no capability, even if its user is root.
    pub no_capabilities: bool,
    /// It leaves no core file, grows no file (not even one in memory: that ends it with
    /// SIGXFSZ), opens few files, and has bounded memory: the policy's `total_memory`, 64 MiB
    /// for itself, and the stacks of its lanes.
    pub limits: bool,
    /// The version of Landlock that keeps it from all files but the library, the system's
    /// libraries, and what is granted; none where the kernel offers none.
    pub landlock: Option<u32>,
    /// A filter denies it other programs and processes, sockets and writing beyond its grants,
    /// and what only administrators need.
    pub seccomp: bool,
    /// The kernel ends it with its host, should it not do so by itself.
    pub dies_with_host: bool,
    /// The host sees what it uses, a few times a second, and ends it if that is more memory or more
    /// threads than it may. Without `/proc` it cannot.
    #[serde(skip)]
    pub watched: bool,
    /// The folders that it may read; none if none is granted.
    pub read: Option<Kept>,
    /// Those that it may write.
    pub write: Option<Kept>,
    /// The TCP ports that it may connect to; none if no network is granted. Which machines those
    /// are of, and ports of UDP, nothing checks.
    pub tcp_ports: Option<Kept>,
}

impl Protections {
    /// The words for what some systems give up, and this one does not.
    pub(super) fn missing(self) -> Vec<&'static str> {
        let walls = self.walls().into_iter().filter(|(active, _)| !active).map(|(_, name)| name);
        walls.chain(self.landlock.is_none().then_some("landlock")).collect()
    }

    /// The words for the grants that the system cannot keep it to, though some systems can.
    pub(super) fn unkept(self) -> Vec<String> {
        self.grants().filter(|(_, kept)| *kept != Kept::AsGranted).map(word).collect()
    }

    fn walls(self) -> [(bool, &'static str); 7] {
        [
            (self.no_new_privs, "no-new-privs"),
            (self.no_inherited_fds, "no-inherited-fds"),
            (self.no_capabilities, "no-capabilities"),
            (self.limits, "limits"),
            (self.seccomp, "seccomp"),
            (self.dies_with_host, "dies-with-host"),
            (self.watched, "watched"),
        ]
    }

    fn grants(self) -> impl Iterator<Item = (&'static str, Kept)> {
        let all = [("read", self.read), ("write", self.write), ("tcp-ports", self.tcp_ports)];
        all.into_iter().filter_map(|(grant, kept)| Some((grant, kept?)))
    }

    /// The words for those that are active, and for how grants are kept.
    fn names(self) -> Vec<String> {
        let active = self.walls().into_iter().filter(|(active, _)| *active);
        let landlock = self.landlock.map(|version| format!("landlock-v{version}"));
        let network = self.tcp_ports.is_some();
        let never = [("hosts", Kept::Beyond), ("udp-ports", Kept::Beyond)];
        let never = never.into_iter().filter(|_| network);
        let grants = self.grants().chain(never).map(word);
        active.map(|(_, name)| name.to_owned()).chain(landlock).chain(grants).collect()
    }
}

fn word((grant, kept): (&'static str, Kept)) -> String {
    let kept = match kept {
        Kept::AsGranted => "as-granted",
        Kept::Beyond => "beyond-grant",
        Kept::Withheld => "withheld",
    };
    format!("{grant}-{kept}")
}
