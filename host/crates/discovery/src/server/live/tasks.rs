//! What runs beside the requests: the sweeper and the checks.

use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use super::directory::LiveDirectory;
use crate::server::check;

/// The sweeper and the checks of a directory. They end when this is dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "held for its drop, which ends the tasks")]
#[must_use = "the sweeper and the checks end when this is dropped"]
pub struct Tasks(JoinSet<()>);

impl LiveDirectory {
    /// Starts the sweeper and the checks.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn start(&self) -> Tasks {
        let mut tasks = JoinSet::new();
        tasks.spawn(sweep_periodically(self.clone()));
        tasks.spawn(check::follow(self.clone()));
        Tasks(tasks)
    }
}

async fn sweep_periodically(directory: LiveDirectory) {
    let sweep = directory.settings().sweep;
    // Not at once: until then, nobody sees an endpoint whose lease ran out.
    let mut ticks = interval_at(Instant::now() + sweep, sweep);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        directory.sweep().await;
    }
}
