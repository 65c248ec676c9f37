//! The layers as boxes, each below the ones it reads.

use super::{LayerBox, Structure};
use refrain_nn::shown::counted;
use refrain_plot::{Arrow, Block, Drawing, Role};

/// The maximum number of layers drawn; of more, those in the middle are left out.
const MAX_LAYERS: usize = 20;
const FIRST: usize = 12;

impl Structure {
    /// Draws layers, shapes and parameter counts as boxes, from the inputs at the top to the outputs at the bottom.
    pub fn graph(&self) -> Drawing {
        let depths = self.depths();
        let cut = self.layers.len() > MAX_LAYERS;
        let (head, tail) =
            if cut { (FIRST, self.layers.len() - (MAX_LAYERS - FIRST)) } else { (self.layers.len(), 0) };
        let inputs = self.inputs.len();
        let shown = |node: usize| node < inputs + head || (cut && node >= inputs + tail);
        let mut levels: Vec<usize> =
            (0..inputs + self.layers.len()).filter(|&n| shown(n)).map(|n| depths[n]).collect();
        levels.sort_unstable();
        levels.dedup();
        // The omitted layers take up a level of their own.
        let gap = if cut { self.layers[head - 1..tail].len() } else { 0 };
        let last_of_head = depths[..inputs + head].iter().copied().max().unwrap_or(0);
        let y = |node: usize| {
            let level = levels.partition_point(|&l| l < depths[node]);
            -(level as f64) - if cut && depths[node] > last_of_head { 1.0 } else { 0.0 }
        };
        let mut drawing = Drawing::new("Layers").description(
            "The model's layers as boxes, with the shapes of their outputs and their parameters.",
        );
        let nodes: Vec<usize> = (0..inputs + self.layers.len()).filter(|&node| shown(node)).collect();
        for &node in &nodes {
            let row: Vec<usize> = nodes.iter().copied().filter(|&other| y(other) == y(node)).collect();
            let place = row.iter().position(|&other| other == node).unwrap_or(0) as f64;
            let x = place - (row.len() as f64 - 1.0) / 2.0;
            drawing = drawing.block(node.to_string(), self.block(node, (x, y(node))));
        }
        for &node in nodes.iter().filter(|&&node| node >= inputs) {
            let reads = self.layers[node - inputs].reads.iter().filter(|&&from| shown(from));
            drawing = reads.fold(drawing, |d, from| d.arrow(Arrow::new(from.to_string(), node.to_string())));
        }
        if cut {
            let y = -(levels.partition_point(|&l| l <= last_of_head) as f64);
            let text = format!("… {} more layers", gap - 1);
            let (before, after) = ((inputs + head - 1).to_string(), (inputs + tail).to_string());
            drawing = drawing
                .block("more", Block::new(Role::Text, text, 0.0, y))
                .arrow(Arrow::new(before, "more").dashed())
                .arrow(Arrow::new("more", after).dashed());
        }
        drawing
    }

    fn block(&self, node: usize, (x, y): (f64, f64)) -> Block {
        match node.checked_sub(self.inputs.len()) {
            None => {
                let input = &self.inputs[node];
                Block::new(Role::Input, &input.name, x, y).line(&input.shape)
            }
            Some(i) => {
                let layer = &self.layers[i];
                let block = Block::new(role(layer), &layer.name, x, y).line(&layer.class_name);
                let block = block.line(&layer.shape);
                match layer.parameters {
                    0 => block,
                    n => block.line(counted(n, "parameter")),
                }
            }
        }
    }

    /// Returns how many layers lie between each node and the inputs.
    fn depths(&self) -> Vec<usize> {
        let mut depths = vec![0; self.inputs.len()];
        for layer in &self.layers {
            let before = layer.reads.iter().filter_map(|&node| depths.get(node)).max();
            depths.push(before.map_or(0, |depth| depth + 1));
        }
        depths
    }
}

pub(super) fn role(layer: &LayerBox) -> Role {
    match layer.class_name.as_str() {
        _ if layer.memory.is_some() => Role::Recurrent,
        "Dense" | "TiedDense" | "AdaptiveSoftmax" | "TimeDistributed" => Role::Dense,
        _ => Role::Other,
    }
}
