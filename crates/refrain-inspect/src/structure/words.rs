//! The report section on a model's structure.

use super::Structure;
use super::unrolled::{NotUnrolled, passes_on};
use crate::error::Result;
use crate::section::{Figure, Section, Table};
use refrain_nn::thousands;
use refrain_plot::Picture;

impl Structure {
    /// Describes the model in sentences and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut findings = vec![format!(
            "{} layers with {} parameters, of which {} are trainable.",
            self.layers.len(),
            thousands(self.parameters),
            thousands(self.trainable)
        )];
        let mut figures = Vec::new();
        match self.chain() {
            Ok(_) => {
                let left_out: Vec<_> =
                    self.layers.iter().filter(|l| passes_on(l)).map(|l| l.name.as_str()).collect();
                if !left_out.is_empty() {
                    findings.push(format!(
                        "Left out of the unrolled network, because they only act in training: {}.",
                        left_out.join(", ")
                    ));
                }
            }
            Err(NotUnrolled::NoMemory) => {
                findings.push("No layer is recurrent, so there is nothing to unroll.".to_owned());
            }
            Err(NotUnrolled::NotAChain) => findings.push(
                "The layers are not a chain in which each reads the one before it, so the network is not drawn \
                 unrolled."
                    .to_owned(),
            ),
        }
        if let Some(drawing) = self.unrolled() {
            figures.push(Figure {
                name: "structure-unrolled".to_owned(),
                reading: "Time runs to the right, depth upwards. The boxes of a row are one layer with the same \
                          weights, which the dotted arrows pass through. The gradient flows back along all arrows. \
                          Solid arrows, such as those of a cell state c, have no weights."
                    .to_owned(),
                sheet: drawing.draw()?,
            });
        }
        figures.push(Figure {
            name: "structure-layers".to_owned(),
            reading: "Each box is a layer with the shape of its output, N sequences of T steps, and its parameters."
                .to_owned(),
            sheet: self.graph().draw()?,
        });
        Ok(Section {
            name: "structure",
            title: "The network".to_owned(),
            intro: "The layers, their connections, and the same network unrolled through time.".to_owned(),
            findings,
            tables: vec![self.table()],
            figures,
            data: serde_json::to_value(self).unwrap_or_default(),
        })
    }

    fn table(&self) -> Table {
        let rows = self.layers.iter().map(|layer| {
            let numbers = [layer.shape.clone(), thousands(layer.parameters)];
            [layer.name.clone(), layer.class_name.clone()].into_iter().chain(numbers).collect()
        });
        Table {
            title: "Layers".to_owned(),
            head: ["layer", "kind", "output", "parameters"].map(str::to_owned).to_vec(),
            rows: rows.collect(),
        }
    }
}
