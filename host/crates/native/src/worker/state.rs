//! How a worker is started, and what its host reports of it.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use plugbay_core::WorkerStatus;
use serde::{Deserialize, Serialize};

/// The first argument that makes [`serve_if_child`](super::serve_if_child) serve.
pub const ARGUMENT: &str = "plugbay-native-worker";

/// The program that becomes a worker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerCommand {
    /// The absolute path of the program.
    pub program: PathBuf,
    /// Its arguments, which make it call [`serve`](super::serve) before anything else.
    pub args: Vec<OsString>,
}

impl WorkerCommand {
    /// The running program, even if its file was replaced since. Its `main` begins with
    /// [`serve_if_child`](super::serve_if_child).
    #[must_use]
    pub fn this_program() -> Self {
        Self::this_program_with([ARGUMENT])
    }

    /// The running program, with arguments that make it call [`serve`](super::serve).
    #[must_use]
    pub fn this_program_with(args: impl IntoIterator<Item: Into<OsString>>) -> Self {
        let args = args.into_iter().map(Into::into).collect();
        Self { program: "/proc/self/exe".into(), args }
    }
}

/// The state of a plugin's worker.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum WorkerState {
    /// It loads the library, or creates the instance.
    Starting,
    /// It serves.
    Running {
        /// The process id.
        pid: u32,
        /// How it is confined.
        protections: Protections,
    },
    /// It ended; the first call after `pause` starts the next one.
    BackingOff {
        /// How long until then; zero if it is over.
        pause: Duration,
        /// How it ended.
        reason: String,
    },
    /// It ended too often: no other one is started until the plugin is loaded again.
    Broken {
        /// How the last one ended.
        reason: String,
    },
    /// The plugin was shut down.
    Stopped,
}

impl WorkerState {
    /// The state as the status reports it.
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

/// How exactly the system enforces a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Enforcement {
    /// The worker can reach what is granted, and no more.
    AsGranted,
    /// The worker can reach more than that, which this system cannot restrict.
    Beyond,
    /// The worker can reach nothing of it, because this system could only allow too much.
    Withheld,
}

/// How a worker is confined. It does that to itself before it loads the library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a protection of its own")]
#[non_exhaustive]
pub struct Protections {
    /// The worker cannot gain rights through a program that it starts.
    pub no_new_privs: bool,
    /// It inherited no descriptor but the standard ones.
    pub no_inherited_fds: bool,
    /// It holds no capability, even if its user is root.
    pub no_capabilities: bool,
    /// It writes no core file, cannot make a file grow (not even one in memory: SIGXFSZ ends it then),
    /// can open few files, and has bounded memory: the policy's `total_memory`, 64 MiB for itself, and
    /// the stacks of its lanes.
    pub limits: bool,
    /// The version of Landlock that restricts it to the library, the system's libraries, and what is
    /// granted; `None` if the kernel does not offer Landlock.
    pub landlock: Option<u32>,
    /// A filter of system calls denies other programs and processes, sockets and writing beyond its
    /// grants, and calls for administrators.
    pub seccomp: bool,
    /// The kernel kills it when its host ends, in case it does not end by itself.
    pub dies_with_host: bool,
    /// The host reads its usage a few times a second, and kills it if it uses more memory or threads
    /// than it may. That needs `/proc`.
    #[serde(skip)]
    pub watched: bool,
    /// How the grant of folders to read is enforced; `None` if there is none.
    pub read: Option<Enforcement>,
    /// How the grant of folders to write is enforced; `None` if there is none.
    pub write: Option<Enforcement>,
    /// How the grant of TCP ports is enforced; `None` if no network is granted. The machines that it
    /// connects to, and UDP ports, are never restricted.
    pub tcp_ports: Option<Enforcement>,
}

impl Protections {
    /// The names of the protections that this system lacks.
    pub(super) fn missing(self) -> Vec<&'static str> {
        let protections =
            self.protections().into_iter().filter(|(active, _)| !active).map(|(_, name)| name);
        protections.chain(self.landlock.is_none().then_some("landlock")).collect()
    }

    /// The names of the grants that this system does not enforce exactly, though other systems do.
    pub(super) fn inexact(self) -> Vec<String> {
        self.grants()
            .filter(|(_, enforced)| *enforced != Enforcement::AsGranted)
            .map(word)
            .collect()
    }

    fn protections(self) -> [(bool, &'static str); 7] {
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

    fn grants(self) -> impl Iterator<Item = (&'static str, Enforcement)> {
        let all = [("read", self.read), ("write", self.write), ("tcp-ports", self.tcp_ports)];
        all.into_iter().filter_map(|(grant, enforced)| Some((grant, enforced?)))
    }

    /// The names of the active protections, and how each grant is enforced.
    fn names(self) -> Vec<String> {
        let active = self.protections().into_iter().filter(|(active, _)| *active);
        let landlock = self.landlock.map(|version| format!("landlock-v{version}"));
        let network = self.tcp_ports.is_some();
        let never = [("hosts", Enforcement::Beyond), ("udp-ports", Enforcement::Beyond)];
        let never = never.into_iter().filter(|_| network);
        let grants = self.grants().chain(never).map(word);
        active.map(|(_, name)| name.to_owned()).chain(landlock).chain(grants).collect()
    }
}

fn word((grant, enforced): (&'static str, Enforcement)) -> String {
    let enforced = match enforced {
        Enforcement::AsGranted => "as-granted",
        Enforcement::Beyond => "beyond-grant",
        Enforcement::Withheld => "withheld",
    };
    format!("{grant}-{enforced}")
}
