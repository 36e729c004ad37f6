//! Rollbacks, and the resumption after them.

use std::sync::Arc;

use super::Reconciler;
use crate::change::Retry;
use crate::control::rollback::{GenerationNumbers, RollbackError};
use crate::control::signal::{CommandResult, OperatorCommand};
use crate::report::Outcome;
use crate::set::PastGeneration;

impl Reconciler {
    /// Executes an operator's command.
    pub(super) fn execute(&mut self, command: OperatorCommand) -> CommandResult {
        if self.shared.is_stopped() {
            return Err(RollbackError::Stopped);
        }
        let (wanted, before) = match command {
            OperatorCommand::Resume => (None, self.pinned.take()),
            OperatorCommand::RollBack(number) => {
                let history = self.publisher.history();
                let Some(past) = history.find(number) else {
                    let known = history.list().iter().map(|past| past.number).collect();
                    return Err(RollbackError::Unknown {
                        wanted: number,
                        known: GenerationNumbers(known),
                    });
                };
                // Calls that an operator holds back stay held back.
                let overrides = Arc::new(past.overrides.in_generation(&self.in_force()));
                let past = PastGeneration { overrides, ..PastGeneration::clone(&past) };
                (Some(number), self.pinned.replace(Arc::new(past)))
            }
        };
        let report = self.reconcile(Retry::All);
        if self.shared.is_stopped() {
            return Err(RollbackError::Stopped);
        }
        let Some(wanted) = wanted else {
            if before.is_some() {
                self.shared.journal.note_now(Outcome::Resumed);
            }
            return Ok(report);
        };
        // Plugins that failed to restart do not count here: they still serve.
        if let Some(refused) = self.publisher.refused().first() {
            // All of it or nothing: the generation before goes on.
            let error = RollbackError::Refused {
                wanted,
                artifact: refused.source.to_string(),
                message: refused.refusal.message.clone(),
            };
            self.pinned = before;
            self.reconcile(Retry::None);
            return Err(error);
        }
        self.shared.journal.note_now(Outcome::RolledBack { to: wanted });
        Ok(report)
    }
}
