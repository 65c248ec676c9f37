//! The report section on a model's structure.

use super::unrolled::{NotUnrolled, passes_on};
use super::{Cell, Structure};
use crate::error::Result;
use crate::section::{Figure, Section, Table};
use refrain_nn::shown::counted;
use refrain_nn::thousands;
use refrain_plot::Picture;

impl Structure {
    /// Describes the model in sentences and figures.
    ///
    /// # Errors
    /// If a figure cannot be drawn.
    pub fn section(&self) -> Result<Section> {
        let mut findings = vec![format!(
            "{} with {}, {} of them trainable.",
            counted(self.layers.len(), "layer"),
            counted(self.parameters, "parameter"),
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
        for cell in self.cells() {
            figures.push(Figure {
                name: format!("structure-cell-{}", cell.kind.to_lowercase()),
                reading: cell.reading().to_owned(),
                sheet: cell.drawing().draw()?,
            });
        }
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

    /// One cell of each kind, in the order of the layers.
    fn cells(&self) -> Vec<&Cell> {
        let mut cells: Vec<&Cell> = Vec::new();
        for cell in self.layers.iter().filter_map(|layer| layer.cell.as_ref()) {
            if cells.iter().all(|other| other.kind != cell.kind) {
                cells.push(cell);
            }
        }
        cells
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
