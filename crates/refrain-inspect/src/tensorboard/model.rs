//! Writing the state of a model as events.

use super::EventWriter;
use crate::error::{Error, Result};
use refrain_nn::{Model, Recurrence};

/// Writes a histogram of each parameter's values, with Keras's tags: `lstm/kernel/histogram` and so on.
///
/// # Errors
/// If the step is larger than `i64::MAX` or the file cannot be written.
pub fn log_parameters(writer: &mut EventWriter, step: u64, model: &Model) -> Result<()> {
    let params = model.params();
    for (id, span) in params.ids().zip(params.spans()) {
        writer.histogram(&format!("{}/histogram", span.name), step, params.value(id).iter().copied())?;
    }
    Ok(())
}

/// Writes a histogram of the last gradient of each trainable parameter, `lstm/kernel/gradient` and so on, before
/// clipping. If several batches make one step, it is the sum of their gradients so far.
///
/// # Errors
/// As for [`log_parameters`].
pub fn log_gradients(writer: &mut EventWriter, step: u64, model: &Model) -> Result<()> {
    let params = model.params();
    for (id, span) in params.ids().zip(params.spans()).filter(|(_, span)| span.trainable) {
        writer.histogram(&format!("{}/gradient", span.name), step, params.gradient(id).iter().copied())?;
    }
    Ok(())
}

/// Writes what each recurrent layer did with the last batch. Histograms show its gates, `gates/lstm/i` and so on
/// with Keras's letters, and its hidden and cell states, `states/lstm/h` and `states/lstm/c`. If
/// [`Model::set_gradient_probe`] was set before a backward pass, scalars show the norm of the loss's gradient with
/// respect to the hidden states at the first and the last step of the sequences,
/// `gradient_through_time/lstm/first_step` and `…/last_step`.
///
/// Layers that have not processed a batch are skipped.
///
/// # Errors
/// If the last pass was a backward pass that kept no gates, because no probe was set. Also as for
/// [`log_parameters`].
pub fn log_recurrences(writer: &mut EventWriter, step: u64, model: &Model) -> Result<()> {
    for layer in model.recurrences() {
        let (name, rows) = (layer.layer(), layer.layout().rows());
        if !layer.gate_names().is_empty() && !layer.has_gates() {
            return Err(Error::Unsupported {
                what: format!("log the gates of `{name}`"),
                reason: "the last backward pass kept none: call `set_gradient_probe(true)` before it".into(),
            });
        }
        for (gate, letter) in layer.gate_names().iter().enumerate() {
            let values = (0..rows).flat_map(|row| layer.gate(gate, row));
            writer.histogram(&format!("gates/{name}/{letter}"), step, values)?;
        }
        let hidden = (0..rows).flat_map(|row| layer.hidden(row)).copied();
        writer.histogram(&format!("states/{name}/h"), step, hidden)?;
        if layer.has_cell_state() {
            let cells = (0..rows).filter_map(|row| layer.cell_state(row)).flatten().copied();
            writer.histogram(&format!("states/{name}/c"), step, cells)?;
        }
        for (which, first) in [("first_step", true), ("last_step", false)] {
            if let Some(norm) = gradient_norm(&layer, first) {
                writer.scalar(&format!("gradient_through_time/{name}/{which}"), step, norm)?;
            }
        }
    }
    Ok(())
}

/// Returns the norm over all sequences and units at their first or last step; `None` if no gradients were kept.
fn gradient_norm(layer: &Recurrence<'_>, first: bool) -> Option<f64> {
    let layout = layer.layout();
    let mut square = 0.0;
    for (n, last) in (0..layout.sequences()).filter_map(|n| Some((n, layout.last_row(n)?))) {
        let row = if first { layout.row(n, 0) } else { last };
        let gradient = layer.hidden_gradient(row)?;
        square += gradient.iter().map(|&g| f64::from(g) * f64::from(g)).sum::<f64>();
    }
    Some(square.sqrt())
}
