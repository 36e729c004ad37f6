//! Prints the output of `up`: the addresses, each event, and the end.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};
use plugbay::{Event, Status};
use plugbay_server::{Server, Stopped};
use serde::Serialize;
use serde_json::json;

use super::writer::NonBlockingWriter;
use crate::cli::globals::Globals;
use crate::cli::print;

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
            log: NonBlockingWriter::new(io::stderr(), |lost| {
                format!("{lost} log entries were dropped: the reader was too slow\n")
            })?,
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

    /// Prints the addresses, the plugins, the routes and the rejections.
    pub(super) fn announce(&self, server: &Server) {
        let status = server.host().status();
        let (data, admin) = (server.data_address(), server.admin_address());
        if self.json {
            let serving = json!({
                "type": "serving", "data": data, "admin": admin, "status": status,
            });
            return self.out.push(json_line(&serving));
        }
        let config = server.host().config();
        let mut places = vec![("serving", url(data))];
        places.extend(admin.map(|admin| ("admin", url(admin))));
        places.push(("watching", config.host.plugins.display().to_string()));
        let places = places.iter().map(|(what, at)| format!("{what:<10}{}\n", print::plain(at)));
        let mut text: String = places.collect();
        for part in [plugins(&status), routes(&status), rejected(&status)].into_iter().flatten() {
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
        let text = event.outcome.to_string();
        let text = print::plain(&text);
        let generation = event.generation;
        self.out.push(format!("{dim}generation {generation}{dim:#}  {color}{text}{color:#}\n"));
    }

    /// Prints a line, unless the output is JSON.
    pub(super) fn print_line(&self, text: &str) {
        if !self.json {
            self.out.push(format!("{text}\n"));
        }
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

fn json_line(value: &impl Serialize) -> String {
    let line = serde_json::to_string(value);
    line.unwrap_or_else(|error| json!({ "type": "error", "error": error.to_string() }).to_string())
        + "\n"
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn plugins(status: &Status) -> Option<String> {
    let rows = status.plugins.iter().map(|plugin| {
        vec![
            plugin.name.clone(),
            plugin.version.clone(),
            plugin.form.to_string(),
            plugin.capabilities.join(" "),
        ]
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| print::table(&["plugin", "version", "form", "capabilities"], rows))
}

fn routes(status: &Status) -> Option<String> {
    let rows = status.routes.iter().map(|route| {
        let methods =
            if route.methods.is_empty() { "any".to_owned() } else { route.methods.join(" ") };
        let handler = if route.serves {
            route.handler.clone()
        } else {
            format!("{} (missing)", route.handler)
        };
        vec![route.path.clone(), methods, handler]
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| print::table(&["route", "methods", "handler"], rows))
}

fn rejected(status: &Status) -> Option<String> {
    let rows = status.rejected.iter().map(|refused| {
        vec![refused.source.clone(), refused.reason.to_string(), refused.message.clone()]
    });
    let rows: Vec<_> = rows.collect();
    (!rows.is_empty()).then(|| print::table(&["refused", "reason", "message"], rows))
}
