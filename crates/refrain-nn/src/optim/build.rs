//! Builders for the optimisers: `Adam::default().learning_rate(0.01).global_clipnorm(1.0)`.

use super::{Clip, Optimizer, OptimizerKind};
use crate::schedule::Schedule;

/// Declares one optimiser's settings with their defaults, for the documentation, the code and the builders.
macro_rules! optimizer {
    (
        $(#[$doc:meta])*
        $name:ident { learning_rate: $rate:literal, weight_decay: $decay:expr
            $(, $(#[$field_doc:meta])* $field:ident: $type:ty = $default:literal)* $(,)? }
    ) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq)]
        pub struct $name {
            #[doc = concat!("The learning rate of each step. Default: ", stringify!($rate), ".")]
            pub learning_rate: Schedule,
            $(
                $(#[$field_doc])*
                #[doc = concat!("Default: ", stringify!($default), ".")]
                pub $field: $type,
            )*
            #[doc = concat!("Decoupled weight decay. Default: `", stringify!($decay), "`.")]
            pub weight_decay: Option<f64>,
            /// Gradient clipping. Default: none.
            pub clip: Clip,
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    learning_rate: Schedule::Constant($rate),
                    $($field: $default,)*
                    weight_decay: $decay,
                    clip: Clip::default(),
                }
            }
        }

        impl $name {
            $(
                $(#[$field_doc])*
                #[must_use]
                pub fn $field(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*

            /// Sets a constant learning rate or a schedule.
            #[must_use]
            pub fn learning_rate(mut self, learning_rate: impl Into<Schedule>) -> Self {
                self.learning_rate = learning_rate.into();
                self
            }

            /// Sets the weight decay: `w -= w · weight_decay · learning_rate` before each step.
            #[must_use]
            pub fn weight_decay(mut self, weight_decay: f64) -> Self {
                self.weight_decay = Some(weight_decay);
                self
            }

            /// Clips the norm of each parameter's gradient; see [`Clip`].
            #[must_use]
            pub fn clipnorm(mut self, bound: f64) -> Self {
                self.clip.clipnorm = Some(bound);
                self
            }

            /// Clips each entry of the gradient; see [`Clip`].
            #[must_use]
            pub fn clipvalue(mut self, bound: f64) -> Self {
                self.clip.clipvalue = Some(bound);
                self
            }

            /// Clips the norm of the whole gradient; see [`Clip`].
            #[must_use]
            pub fn global_clipnorm(mut self, bound: f64) -> Self {
                self.clip.global_clipnorm = Some(bound);
                self
            }
        }

        impl From<$name> for Optimizer {
            fn from(settings: $name) -> Self {
                Self {
                    kind: OptimizerKind::$name { $($field: settings.$field),* },
                    learning_rate: settings.learning_rate,
                    weight_decay: settings.weight_decay,
                    clip: settings.clip,
                }
            }
        }
    };
}

optimizer! {
    /// Gradient descent, optionally with momentum; see [`OptimizerKind::Sgd`] for the rule.
    Sgd { learning_rate: 0.01, weight_decay: None,
        /// The fraction of the last update that is kept.
        momentum: f64 = 0.0,
        /// Whether to use Nesterov momentum. Has no effect without momentum.
        nesterov: bool = false,
    }
}

optimizer! {
    /// Divides the gradient by its running root mean square; see [`OptimizerKind::RmsProp`] for the rule.
    RmsProp { learning_rate: 0.001, weight_decay: None,
        /// The decay of the mean square.
        rho: f64 = 0.9,
        /// The fraction of the last update that is kept.
        momentum: f64 = 0.0,
        /// Added inside the square root.
        epsilon: f64 = 1e-7,
        /// Whether to subtract the squared mean from the mean square.
        centered: bool = false,
    }
}

optimizer! {
    /// Divides the gradient by the root of the sum of its squares; see [`OptimizerKind::Adagrad`] for the
    /// rule.
    Adagrad { learning_rate: 0.001, weight_decay: None,
        /// The initial value of the sum.
        initial_accumulator_value: f64 = 0.1,
        /// Added inside the square root.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// Derives the step size from earlier updates; see [`OptimizerKind::Adadelta`] for the rule.
    Adadelta { learning_rate: 0.001, weight_decay: None,
        /// The decay of both mean squares.
        rho: f64 = 0.95,
        /// Added inside both square roots.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// Divides the gradient's running mean by its running root mean square (Kingma and Ba 2014); see
    /// [`OptimizerKind::Adam`] for the rule.
    Adam { learning_rate: 0.001, weight_decay: None,
        /// The decay of the mean.
        beta_1: f64 = 0.9,
        /// The decay of the mean square.
        beta_2: f64 = 0.999,
        /// Added to the root.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// [`Adam`] with weight decay (Loshchilov and Hutter 2017).
    AdamW { learning_rate: 0.001, weight_decay: Some(0.004),
        /// The decay of the mean.
        beta_1: f64 = 0.9,
        /// The decay of the mean square.
        beta_2: f64 = 0.999,
        /// Added to the root.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// [`Adam`] with the largest gradient in place of the mean square; see [`OptimizerKind::Adamax`] for the
    /// rule.
    Adamax { learning_rate: 0.001, weight_decay: None,
        /// The decay of the mean.
        beta_1: f64 = 0.9,
        /// The decay of the norm.
        beta_2: f64 = 0.999,
        /// Added to the norm.
        epsilon: f64 = 1e-7,
    }
}

optimizer! {
    /// [`Adam`] with Nesterov momentum (Dozat 2015); see [`OptimizerKind::Nadam`] for the rule.
    Nadam { learning_rate: 0.001, weight_decay: None,
        /// The decay of the mean.
        beta_1: f64 = 0.9,
        /// The decay of the mean square.
        beta_2: f64 = 0.999,
        /// Added to the root.
        epsilon: f64 = 1e-7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_match_keras() {
        let kinds = [
            OptimizerKind::Sgd { momentum: 0.0, nesterov: false },
            OptimizerKind::RmsProp { rho: 0.9, momentum: 0.0, epsilon: 1e-7, centered: false },
            OptimizerKind::Adagrad { initial_accumulator_value: 0.1, epsilon: 1e-7 },
            OptimizerKind::Adadelta { rho: 0.95, epsilon: 1e-7 },
            OptimizerKind::Adam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 },
            OptimizerKind::AdamW { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 },
            OptimizerKind::Adamax { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 },
            OptimizerKind::Nadam { beta_1: 0.9, beta_2: 0.999, epsilon: 1e-7 },
        ];
        for kind in kinds {
            let (sgd, adamw) =
                (matches!(kind, OptimizerKind::Sgd { .. }), matches!(kind, OptimizerKind::AdamW { .. }));
            let expected = Optimizer {
                kind,
                learning_rate: Schedule::Constant(if sgd { 0.01 } else { 0.001 }),
                weight_decay: adamw.then_some(0.004),
                clip: Clip::default(),
            };
            assert_eq!(Optimizer::by_name(kind.name()), Some(expected));
        }
    }

    #[test]
    fn builders_reach_every_setting() {
        let schedule = Schedule::cosine_decay(0.1, 10);
        let optimizer: Optimizer = RmsProp::default()
            .learning_rate(schedule.clone())
            .rho(0.8)
            .momentum(0.5)
            .epsilon(1e-5)
            .centered(true)
            .weight_decay(0.01)
            .global_clipnorm(2.0)
            .into();
        let expected = Optimizer {
            kind: OptimizerKind::RmsProp { rho: 0.8, momentum: 0.5, epsilon: 1e-5, centered: true },
            learning_rate: schedule,
            weight_decay: Some(0.01),
            clip: Clip { global_clipnorm: Some(2.0), ..Clip::default() },
        };
        assert_eq!(optimizer, expected);
        let sgd: Optimizer = Sgd { momentum: 0.9, ..Sgd::default() }.nesterov(true).clipvalue(3.0).into();
        assert_eq!(sgd.kind, OptimizerKind::Sgd { momentum: 0.9, nesterov: true });
        assert_eq!(sgd.clip, Clip { clipvalue: Some(3.0), ..Clip::default() });
    }
}
