//! The adaptive softmax: rare classes are in clusters behind narrow projections.

mod op;
mod tail;
#[cfg(test)]
mod tests;

pub(crate) use op::AdaptiveOp;
pub(crate) use tail::{Weights, reserve};

use super::Layer;
use super::activation::lower_activation;
use super::affine::Affine;
use super::dense::{MAX_UNITS, glorot, yes, zeros};
use crate::activation::Activation;
use crate::error::Error;
use crate::graph::{EdgeId, EdgeSpec, Kind, Plan};
use crate::init::Initializer;
use crate::params::{ParamSpec, SpanId};
use serde::{Deserialize, Serialize};
use tail::Tail;

/// The maximum number of clusters; each has its own parameters.
const MAX_CLUSTERS: usize = 64;

/// An output layer for many classes, the frequent ones first (Grave, Joulin, Cissé, Grangier & Jégou 2017).
/// The head scores the classes below the first cutoff and one entry for each cluster of the other classes. A
/// cluster scores its classes from a projection of the input; each projection is `div_value` times narrower
/// than the one before. A class's probability is that of its cluster's entry times its own within the
/// cluster. Sizes and the defaults of `div_value` and `use_bias` are those of PyTorch's
/// `AdaptiveLogSoftmaxWithLoss`; weights are initialised as in a Dense layer.
///
/// The input is `(…, I)`, the output `(…, classes)`: probabilities. With a sparse categorical crossentropy,
/// training and evaluation compute a cluster only for the rows whose target is in it. Accuracy also computes
/// it for the rows where its entry is more likely than every class found so far.
///
/// Parameters: `head/kernel` `(I, first cutoff + clusters)`, with `use_bias` `head/bias`, and for cluster `i`
/// of `C` classes `tail_i/projection` `(I, P)` and `tail_i/kernel` `(P, C)`, where `P = max(1, ⌊I /
/// div_value^(i+1)⌋)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AdaptiveSoftmax {
    /// The width of the output.
    pub classes: usize,
    /// The first class of each cluster, ascending. The last cluster extends to the last class.
    pub cutoffs: Vec<usize>,
    /// The factor by which each projection is narrower than the one before.
    #[serde(default = "four")]
    pub div_value: f64,
    /// Whether to add a bias in the head.
    #[serde(default)]
    pub use_bias: bool,
    /// The initialiser of every kernel and projection; Glorot uniform by default.
    #[serde(default = "glorot")]
    pub kernel_initializer: Initializer,
    /// The bias's initialiser; zeros by default.
    #[serde(default = "zeros")]
    pub bias_initializer: Initializer,
    /// Whether training changes the layer's parameters.
    #[serde(default = "yes")]
    pub trainable: bool,
    /// The name, if the user gives one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

fn four() -> f64 {
    4.0
}

impl AdaptiveSoftmax {
    /// Creates a layer with `classes` outputs. The cutoffs must be set too.
    pub fn new(classes: usize) -> Self {
        Self {
            classes,
            cutoffs: Vec::new(),
            div_value: four(),
            use_bias: false,
            kernel_initializer: glorot(),
            bias_initializer: zeros(),
            trainable: true,
            name: None,
        }
    }

    /// Sets the first class of each cluster, ascending.
    pub fn cutoffs(mut self, cutoffs: impl Into<Vec<usize>>) -> Self {
        self.cutoffs = cutoffs.into();
        self
    }

    setters! {
        /// Sets the factor by which each projection is narrower than the one before.
        div_value: f64,
        /// Sets whether to add a bias in the head.
        use_bias: bool,
        /// Sets the initialiser of every kernel and projection.
        kernel_initializer: Initializer,
        /// Sets the bias's initialiser.
        bias_initializer: Initializer,
        /// Sets whether training changes the layer's parameters.
        trainable: bool,
        name,
    }

    fn validate(&self, layer: &str) -> Result<(), Error> {
        let refuse =
            |setting, got: String, expected: String| Err(Error::setting(layer, setting, got, expected));
        if !(2..=MAX_UNITS).contains(&self.classes) {
            return refuse("classes", self.classes.to_string(), format!("from 2 to {MAX_UNITS}"));
        }
        let inside = self.cutoffs.iter().all(|c| (1..self.classes).contains(c));
        let ascending = self.cutoffs.windows(2).all(|pair| pair[0] < pair[1]);
        if self.cutoffs.is_empty() || !inside || !ascending {
            let expected =
                format!("at least one number, ascending, above 0 and below the {} classes", self.classes);
            return refuse("cutoffs", format!("{:?}", self.cutoffs), expected);
        }
        if self.cutoffs.len() > MAX_CLUSTERS {
            let got = format!("{} numbers", self.cutoffs.len());
            return refuse("cutoffs", got, format!("at most {MAX_CLUSTERS}"));
        }
        if !(self.div_value.is_finite() && self.div_value > 0.0) {
            return refuse("div_value", self.div_value.to_string(), "a finite number above 0".to_owned());
        }
        Ok(())
    }

    /// Returns the number of features after a cluster's projection. As in PyTorch, the quotient is Python's
    /// `//`, which differs from the floor of a rounded quotient.
    fn projected(&self, inputs: usize, cluster: usize) -> usize {
        let (inputs, by) = (inputs as f64, self.div_value.powf(cluster as f64 + 1.0));
        (((inputs - inputs % by) / by).round() as usize).max(1)
    }

    fn matrix(
        &self,
        plan: &mut Plan<'_>,
        name: &'static str,
        rows: usize,
        columns: usize,
    ) -> Result<SpanId, Error> {
        plan.param(ParamSpec {
            name,
            shape: vec![rows, columns],
            initializer: self.kernel_initializer.clone(),
            regularizer: None,
            decay: true,
        })
    }

    fn head(&self, plan: &mut Plan<'_>, inputs: usize, outputs: usize) -> Result<Affine, Error> {
        let kernel = self.matrix(plan, "kernel", inputs, outputs)?;
        let bias = if self.use_bias {
            Some(plan.param(ParamSpec {
                name: "bias",
                shape: vec![outputs],
                initializer: self.bias_initializer.clone(),
                regularizer: None,
                decay: true,
            })?)
        } else {
            None
        };
        let head = Affine::new(kernel, bias, inputs, outputs);
        head.charge(plan);
        Ok(head)
    }

    fn tail(&self, plan: &mut Plan<'_>, inputs: usize, cluster: usize) -> Result<Tail, Error> {
        let classes = self.cutoffs[cluster]..self.cutoffs.get(cluster + 1).copied().unwrap_or(self.classes);
        let width = self.projected(inputs, cluster);
        if width > MAX_UNITS {
            let expected = format!("large enough that a projection has at most {MAX_UNITS} features");
            return Err(Error::setting(plan.name(), "div_value", self.div_value, expected));
        }
        let projection = self.matrix(plan, "projection", inputs, width)?;
        let kernel = self.matrix(plan, "kernel", width, classes.len())?;
        let projection = Affine::new(projection, None, inputs, width);
        let kernel = Affine::new(kernel, None, width, classes.len());
        projection.charge(plan);
        kernel.charge(plan);
        Ok(Tail::new(projection, kernel, classes))
    }

    /// Returns the edge with the logarithm of every class's probability.
    fn lower_logs(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<EdgeId, Error> {
        let input = plan.one(inputs)?;
        let width = plan.features(input)?;
        self.validate(plan.name())?;
        let clusters = self.cutoffs.len();
        let head = plan.scoped("head", true, |plan| self.head(plan, width, self.cutoffs[0] + clusters))?;
        let tail = |i: usize| plan.scoped(&format!("tail_{i}"), true, |plan| self.tail(plan, width, i));
        let tails = (0..clusters).map(tail).collect::<Result<Vec<_>, _>>()?;
        // The rows of the head and of a cluster.
        plan.charge_rows(input, 2 * self.classes);
        let spec = EdgeSpec { axis: plan.spec(input).axis, kind: Kind::Features(self.classes) };
        Ok(plan.op(Box::new(AdaptiveOp::new(head, tails)), &[input], &[spec])[0])
    }
}

impl Layer for AdaptiveSoftmax {
    named_layer!("AdaptiveSoftmax", trainable);

    fn lower(&self, plan: &mut Plan<'_>, inputs: &[EdgeId]) -> Result<Vec<EdgeId>, Error> {
        // The softmax of log-probabilities gives the probabilities. Code that uses the logits before a final
        // softmax therefore finds logits here too.
        let logs = self.lower_logs(plan, inputs)?;
        Ok(vec![lower_activation(plan, Activation::Softmax, logs)])
    }
}
