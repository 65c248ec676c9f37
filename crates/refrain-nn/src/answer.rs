//! Answers to training events.

/// What training does next, in answer to an event.
///
/// Callbacks answer through their context; `Checkpoints::write`
/// returns an answer. If an event gets several answers, all of them take effect.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Answer {
    /// Continues training.
    #[default]
    Continue,
    /// Continues training and keeps the gates and gradients of every step of the next batch for
    /// [`Model::recurrences`](crate::Model::recurrences).
    Probe,
    /// Writes a checkpoint, then continues training.
    Checkpoint,
    /// Stops training.
    Stop,
}

/// The combined answers to one event.
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
