//! Prints the output of `up`: the addresses, each event, and the end.

use std::io;
use std::time::{Duration, Instant, SystemTime};

use anstyle::{AnsiColor, Style};
use plugbay::config::ListenAddress;
use plugbay::{Event, Reason, escaped};
use plugbay_server::log::LogFormat;
use plugbay_server::{HostedDirectory, Server, Stopped};
use serde::Serialize;
use serde_json::json;

use super::writer::NonBlockingWriter;
use crate::cli::globals::Globals;
use crate::cli::{print, tables};

/// The longest time that a reader that stopped reading may delay the end of the process.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(1);

/// Stdout and the log of a host.
pub(super) struct Console {
    json: bool,
    out: NonBlockingWriter,
    log: NonBlockingWriter,
}

impl Console {
    pub(super) fn new(globals: &Globals) -> io::Result<Self> {
        let lost: fn(u64) -> String = if globals.json {
            |lost| json_line(&json!({ "type": "lost", "lines": lost }))
        } else {
            |lost| format!("{lost} lines were dropped: the reader was too slow\n")
        };
        Ok(Self {
            json: globals.json,
            out: NonBlockingWriter::new(anstream::stdout(), lost)?,
            log: NonBlockingWriter::new(io::stderr(), lost_entries(globals.log_format()))?,
        })
    }

    /// The writer of the log.
    pub(super) fn log(&self) -> NonBlockingWriter {
        self.log.clone()
    }

    /// Waits until the readers have read everything, for a second at most.
    pub(super) fn flush(&self) {
        let end = Instant::now() + FLUSH_TIMEOUT;
        for writer in [&self.out, &self.log] {
            writer.flush(end.saturating_duration_since(Instant::now()));
        }
    }

    /// Prints the addresses, the plugins, the routes, the rejections, and what else needed attention at
    /// the start.
    pub(super) fn announce(&self, server: &Server, directory: Option<&HostedDirectory>) {
        self.announce_status(server, directory);
        // The rejections are in the status.
        let is_shown = |event: &Event| matches!(event.outcome, plugbay::Outcome::Rejected { .. });
        let alarms = server.host().start_alarms();
        alarms.iter().filter(|event| !is_shown(event)).for_each(|event| self.print_event(event));
    }

    fn announce_status(&self, server: &Server, directory: Option<&HostedDirectory>) {
        let status = server.host().status();
        let (data, admin) = (server.data_addresses(), server.admin_addresses());
        let dns = directory.and_then(HostedDirectory::dns);
        let directory = directory.map_or(&[][..], HostedDirectory::addresses);
        if self.json {
            let serving = json!({
                "type": "serving", "data": data.first(), "admin": admin.first(),
                "listening": { "data": data, "admin": admin, "directory": directory, "dns": dns },
                "status": status,
            });
            return self.out.push(json_line(&serving));
        }
        let config = server.host().config();
        let has_tls = [config.server.tls.is_some(), config.admin.tls.is_some()];
        let data = data.iter().map(|address| ("serving", url(address, has_tls[0])));
        let admin = admin.iter().map(|address| ("admin", url(address, has_tls[1])));
        let has_tls = config.discovery.tls.is_some();
        let directory = directory.iter().map(|address| ("directory", url(address, has_tls)));
        let dns = dns.iter().map(|address| ("dns", address.to_string()));
        let mut places: Vec<_> = data.chain(admin).chain(directory).chain(dns).collect();
        let how = if status.watch_error.is_none() { "watching" } else { "polling" };
        places.push((how, config.host.plugins.display().to_string()));
        let places = places.iter().map(|(what, at)| format!("{what:<10}{}\n", escaped(&**at)));
        let mut text: String = places.collect();
        for part in tables::of(&status) {
            text.extend(["\n", part.as_str(), "\n"]);
        }
        self.out.push(text + "\n");
    }

    /// Prints an event as one line.
    pub(super) fn print_event(&self, event: &Event) {
        if self.json {
            let event = serde_json::to_value(event).map(|mut event| {
                event["type"] = "event".into();
                event
            });
            return self.out.push(json_line(&event.unwrap_or_default()));
        }
        let dim = Style::new().dimmed();
        let color = match &event.outcome {
            plugbay::Outcome::Rejected { .. } => Style::new().fg_color(Some(AnsiColor::Red.into())),
            alarming if alarming.is_alarming() => {
                Style::new().fg_color(Some(AnsiColor::Yellow.into()))
            }
            _ => Style::new(),
        };
        let text = match &event.outcome {
            // It shows the places of the mistakes in the configuration, in lines of its own.
            outcome @ plugbay::Outcome::Rejected { reason: Reason::Config, .. } => {
                print::lines(&outcome.to_string()).replace('\n', "\n    ")
            }
            outcome => escaped(outcome.to_string()).into_owned(),
        };
        let generation = event.generation;
        self.out.push(format!("{dim}generation {generation}{dim:#}  {color}{text}{color:#}\n"));
    }

    /// Prints a line, unless the output is JSON.
    pub(super) fn print_line(&self, text: &str) {
        if !self.json {
            self.out.push(format!("{text}\n"));
        }
    }

    /// Prints that a process starts that will replace this one.
    pub(super) fn print_upgrading(&self, pid: u32) {
        self.print_of_process("upgrading", pid, "starts");
    }

    /// Prints that another process has replaced this one.
    pub(super) fn print_upgraded(&self, pid: u32) {
        self.print_of_process("upgraded", pid, "serves");
    }

    fn print_of_process(&self, step: &str, pid: u32, does: &str) {
        if self.json {
            return self.out.push(json_line(&json!({ "type": step, "process": pid })));
        }
        self.print_line(&format!("{step}: process {pid} {does}"));
    }

    /// Prints why no other process took over.
    pub(super) fn print_not_upgraded(&self, error: &str) {
        if self.json {
            return self.out.push(json_line(&json!({ "type": "not-upgraded", "error": error })));
        }
        self.print_line(&format!("not upgraded: {}", escaped(error)));
    }

    /// Prints how the server stopped.
    pub(super) fn print_stopped(&self, stopped: Stopped) {
        match stopped {
            Stopped { cut_off } if self.json => {
                self.out.push(json_line(&json!({ "type": "stopped", "cut_off": cut_off })));
            }
            Stopped { cut_off: 0 } => self.print_line("stopped"),
            Stopped { cut_off } => {
                self.print_line(&format!("stopped; {cut_off} connections were cut off"));
            }
        }
    }
}

/// The note in the log about entries that were dropped.
fn lost_entries(format: LogFormat) -> fn(u64) -> String {
    match format {
        LogFormat::Text => {
            |lost| format!("{lost} log entries were dropped: the reader was too slow\n")
        }
        LogFormat::Json => |lost| {
            let now = plugbay::timestamp::text(SystemTime::now());
            json_line(&json!({
                "timestamp": now, "level": "WARN", "target": "plugbay_server::log", "lost": lost,
                "message": "log entries were dropped: the reader was too slow",
            }))
        },
    }
}

fn json_line(value: &impl Serialize) -> String {
    let line = serde_json::to_string(value);
    line.unwrap_or_else(|error| json!({ "type": "error", "error": error.to_string() }).to_string())
        + "\n"
}

fn url(address: &ListenAddress, has_tls: bool) -> String {
    match address.tcp() {
        Some(address) if has_tls => format!("https://{address}"),
        Some(address) => format!("http://{address}"),
        None => address.to_string(),
    }
}
