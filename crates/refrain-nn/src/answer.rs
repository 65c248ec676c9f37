//! Answers to the events of a training.

/// What training does next: the answer to an event.
///
/// Callbacks give it through their context, places of checkpoints return it. When several
/// answer the same event, all of them count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answer {
    /// Trains on.
    #[default]
    Continue,
    /// Trains on and, in the next batch, keeps the gates and gradients of every step for
    /// [`Model::recurrences`](crate::Model::recurrences).
    Probe,
    /// Writes a checkpoint, then trains on.
    Checkpoint,
    /// Stops.
    Stop,
}

/// The answers of everyone who was asked about an event.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Answers {
    pub(crate) probe: bool,
    pub(crate) checkpoint: bool,
    pub(crate) stop: bool,
}

impl Answers {
    pub(crate) fn add(&mut self, answer: Answer) {
        match answer {
            Answer::Continue => {}
            Answer::Probe => self.probe = true,
            Answer::Checkpoint => self.checkpoint = true,
            Answer::Stop => self.stop = true,
        }
    }
}
