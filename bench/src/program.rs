//! The program `plugbay` as a process, and what it uses.

use std::fmt;
use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use crate::client::Client;
use crate::measure::pause;

/// How long the host may take to be ready, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);
/// How often that is checked.
const CHECK: Duration = Duration::from_millis(20);

/// A running program, with a folder of its own.
pub struct Program {
    folder: TempDir,
    process: Child,
    /// The address of the data plane.
    pub data: SocketAddr,
    /// The address of the admin plane.
    pub admin: SocketAddr,
}

/// What the process uses.
pub struct Usage {
    /// Resident memory, in bytes.
    pub memory: u64,
    /// Open descriptors.
    pub descriptors: u64,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} MiB of memory and {} descriptors", self.memory >> 20, self.descriptors)
    }
}

impl Program {
    /// Starts the program with this configuration, and waits until it is ready. `prepare` writes files into
    /// the plugin folder first.
    ///
    /// # Errors
    ///
    /// If the program ends, or is not ready in time.
    pub fn start(
        program: &Path,
        config: &str,
        prepare: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let path = |name: &str| folder.path().join(name);
        fs::create_dir(path("plugins"))?;
        prepare(&path("plugins"))?;
        fs::write(path("config.toml"), config)?;
        let process = Command::new(program)
            .args(["up", "--json", "--config"])
            .arg(path("config.toml"))
            .stdin(Stdio::null())
            .stdout(File::create(path("out"))?)
            .stderr(File::create(path("err"))?)
            .spawn()
            .with_context(|| format!("cannot start {}", program.display()))?;
        let none = SocketAddr::from(([127, 0, 0, 1], 0));
        let mut started = Self { folder, process, data: none, admin: none };
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let out = fs::read_to_string(started.path("out"))?;
            // The first line names both addresses.
            if let Some(line) = out.lines().next().filter(|_| out.contains('\n')) {
                let line: serde_json::Value = serde_json::from_str(line)?;
                let address = |name: &str| line[name].as_str().unwrap_or_default().parse();
                (started.data, started.admin) = (address("data")?, address("admin")?);
                if Client::new(started.admin).send("GET", "/readyz", b"")?.status == 200 {
                    return Ok(started);
                }
            }
            if let Some(status) = started.process.try_wait()? {
                bail!("the host ended: {status}: {}", started.log());
            }
            pause(CHECK);
        }
        bail!("expected a host that is ready within {PATIENCE:?}: {}", started.log())
    }

    /// The process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// A path in its folder.
    #[must_use]
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The plugin folder.
    #[must_use]
    pub fn plugins(&self) -> PathBuf {
        self.path("plugins")
    }

    /// What the process uses now.
    ///
    /// # Errors
    ///
    /// If the process has ended.
    pub fn usage(&self) -> Result<Usage> {
        let process = Path::new("/proc").join(self.id().to_string());
        let status = fs::read_to_string(process.join("status")).context("the host has ended")?;
        let memory = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = memory.and_then(|it| it.trim().trim_end_matches(" kB").parse::<u64>().ok());
        let descriptors = fs::read_dir(process.join("fd"))?.count() as u64;
        Ok(Usage { memory: kib.context("expected VmRSS")? << 10, descriptors })
    }

    /// Stops the program by SIGTERM. Returns what went wrong.
    ///
    /// # Errors
    ///
    /// If the system cannot stop it, or its log cannot be read.
    pub fn stop(&mut self) -> Result<Vec<String>> {
        Command::new("kill").arg(self.id().to_string()).status().context("kill")?;
        let end = Instant::now() + PATIENCE;
        let mut problems = Vec::new();
        loop {
            match self.process.try_wait()? {
                Some(status) if status.success() => break,
                Some(status) => {
                    problems.push(format!("the host ended with {status}"));
                    break;
                }
                None if Instant::now() > end => {
                    problems.push(format!("the host did not stop within {PATIENCE:?}"));
                    break;
                }
                None => pause(CHECK),
            }
        }
        let log = fs::read_to_string(self.path("err"))?;
        problems
            .extend(log.lines().filter(|it| it.contains("panicked at")).take(3).map(str::to_owned));
        Ok(problems)
    }

    /// The end of the log.
    fn log(&self) -> String {
        let log = fs::read_to_string(self.path("err")).unwrap_or_default();
        let lines: Vec<&str> = log.lines().rev().take(5).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It fails if the process has ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
