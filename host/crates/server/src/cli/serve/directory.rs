//! `directory`

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use plugbay::config::{ListenAddress, Rate, TlsSettings};
use plugbay_discovery::dns::Zone;
use plugbay_discovery::{LiveDirectory, LiveSettings, SqliteStore};
use plugbay_server::{DirectoryDns, DirectoryServer, DirectorySettings, raise_descriptor_limit};
use serde_json::json;

use super::signals::Signals;
use crate::cli::directory_file::FileCommand;
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
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  plugbay directory
  plugbay directory --data directory.db --dns 127.0.0.1:8600
  plugbay directory backup --data directory.db backup.db
  plugbay token new web --grants register:web-*,read:* --file tokens > web.token
  plugbay directory --listen 0.0.0.0:7072 --tokens tokens --certificate tls.pem --key tls.key")]
pub(in crate::cli) struct Directory {
    #[command(subcommand)]
    file: Option<FileCommand>,
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
    /// The most requests with one token, such as 500/s; "" is no limit
    #[arg(long, value_name = "RATE", default_value = "10000/s")]
    rate: Rate,
    /// The most registrations and removals with one token
    #[arg(long, value_name = "RATE", default_value = "1000/s")]
    change_rate: Rate,
    /// The interval at which endpoints are removed whose lease ran out; clients do not see them before, either
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = interval)]
    sweep: Duration,
    /// Where it also answers DNS, by UDP and TCP; an address of this machine
    #[arg(long, value_name = "ADDRESS")]
    dns: Option<SocketAddr>,
    /// The zone of the names: a service is NAME.service.ZONE
    #[arg(long, value_name = "NAME", requires = "dns", default_value = "plugbay", value_parser = zone)]
    zone: Zone,
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

fn zone(name: &str) -> Result<Zone, String> {
    Zone::new(name).map_err(|error| error.to_string())
}

impl Directory {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        if let Some(file) = &self.file {
            return file.run(globals);
        }
        if let Err(error) = raise_descriptor_limit() {
            tracing::warn!(%error, "cannot raise the limit of open descriptors");
        }
        let settings = DirectorySettings {
            listen: self.listen.clone(),
            tokens: self.tokens.clone(),
            tls: self.tls(),
            rate: self.rate,
            change_rate: self.change_rate,
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
        source::runtime()?.block_on(self.serve(directory, &settings, globals))
    }

    async fn serve(
        &self,
        directory: LiveDirectory,
        settings: &DirectorySettings,
        globals: &Globals,
    ) -> Result<Outcome, Failure> {
        let mut signals = Signals::listen()?;
        // First, so that nobody registers at a directory that then does not start.
        let dns = match self.dns {
            Some(address) => {
                Some(DirectoryDns::bind(directory.clone(), address, self.zone.clone()).await?)
            }
            None => None,
        };
        let server = DirectoryServer::bind(directory, settings)?;
        self.print(&server, dns.as_ref(), globals)?;
        signals.stop().await;
        if let Some(dns) = dns {
            dns.stop().await;
        }
        server.stop(DRAIN).await;
        Ok(Outcome::Done)
    }

    /// Says where it listens.
    fn print(
        &self,
        server: &DirectoryServer,
        dns: Option<&DirectoryDns>,
        globals: &Globals,
    ) -> Result<(), Failure> {
        let zone = self.zone.to_string();
        if globals.json {
            let mut serving = json!({ "type": "serving", "directory": server.addresses() });
            if let Some(dns) = dns {
                serving["dns"] = json!({ "address": dns.address(), "zone": zone });
            }
            print::line(&serving.to_string())?;
            return Ok(());
        }
        let scheme = if self.certificate.is_some() { "https" } else { "http" };
        for address in server.addresses() {
            match address.tcp() {
                Some(address) => print::line(&format!("directory  {scheme}://{address}"))?,
                None => print::line(&format!("directory  {address}"))?,
            }
        }
        if let Some(dns) = dns {
            let zone = zone.trim_end_matches('.');
            print::line(&format!("dns        {}, NAME.service.{zone}", dns.address()))?;
        }
        Ok(())
    }

    fn tls(&self) -> Option<TlsSettings> {
        let (certificate, key) = self.certificate.clone().zip(self.key.clone())?;
        Some(TlsSettings { certificate, key, ..TlsSettings::default() })
    }
}
