//! `directory`

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use plugbay::config::{ListenAddress, TlsSettings};
use plugbay_discovery::{LiveDirectory, LiveSettings, SqliteStore};
use plugbay_server::{DirectoryServer, DirectorySettings, raise_descriptor_limit};
use serde_json::json;

use super::signals::Signals;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::{print, source};

/// How long requests in flight may take after a signal to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// Serves a directory of services: processes register their endpoints, others look them up and watch them
///
/// Without --data it is in memory, and empty after a restart. Without --tokens everybody who reaches it may do
/// everything, so that it listens on this machine only; beyond it, it needs tokens and a certificate. SIGTERM and
/// ctrl-c stop it. docs/directory.md has the API.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay directory
  plugbay directory --data directory.db
  plugbay token new web --grants register:web-*,read:* --file tokens > web.token
  plugbay directory --listen 0.0.0.0:7072 --tokens tokens --certificate tls.pem --key tls.key")]
pub(in crate::cli) struct Directory {
    /// Where it listens; may be repeated
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7072", value_parser = address)]
    listen: Vec<ListenAddress>,
    /// The file that keeps the endpoints across restarts, which is made if there is none
    #[arg(long, value_name = "FILE")]
    data: Option<PathBuf>,
    /// The file of the hashes of tokens; `plugbay token new NAME --grants GRANTS` adds one
    #[arg(long, value_name = "FILE")]
    tokens: Option<PathBuf>,
    /// The certificate, as PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    certificate: Option<PathBuf>,
    /// Its private key, as PEM
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// The interval at which endpoints are removed whose lease ran out; clients do not see them before, either
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    sweep: Duration,
}

fn address(text: &str) -> Result<ListenAddress, String> {
    text.parse().map_err(|error: plugbay::config::ListenAddressError| error.to_string())
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    if (Duration::from_millis(10)..=Duration::from_secs(60)).contains(&interval) {
        return Ok(interval);
    }
    Err("expected 10ms to 60s".into())
}

impl Directory {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        if let Err(error) = raise_descriptor_limit() {
            tracing::warn!(%error, "cannot raise the limit of open descriptors");
        }
        let settings = DirectorySettings {
            listen: self.listen.clone(),
            tokens: self.tokens.clone(),
            tls: self.tls(),
        };
        let mut live = LiveSettings::default();
        live.sweep = self.sweep;
        if settings.is_local() {
            live.checks = live.checks.with_loopback();
        }
        let directory = match &self.data {
            None => LiveDirectory::in_memory(live),
            Some(file) => {
                let failed = |error: &dyn std::fmt::Display| {
                    Failure::new(format!("cannot use {}: {error}", file.display()))
                };
                let store = SqliteStore::open(file).map_err(|error| failed(&error))?;
                LiveDirectory::open(live, Box::new(store)).map_err(|error| failed(&error))?
            }
        };
        source::runtime()?.block_on(serve(directory, &settings, globals))
    }

    fn tls(&self) -> Option<TlsSettings> {
        let (certificate, key) = self.certificate.clone().zip(self.key.clone())?;
        Some(TlsSettings { certificate, key, ..TlsSettings::default() })
    }
}

async fn serve(
    directory: LiveDirectory,
    settings: &DirectorySettings,
    globals: &Globals,
) -> Result<Outcome, Failure> {
    let mut signals = Signals::listen()?;
    let server = DirectoryServer::bind(directory, settings)?;
    if globals.json {
        let serving = json!({ "type": "serving", "directory": server.addresses() });
        print::line(&serving.to_string())?;
    } else {
        let scheme = if settings.tls.is_some() { "https" } else { "http" };
        for address in server.addresses() {
            match address.tcp() {
                Some(address) => print::line(&format!("directory  {scheme}://{address}"))?,
                None => print::line(&format!("directory  {address}"))?,
            }
        }
    }
    signals.stop().await;
    server.stop(DRAIN).await;
    Ok(Outcome::Done)
}
