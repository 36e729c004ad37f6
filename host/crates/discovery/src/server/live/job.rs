//! One change on its way through the journal.

use tokio::sync::oneshot;

use super::error::ChangeError;
use crate::directory::{Decision, Directory, Moment};
use crate::store::Record;

/// A change that is decided, kept and answered.
pub(super) trait Job: Send {
    /// Decides. Called again if an earlier change of the batch could make the decision wrong.
    fn decide(&mut self, directory: &Directory, now: Moment) -> Vec<Record>;

    /// Answers, once the records are applied or could not be kept.
    fn finish(self: Box<Self>, kept: bool);
}

pub(super) type Answer<T, E> = Result<T, ChangeError<E>>;

pub(super) struct Typed<D, T, E> {
    decide: D,
    answer: Option<Result<T, E>>,
    reply: oneshot::Sender<Answer<T, E>>,
}

impl<D, T, E> Typed<D, T, E> {
    pub(super) fn new(decide: D) -> (Self, oneshot::Receiver<Answer<T, E>>) {
        let (reply, answer) = oneshot::channel();
        (Self { decide, answer: None, reply }, answer)
    }
}

impl<D, T, E> Job for Typed<D, T, E>
where
    D: Fn(&Directory, Moment) -> Result<Decision<T>, E> + Send,
    T: Send,
    E: Send,
{
    fn decide(&mut self, directory: &Directory, now: Moment) -> Vec<Record> {
        let (records, answer) = match (self.decide)(directory, now) {
            Ok(Decision { records, answer }) => (records, Ok(answer)),
            Err(error) => (Vec::new(), Err(error)),
        };
        self.answer = Some(answer);
        records
    }

    fn finish(self: Box<Self>, kept: bool) {
        let answer = match self.answer {
            Some(Err(refused)) => Err(ChangeError::Refused(refused)),
            Some(Ok(answer)) if kept => Ok(answer),
            _ => Err(ChangeError::Unavailable),
        };
        // The caller may be gone.
        let _ = self.reply.send(answer);
    }
}
