//! Models whose task is not known beforehand.

use crate::memory::TrainingMemory;
use crate::task::{Description, Task, TaskModel};
use refrain_nn::{Memory, MemoryUse, Model};
use serde_json::Value;
use std::any::Any;
use std::fmt;

/// A trained model of any task: what a program can ask of it without knowing which.
///
/// Every [`TaskModel`] is one; a type of an application's own around it becomes one by [`HasTaskModel`].
pub trait Application: Any + fmt::Debug {
    /// The task's name.
    fn task(&self) -> &'static str;
    /// The network.
    fn model(&self) -> &Model;
    /// The network, to be run.
    fn model_mut(&mut self) -> &mut Model;
    /// How it was trained, if its file says so.
    fn training(&self) -> Option<&Value>;
    /// What is worth knowing of its assets.
    fn describe(&self) -> Description;
    /// What it runs at a time.
    fn use_to_run(&self) -> MemoryUse;
    /// What running it takes.
    fn memory_to_run(&self) -> Memory;
    /// What training it as its file says would take, if the file says how it was trained.
    fn memory_to_train(&self) -> Option<TrainingMemory>;
}

/// A type around a [`TaskModel`].
pub trait HasTaskModel: Any + fmt::Debug {
    /// The task.
    type Task: Task + 'static;
    /// The model inside.
    fn task_model(&self) -> &TaskModel<Self::Task>;
    /// The model inside, to be run.
    fn task_model_mut(&mut self) -> &mut TaskModel<Self::Task>;
    /// The model inside, alone.
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

    fn use_to_run(&self) -> MemoryUse {
        M::Task::use_to_run(self.task_model().assets())
    }

    fn memory_to_run(&self) -> Memory {
        self.task_model().memory_to_run()
    }

    fn memory_to_train(&self) -> Option<TrainingMemory> {
        self.task_model().memory_to_train()
    }
}

/// Makes a type around a [`TaskModel`] a model of its task: it can be opened, it is what
/// [`Trained`](crate::Trained) holds, and all that a [`TaskModel`] can do, it can do too.
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
            /// If it cannot be read, or holds another kind of model.
            pub fn open(
                path: impl AsRef<::std::path::Path>,
                engine: $crate::Engine,
            ) -> $result $(:: $rest)*<Self> {
                Ok(Self($crate::TaskModel::open(path, engine)?))
            }

            /// Takes over a model file that was read already.
            ///
            /// # Errors
            /// If it holds another kind of model, or contradicts itself.
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
