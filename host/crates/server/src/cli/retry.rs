//! What a follower does while its host does not answer: it asks again, says so once, and gives up after a bound.

use std::time::{Duration, Instant};

use serde_json::json;

use super::failure::Failure;
use super::print;
use super::target::Target;

/// The pause before a follower asks again: at first, and at most.
const PAUSE: [Duration; 2] = [Duration::from_millis(250), Duration::from_secs(5)];
/// How long it asks again: a restart, or an upgrade of the machine, takes less.
const GIVE_UP: Duration = Duration::from_mins(10);

/// The connection of a follower to its host.
pub(super) struct Connection {
    json: bool,
    pause: Duration,
    /// Since when the host does not answer.
    lost: Option<Instant>,
}

impl Connection {
    pub(super) fn new(json: bool) -> Self {
        Self { json, pause: PAUSE[0], lost: None }
    }

    /// The host answers.
    ///
    /// # Errors
    /// If nothing can be printed.
    pub(super) fn answered(&mut self) -> Result<(), Failure> {
        self.pause = PAUSE[0];
        if self.lost.take().is_some() { self.say("connected again") } else { Ok(()) }
    }

    /// The host does not answer. Returns the pause before the next attempt.
    ///
    /// # Errors
    /// If it has not answered for too long, or nothing can be printed.
    pub(super) fn lost(&mut self, target: &Target) -> Result<Duration, Failure> {
        if self.lost.is_none() {
            self.say("the host does not answer; trying again")?;
        }
        let since = *self.lost.get_or_insert_with(Instant::now);
        if since.elapsed() > GIVE_UP {
            let minutes = GIVE_UP.as_secs() / 60;
            return Err(Failure::new(format!(
                "expected a running host at {target}, found none for {minutes} minutes"
            )));
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(PAUSE[1]);
        Ok(pause)
    }

    /// Says something about the stream itself, where its lines are.
    ///
    /// # Errors
    /// If nothing can be printed.
    pub(super) fn say(&self, what: &str) -> Result<(), Failure> {
        let line = if self.json {
            json!({ "type": "stream", "message": what }).to_string()
        } else {
            format!("-- {what}")
        };
        Ok(print::line(&line)?)
    }
}
