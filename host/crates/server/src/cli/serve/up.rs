//! `up`

use std::time::Duration;

use clap::Args;
use plugbay_server::{Exporter, Server, raise_descriptor_limit, span_exporter};

use super::console::Console;
use super::manager::Manager;
use super::signals::{Signal, Signals};
use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::source;
use crate::cli::source::Progress;

/// How long the last spans may take to be sent when the process ends.
const LAST_SPANS: Duration = Duration::from_secs(2);

/// Serves the plugins, and watches the folder and the configuration
///
/// SIGTERM and ctrl-c stop it: accepted requests are answered within host.drain. A second signal
/// ends the process at once. SIGHUP reloads the folder and the configuration now. Under systemd
/// (Type=notify-reload) it reports when it is ready, reloads and stops, and feeds the watchdog.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay up
  plugbay up --set host.plugins=/srv/plugins --set server.listen=0.0.0.0:7070
  plugbay up --json                   prints a line of JSON when it serves, and one per event")]
pub(in crate::cli) struct Up {}

impl Up {
    #[expect(clippy::unused_self, reason = "every subcommand has this shape")]
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let console = Console::new(globals)?;
        let log = console.log();
        globals.log(move || log.clone())?;
        #[cfg(all(target_os = "linux", target_env = "gnu"))]
        super::heap::give_back();
        if let Err(error) = raise_descriptor_limit() {
            tracing::warn!(%error, "cannot raise the limit of open descriptors");
        }
        let runtime = source::runtime()?;
        let outcome = runtime.block_on(serve(globals, &console));
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

async fn serve(globals: &Globals, console: &Console) -> Result<Outcome, Failure> {
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
    let listening = Server::bind(&config, builder.liveness())?;
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
    let mut events = host.subscribe();
    let server = listening.serve(host.clone())?;
    console.announce(&server);
    for event in host.start_alarms() {
        if let plugbay::Outcome::LastConfig { .. } = event.outcome {
            // The library's own warnings are not shown by default, because `up` prints its events.
            tracing::warn!(target: "plugbay_server", "{}", event.outcome);
        }
    }
    let mut manager = Manager::new();
    manager.ready(&host);
    let mut reloads = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            Some(event) = events.recv() => {
                console.print_event(&event);
                manager.ready(&host);
            }
            signal = signals.next() => match signal {
                Signal::Stop => break,
                Signal::Reload => {
                    console.print_line("reloading the folder and the configuration");
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
    console.print_line(&format!("stopping: up to {} for requests in flight", seconds(drain)));
    let mut end = std::pin::pin!(server.stop(drain));
    let stopped = loop {
        tokio::select! {
            stopped = &mut end => break stopped,
            Some(event) = events.recv() => console.print_event(&event),
            () = manager.tick() => Manager::alive(&host),
        }
    };
    while let Some(event) = events.try_recv() {
        console.print_event(&event);
    }
    console.print_stopped(stopped);
    if let Some(exporter) = exporter {
        send_last(exporter).await;
    }
    Ok(Outcome::Done)
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
