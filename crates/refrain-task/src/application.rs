//! Models whose task is not known in advance.

use crate::memory::TrainingMemory;
use crate::task::{Description, Task, TaskModel};
use refrain_nn::{Memory, MemoryUse, Model};
use serde_json::Value;
use std::any::Any;
use std::fmt;

/// A trained model of any task, with the operations that do not depend on the task.
///
/// Every [`TaskModel`] implements it; an application's own type around a [`TaskModel`] gets it through
/// [`HasTaskModel`].
pub trait Application: Any + fmt::Debug {
    /// Returns the task's name.
    fn task(&self) -> &'static str;
    /// Returns the network.
    fn model(&self) -> &Model;
    /// Returns the network, mutably, to run it.
    fn model_mut(&mut self) -> &mut Model;
    /// Returns the training record, if the model file has one.
    fn training(&self) -> Option<&Value>;
    /// Describes the assets: a vocabulary, labels.
    fn describe(&self) -> Description;
    /// Returns the largest batch that running the model uses.
    fn inference_use(&self) -> MemoryUse;
    /// Returns the memory needed to run it.
    fn memory_to_run(&self) -> Memory;
    /// Returns the memory needed to train it with the recorded settings, if the file records its training.
    fn memory_to_train(&self) -> Option<TrainingMemory>;
}

/// A type that wraps a [`TaskModel`].
pub trait HasTaskModel: Any + fmt::Debug {
    /// The task.
    type Task: Task + 'static;
    /// Returns the wrapped model.
    fn task_model(&self) -> &TaskModel<Self::Task>;
    /// Returns the wrapped model, mutably, to run it.
    fn task_model_mut(&mut self) -> &mut TaskModel<Self::Task>;
    /// Returns the wrapped model by value.
    fn into_task_model(self) -> TaskModel<Self::Task>
    where
        Self: Sized;
}

impl<T: Task + 'static> HasTaskModel for TaskModel<T> {
    type Task = T;

    fn task_model(&self) -> &TaskModel<T> {
        self
    }

    fn task_model_mut(&mut self) -> &mut TaskModel<T> {
        self
    }

    fn into_task_model(self) -> TaskModel<T> {
        self
    }
}

impl<M: HasTaskModel> Application for M {
    fn task(&self) -> &'static str {
        M::Task::NAME
    }

    fn model(&self) -> &Model {
        self.task_model().model()
    }

    fn model_mut(&mut self) -> &mut Model {
        self.task_model_mut().model_mut()
    }

    fn training(&self) -> Option<&Value> {
        self.task_model().training()
    }

    fn describe(&self) -> Description {
        self.task_model().describe()
    }

    fn inference_use(&self) -> MemoryUse {
        M::Task::inference_use(self.task_model().assets())
    }

    fn memory_to_run(&self) -> Memory {
        self.task_model().memory_to_run()
    }

    fn memory_to_train(&self) -> Option<TrainingMemory> {
        self.task_model().memory_to_train()
    }
}

/// Makes a wrapper of a [`TaskModel`] a model of its task: it can be opened from a file, returned in
/// [`Trained`](crate::Trained), and does everything that a [`TaskModel`] does.
///
/// ```text
/// pub struct LanguageModel(TaskModel<TextTask>);
///
/// refrain_task::task_model!(LanguageModel: TextTask, crate::Result);
/// ```
#[macro_export]
macro_rules! task_model {
    ($model:ident: $task:ty, $result:ident $(:: $rest:ident)*) => {
        impl $model {
            /// Reads a model file.
            ///
            /// # Errors
            /// If the file cannot be read or holds another kind of model.
            pub fn open(
                path: impl AsRef<::std::path::Path>,
                engine: $crate::Engine,
            ) -> $result $(:: $rest)*<Self> {
                Ok(Self($crate::TaskModel::open(path, engine)?))
            }

            /// Builds the model from a file that is already read.
            ///
            /// # Errors
            /// If the file holds another kind of model or is inconsistent.
            pub fn from_file(file: $crate::ModelFile) -> $result $(:: $rest)*<Self> {
                Ok(Self($crate::TaskModel::from_file(file)?))
            }
        }

        impl From<$crate::TaskModel<$task>> for $model {
            fn from(model: $crate::TaskModel<$task>) -> Self {
                Self(model)
            }
        }

        impl ::std::ops::Deref for $model {
            type Target = $crate::TaskModel<$task>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        impl ::std::ops::DerefMut for $model {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        impl $crate::HasTaskModel for $model {
            type Task = $task;

            fn task_model(&self) -> &$crate::TaskModel<$task> {
                self
            }

            fn task_model_mut(&mut self) -> &mut $crate::TaskModel<$task> {
                self
            }

            fn into_task_model(self) -> $crate::TaskModel<$task> {
                self.0
            }
        }
    };
}
