//! The command line as a whole, and which subcommand runs.

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::{
    actions, audit, author, call, change, check, completions, config, convert, events, generations,
    inspect, list, logs, serve, services, status, token, top, trace, upgrade, version, weights,
};

/// Serves plugins - WASM components and linked crates - and replaces them while they serve.
///
/// Drop a plugin into the folder, and it is loaded; save the configuration, and it is applied. A
/// plugin that is refused is listed with the reason, and its last good version keeps running.
#[derive(Parser)]
#[command(
    name = "plugbay",
    version = env!("BUILD_VERSION"),
    propagate_version = false,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Examples:
  plugbay up                               serve ./plugins and watch it
  plugbay list codecs                      the available codecs, one name per line
  printf '{\"a\":1}' | plugbay convert --from json --to msgpack
  plugbay check target/my_plugin.wasm      would the host load this?
  plugbay new lines                        make a plugin: then `plugbay dev` in its folder

Exit codes: 0 done, 1 failed, 2 the command line or the configuration is wrong."
)]
pub(super) struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Up(serve::Up),
    Directory(Box<serve::Directory>),
    Services(services::Services),
    List(list::List),
    Inspect(inspect::Inspect),
    Check(check::Check),
    New(author::New),
    #[command(subcommand)]
    Kind(author::KindCommand),
    Build(author::Build),
    Test(author::Test),
    Dev(author::Dev),
    Bench(author::Bench),
    Explain(author::Explain),
    Call(call::Call),
    Convert(convert::Convert),
    Status(status::Status),
    Reload(status::Reload),
    Generations(generations::Generations),
    Diff(change::Diff),
    Rollback(generations::Rollback),
    Resume(generations::Resume),
    Enable(actions::Enable),
    Disable(actions::Disable),
    Restart(actions::Restart),
    Drain(actions::Drain),
    Breaker(actions::Breaker),
    Weights(weights::Weights),
    Upgrade(upgrade::Upgrade),
    Events(events::Events),
    Logs(logs::Logs),
    Top(top::Top),
    Trace(trace::Trace),
    #[command(subcommand)]
    Token(token::TokenCommand),
    #[command(subcommand)]
    Audit(audit::AuditCommand),
    #[command(subcommand)]
    Config(config::ConfigCommand),
    Version(version::Version),
    Completions(completions::Completions),
}

/// Runs the command line of this process.
pub(crate) fn run() -> ExitCode {
    let cli = Cli::parse();
    cli.globals.color();
    match dispatch(&cli) {
        Ok(outcome) => outcome.into(),
        Err(failure) => failure.report(cli.globals.json).into(),
    }
}

fn dispatch(cli: &Cli) -> Result<Outcome, Failure> {
    let globals = &cli.globals;
    // These log where their own output goes.
    match &cli.command {
        Command::Up(up) => return up.run(globals),
        Command::Dev(dev) => return dev.run(globals),
        _ => {}
    }
    globals.log(std::io::stderr)?;
    match &cli.command {
        Command::Up(up) => up.run(globals),
        Command::Directory(directory) => directory.run(globals),
        Command::Services(services) => services.run(globals),
        Command::List(list) => list.run(globals),
        Command::Inspect(inspect) => inspect.run(globals),
        Command::Check(check) => check.run(globals),
        Command::New(new) => new.run(globals),
        Command::Kind(kind) => kind.run(globals),
        Command::Build(build) => build.run(globals),
        Command::Test(test) => test.run(globals),
        Command::Dev(dev) => dev.run(globals),
        Command::Bench(bench) => bench.run(globals),
        Command::Explain(explain) => explain.run(globals),
        Command::Call(call) => call.run(globals),
        Command::Convert(convert) => convert.run(globals),
        Command::Status(status) => status.run(globals),
        Command::Reload(reload) => reload.run(globals),
        Command::Generations(generations) => generations.run(globals),
        Command::Rollback(rollback) => rollback.run(globals),
        Command::Resume(resume) => resume.run(globals),
        Command::Token(token) => token.run(globals),
        Command::Audit(audit) => audit.run(globals),
        Command::Diff(diff) => diff.run(globals),
        Command::Enable(enable) => enable.run(globals),
        Command::Disable(disable) => disable.run(globals),
        Command::Restart(restart) => restart.run(globals),
        Command::Drain(drain) => drain.run(globals),
        Command::Breaker(breaker) => breaker.run(globals),
        Command::Weights(weights) => weights.run(globals),
        Command::Upgrade(upgrade) => upgrade.run(globals),
        Command::Events(events) => events.run(globals),
        Command::Logs(logs) => logs.run(globals),
        Command::Top(top) => top.run(globals),
        Command::Trace(trace) => trace.run(globals),
        Command::Config(config) => config.run(globals),
        Command::Version(version) => version.run(globals),
        Command::Completions(completions) => completions.run(Cli::command()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        super::Cli::command().debug_assert();
    }
}
