//! `up`

use std::net::SocketAddr;
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use clap::Args;
use plugbay::{Event, Status};
use plugbay_server::{Server, Stopped};
use serde_json::json;

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::manager::Manager;
use super::source::Progress;
use super::{print, source};

/// Serves the plugins, and watches the folder and the configuration
///
/// SIGTERM and ctrl-c stop it: what was accepted is answered within host.drain. A second signal
/// ends it at once. SIGHUP has it look at the folder and the configuration now. Under systemd
/// (Type=notify-reload) it says when it is ready, reloads and stops, and feeds the watchdog.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay up
  plugbay up --set host.plugins=/srv/plugins --set server.listen=0.0.0.0:7070
  plugbay up --json                   one line of JSON when it serves, and one for each event")]
pub(super) struct Up {}

impl Up {
    #[expect(clippy::unused_self, reason = "every subcommand has this shape")]
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        // Dropped without waiting: at the end nothing is left that must be finished.
        let runtime = source::runtime()?;
        let outcome = runtime.block_on(serve(globals));
        runtime.shutdown_background();
        outcome
    }
}

async fn serve(globals: &Globals) -> Result<Outcome, Failure> {
    let mut signals = Signals::listen()?;
    let layers = globals.layers();
    let config = layers.load()?;
    let listening = Server::bind(&config).await?;
    let progress = Progress::new(globals);
    let preparing = progress.around("preparing plugins", source::builder().layers(layers).build());
    let host = tokio::select! {
        host = preparing => host?,
        () = signals.stop() => return Ok(Outcome::Done),
    };
    let mut events = host.subscribe();
    let server = listening.serve(host.clone());
    announce(globals, &server)?;
    let mut manager = Manager::new();
    manager.ready(&host);
    let mut reloads = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Some(event) = events.recv() => {
                tell(globals, &event)?;
                manager.ready(&host);
            }
            signal = signals.next() => match signal {
                Signal::Stop => break,
                Signal::Reload => {
                    say(globals, "looking at the folder and the configuration")?;
                    Manager::reloading();
                    let host = host.clone();
                    reloads.spawn(async move { host.reload().await });
                }
            },
            Some(_report) = reloads.join_next() => manager.reloaded(&host),
            () = manager.tick() => Manager::alive(&host),
        }
    }
    Manager::stopping();
    let drain = host.config().host.drain;
    say(globals, &format!("stopping: up to {} for what is under way", seconds(drain)))?;
    let mut end = std::pin::pin!(server.stop(drain));
    let stopped = loop {
        tokio::select! {
            stopped = &mut end => break stopped,
            Some(event) = events.recv() => tell(globals, &event)?,
            () = signals.stop() => {
                say(globals, "stopped at once")?;
                return Ok(Outcome::No);
            }
        }
    };
    while let Some(event) = events.try_recv() {
        tell(globals, &event)?;
    }
    if globals.json {
        print::json_line(&json!({ "type": "stopped", "cut_off": stopped.cut_off }))?;
    }
    match stopped {
        Stopped { cut_off: 0 } => say(globals, "stopped")?,
        Stopped { cut_off } => {
            say(globals, &format!("stopped; {cut_off} connections were cut off"))?;
        }
    }
    Ok(Outcome::Done)
}

/// SIGTERM, ctrl-c and SIGHUP.
struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
}

impl Signals {
    #[cfg(unix)]
    fn listen() -> Result<Self, Failure> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// The next one.
    #[cfg(unix)]
    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Stop,
            _ = self.interrupt.recv() => Signal::Stop,
            _ = self.hangup.recv() => Signal::Reload,
        }
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "listening can fail elsewhere")]
    fn listen() -> Result<Self, Failure> {
        Ok(Self {})
    }

    #[cfg(not(unix))]
    async fn next(&mut self) -> Signal {
        // No handler, no signal: the system's own way to end the process is left.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Stop
    }

    /// The next that ends the host, where there is nothing to reload.
    async fn stop(&mut self) {
        while self.next().await != Signal::Stop {}
    }
}

/// What a signal asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Signal {
    Stop,
    Reload,
}

/// Prints what is served and where.
fn announce(globals: &Globals, server: &Server) -> Result<(), Failure> {
    let status = server.host().status();
    let (data, admin) = (server.data_address(), server.admin_address());
    if globals.json {
        let serving = json!({
            "type": "serving", "data": data, "admin": admin, "status": status,
        });
        return Ok(print::json_line(&serving)?);
    }
    let config = server.host().config();
    let mut places = vec![vec!["serving".to_owned(), url(data)]];
    places.extend(admin.map(|admin| vec!["admin".to_owned(), url(admin)]));
    places.push(vec!["watching".to_owned(), config.host.plugins.display().to_string()]);
    let places = places.iter().map(|place| format!("{:<10}{}", place[0], print::plain(&place[1])));
    print::line(&places.collect::<Vec<_>>().join("\n"))?;
    for part in [plugins(&status), routes(&status), rejected(&status)].into_iter().flatten() {
        print::line(&format!("\n{part}"))?;
    }
    Ok(print::line("")?)
}

fn url(address: SocketAddr) -> String {
    format!("http://{address}")
}

fn plugins(status: &Status) -> Option<String> {
    let rows = status.plugins.iter().map(|plugin| {
        vec![
            plugin.name.clone(),
            plugin.version.clone(),
            plugin.form.to_owned(),
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

/// Prints an event: a line.
fn tell(globals: &Globals, event: &Event) -> Result<(), Failure> {
    if globals.json {
        let event = serde_json::to_value(event).map(|mut event| {
            event["type"] = "event".into();
            event
        });
        return Ok(print::json_line(&event.unwrap_or_default())?);
    }
    let dim = Style::new().dimmed();
    let word = match &event.outcome {
        plugbay::Outcome::Rejected { .. } => Style::new().fg_color(Some(AnsiColor::Red.into())),
        alarming if alarming.is_alarming() => Style::new().fg_color(Some(AnsiColor::Yellow.into())),
        _ => Style::new(),
    };
    let text = event.outcome.to_string();
    let text = print::plain(&text);
    let generation = event.generation;
    Ok(print::line(&format!("{dim}generation {generation}{dim:#}  {word}{text}{word:#}"))?)
}

/// Prints a line for people.
fn say(globals: &Globals, text: &str) -> Result<(), Failure> {
    if globals.json {
        return Ok(());
    }
    Ok(print::line(text)?)
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
