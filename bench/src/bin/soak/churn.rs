//! What changes meanwhile.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Result, ensure};
use plugbay_fixtures::{Behaviour, Export, Guest};

use plugbay_bench::client::Client;
use plugbay_bench::measure::pause;
use plugbay_bench::program::Program;

/// The pause between two changes.
const PAUSE: Duration = Duration::from_millis(120);

/// Writes the first version of all plugins.
pub(crate) fn prepare(plugins: &Path) -> Result<()> {
    let hostile = |name: &str, behaviour| {
        let path = format!("/{name}");
        Guest::handler(name).route("", &path).on(Export::Handle, behaviour).build()
    };
    for (name, behaviour) in [
        ("spin", Behaviour::Spin),
        ("grow", Behaviour::GrowMemory { pages: 16 }),
        ("flood", Behaviour::FloodLog),
        ("trap", Behaviour::Trap),
    ] {
        fs::write(plugins.join(format!("{name}.wasm")), hostile(name, behaviour))?;
    }
    fs::write(plugins.join("swapped.wasm"), version(0))?;
    Ok(())
}

/// The configuration after so many changes.
pub(crate) fn config(number: u64) -> String {
    format!(
        "[host]\nplugins = \"plugins\"\ncache = \"cache\"\ndebounce = \"20ms\"\n\
         [server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [plugins.hello.config]\ngreeting = \"Hello {number}\"\n"
    )
}

fn version(number: u64) -> Vec<u8> {
    Guest::both("swapped")
        .version(&format!("1.0.{number}"))
        .stamp(format!("version {number};"))
        .route("", "/swapped")
        .build()
}

pub(crate) struct Churn<'h> {
    host: &'h Program,
    admin: Client,
    number: u64,
}

impl<'h> Churn<'h> {
    pub(crate) fn new(host: &'h Program) -> Self {
        Self { host, admin: Client::new(host.admin), number: 0 }
    }

    /// Changes one thing after the other until it is `over`. Returns how many.
    pub(crate) fn run(mut self, over: &AtomicBool) -> Result<u64> {
        while !over.load(Ordering::Relaxed) {
            self.number += 1;
            match self.number % 8 {
                0 => self.replace("config.toml", config(self.number).as_bytes())?,
                1 => self.write_in_parts()?,
                2 => fs::write(self.file("broken.wasm"), b"no plugin at all")?,
                3 => fs::remove_file(self.file("broken.wasm"))?,
                4 => self.admin("POST", "/v1/reload", &[200, 202])?,
                5 if self.number % 32 == 5 => self.roll_back()?,
                6 => self.admin("GET", "/livez", &[200])?,
                _ => self.replace("plugins/swapped.wasm", &version(self.number))?,
            }
            pause(PAUSE);
        }
        Ok(self.number)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.host.plugins().join(name)
    }

    /// Writes a file under another name, and renames it.
    fn replace(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let path = self.host.path(name);
        let part = path.with_extension("part");
        fs::write(&part, bytes)?;
        fs::rename(part, path)?;
        Ok(())
    }

    /// Writes a plugin as an upload does: in place, and with a pause.
    fn write_in_parts(&self) -> Result<()> {
        let bytes = version(self.number);
        let (first, rest) = bytes.split_at(bytes.len() / 2);
        let mut file = fs::File::create(self.file("swapped.wasm"))?;
        file.write_all(first)?;
        pause(PAUSE);
        file.write_all(rest)?;
        Ok(())
    }

    fn roll_back(&mut self) -> Result<()> {
        let generations = self.admin.send("GET", "/v1/generations", b"")?;
        let generations: serde_json::Value = serde_json::from_slice(&generations.body)?;
        if let Some(previous) = generations["previous"].as_u64() {
            // It may have left the history by now.
            self.admin("POST", &format!("/v1/generations/{previous}/rollback"), &[200, 404])?;
            self.admin("POST", "/v1/resume", &[200])?;
        }
        Ok(())
    }

    fn admin(&mut self, method: &str, path: &str, expected: &[u16]) -> Result<()> {
        let answer = self.admin.send(method, path, b"")?;
        let body = String::from_utf8_lossy(&answer.body);
        ensure!(
            expected.contains(&answer.status),
            "{method} {path}: expected one of {expected:?}, found {} {body:.300}",
            answer.status
        );
        Ok(())
    }
}
