//! `up`

use std::time::Duration;

use clap::Args;
use plugbay::{Host, Outcome as Happened};
use plugbay_server::log::LogTail;
use plugbay_server::{
    Exporter, HostedDirectory, Server, Stopped, raise_descriptor_limit, span_exporter,
};
use tokio::task::JoinSet;

use super::console::Console;
use super::inherited::Inherited;
use super::manager::Manager;
use super::signals::{Signal, Signals};
use super::upgrading::{Step, Upgrading};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::source;
use crate::cli::source::Progress;

/// How long the last spans may take to be sent when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// The variable with the token for the directory of `discovery.directory`.
const DIRECTORY_TOKEN: &str = "PLUGBAY_DIRECTORY_TOKEN";

/// Serves the plugins, and watches the folder and the configuration
///
/// SIGTERM and ctrl-c stop it: accepted requests are answered within host.drain. A second signal
/// ends the process at once. SIGHUP reloads the folder and the configuration now. SIGUSR2 replaces the
/// process by a new one of the program on disk, without refusing a connection. Under systemd
/// (Type=notify-reload) it reports when it is ready, reloads, stops or is replaced, feeds the watchdog,
/// and takes the sockets of a socket unit.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay up
  plugbay up --set host.plugins=/srv/plugins --set server.listen=0.0.0.0:7070
  plugbay up --json                   prints a line of JSON when it serves, and one per event")]
pub(in crate::cli) struct Up {
    /// Replaces the process at the other end of the standard input
    #[arg(long, hide = true)]
    take_over: bool,
}

impl Up {
    /// A host that replaces no other process.
    pub(in crate::cli) fn here() -> Self {
        Self { take_over: false }
    }

    /// What comes before all else: it may start this program again, in this process.
    pub(in crate::cli) fn first() {
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        super::heap::give_back();
    }

    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        Self::first();
        let inherited = Inherited::find(self.take_over)?;
        let console = Console::new(globals)?;
        let log = console.log();
        let tail = LogTail::default();
        globals.log_and_keep(move || log.clone(), tail.clone())?;
        if let Err(error) = raise_descriptor_limit() {
            tracing::warn!(%error, "cannot raise the limit of open descriptors");
        }
        let runtime = source::runtime()?;
        let outcome = runtime.block_on(serve(globals, &console, tail, inherited));
        console.flush();
        let code = match outcome {
            Ok(outcome) => outcome.code(),
            Err(failure) => failure.report(globals.json),
        };
        end(code)
    }
}

/// Ends the process without running destructors, because a native library whose code hangs could
/// block them forever.
#[cfg(unix)]
fn end(code: u8) -> Result<Outcome, Failure> {
    signal_hook::low_level::exit(code.into())
}

#[cfg(not(unix))]
fn end(code: u8) -> Result<Outcome, Failure> {
    Err(Failure::already_printed(code))
}

async fn serve(
    globals: &Globals,
    console: &Console,
    tail: LogTail,
    mut inherited: Inherited,
) -> Result<Outcome, Failure> {
    let mut signals = Signals::listen()?;
    let layers = globals.layers().keep_last();
    // It may wait for a file that is being saved.
    let loading = tokio::task::spawn_blocking({
        let layers = layers.clone();
        move || layers.load_to_start()
    });
    let config = tokio::select! {
        config = loading => config.map_err(|error| Failure::new(error.to_string()))??,
        () = signals.stop() => return Ok(Outcome::Done),
    };
    let exporter = span_exporter(&config.telemetry).map_err(|error| {
        Failure::new(error.to_string()).hint("see [telemetry] in the configuration")
    })?;
    let builder = source::builder().layers(layers);
    let builder = match &exporter {
        Some(exporter) => builder.spans(exporter.sink()),
        None => builder,
    };
    let listeners = inherited.bind(&config)?;
    let listening = match inherited.predecessor {
        None => Server::listen(listeners, builder.liveness())?,
        Some(_) => Server::take_over(listeners, builder.liveness())?,
    }
    .logs(tail);
    let (listening, upgrades) = listening.upgrades();
    let progress = Progress::new(globals);
    let preparing = progress.around("loading plugins", builder.build());
    let host = tokio::select! {
        host = preparing => host?,
        () = signals.stop() => return Ok(Outcome::Done),
    };
    // Never dropped: `stop` shuts the plugins down or gives them up at the deadline, and dropping
    // the host would wait for them once more.
    std::mem::forget(host.clone());
    if let Some(exporter) = &exporter {
        // No other collector of this program has these names.
        let _ = host.collectors().register("spans", exporter.collector());
    }
    let events = host.subscribe();
    let server = listening.serve(host.clone())?;
    let token = std::env::var(DIRECTORY_TOKEN).ok().filter(|token| !token.trim().is_empty());
    let data = server.data_addresses();
    let directory = HostedDirectory::start(&host, data, token.as_deref()).await?;
    if let Some(directory) = &directory {
        server.show_services(directory);
    }
    console.announce(&server, directory.as_ref());
    for event in host.start_alarms() {
        if let Happened::LastConfig { .. } = event.outcome {
            // The library's own warnings are not shown by default, because `up` prints its events.
            tracing::warn!(target: "plugbay_server", "{}", event.outcome);
        }
    }
    if let Some(predecessor) = inherited.predecessor {
        predecessor.serves()?;
    }
    let mut serving = Serving {
        host,
        events,
        console,
        manager: Manager::new(),
        upgrades: Upgrading::new(upgrades),
    };
    serving.manager.ready(&serving.host);
    let end = serving.until_end(&mut signals, &server).await;
    let stopped = serving.stop(server, directory, end).await;
    console.print_stopped(stopped);
    if let Some(exporter) = exporter {
        send_last(exporter).await;
    }
    Ok(Outcome::Done)
}

/// A host that serves, and what follows its events.
struct Serving<'a> {
    host: Host,
    events: plugbay::Events,
    console: &'a Console,
    manager: Manager,
    upgrades: Upgrading,
}

/// Why a process ends.
enum End {
    /// A signal.
    Stopped,
    /// This process serves in its place.
    Replaced(u32),
}

impl Serving<'_> {
    /// Prints the events and follows the signals until one of them ends this process.
    async fn until_end(&mut self, signals: &mut Signals, server: &Server) -> End {
        let mut reloads = JoinSet::new();
        loop {
            tokio::select! {
                Some(event) = self.events.recv() => {
                    self.console.print_event(&event);
                    self.manager.ready(&self.host);
                }
                signal = signals.next() => match signal {
                    Signal::Stop => return End::Stopped,
                    Signal::Reload => {
                        self.console.print_line("reloading the folder and the configuration");
                        Manager::reloading();
                        let host = self.host.clone();
                        reloads.spawn(async move { host.reload().await });
                    }
                    #[cfg(unix)]
                    Signal::Upgrade => self.upgrade(server),
                },
                Some(_report) = reloads.join_next() => self.manager.reloaded(&self.host),
                step = self.upgrades.next() => match step {
                    Step::Asked => self.upgrade(server),
                    Step::Served(pid) => return End::Replaced(pid),
                    Step::Failed(error) => self.not_upgraded(error),
                },
                () = self.manager.tick() => Manager::alive(&self.host),
            }
        }
    }

    /// Starts the process that replaces this one, unless one is starting.
    fn upgrade(&mut self, server: &Server) {
        let limit = self.host.config().host.stall_timeout;
        match self.upgrades.start(server, limit) {
            Ok(Some(pid)) => self.console.print_upgrading(pid),
            Ok(None) => self.console.print_line("still waiting for the new process"),
            Err(error) => self.not_upgraded(error),
        }
    }

    fn not_upgraded(&mut self, error: String) {
        self.console.print_not_upgraded(&error);
        tracing::warn!(target: "plugbay_server", error, "not upgraded: this process serves on");
        self.upgrades.answer(&Err(error));
    }

    /// Ends the server, and prints the events until then.
    async fn stop(
        &mut self,
        server: Server,
        mut directory: Option<HostedDirectory>,
        end: End,
    ) -> Stopped {
        let drain = self.host.config().host.drain;
        match end {
            End::Stopped => Manager::stopping(),
            End::Replaced(pid) => {
                Manager::replaced(pid);
                self.console.print_upgraded(pid);
            }
        }
        let line = format!("stopping: up to {} for requests in flight", seconds(drain));
        self.console.print_line(&line);
        let stop = async {
            if let Some(directory) = &mut directory {
                match end {
                    // First, so that clients look elsewhere before requests are refused.
                    End::Stopped => directory.leave().await,
                    End::Replaced(_) => directory.hand_over().await,
                }
            }
            let stopped = match end {
                End::Stopped => server.stop(drain).await,
                End::Replaced(_) => server.hand_over(drain).await,
            };
            if let Some(directory) = directory {
                directory.stop(drain).await;
            }
            stopped
        };
        let mut stop = std::pin::pin!(stop);
        let stopped = loop {
            tokio::select! {
                stopped = &mut stop => break stopped,
                Some(event) = self.events.recv() => self.console.print_event(&event),
                () = self.manager.tick() => Manager::alive(&self.host),
            }
        };
        while let Some(event) = self.events.try_recv() {
            self.console.print_event(&event);
        }
        stopped
    }
}

/// Sends the spans that wait.
async fn send_last(exporter: Exporter) {
    // A panic of it would end with the process.
    let _ = tokio::task::spawn_blocking(move || exporter.stop(LAST_SPANS)).await;
}

fn seconds(duration: Duration) -> String {
    if duration.subsec_millis() == 0 {
        format!("{} s", duration.as_secs())
    } else {
        format!("{} ms", duration.as_millis())
    }
}
