//! Health compared with counts made by hand and matrices with a known spectrum.

use super::spectrum::{RADIUS, largest_singular_value, spectral_radius};
use super::*;
use ndarray::{Array2, array};
use refrain_nn::data::{Batch, BatchInput};
use refrain_nn::layers::{Bidirectional, Dense, Gru, Lstm, SimpleRnn};
use refrain_nn::{Activation, Compile, InputSpec, Sequential};

fn close(matrix: &Array2<f64>, expected: f64) {
    let got = spectral_radius(matrix).unwrap();
    assert!(
        (got - expected).abs() <= RADIUS / 2.0 * expected.max(1e-12),
        "{matrix}: {got}, expected {expected}"
    );
}

#[test]
fn the_spectral_radius_matches_the_eigenvalues() {
    close(&Array2::zeros((4, 4)), 0.0);
    close(&Array2::eye(7), 1.0);
    close(&Array2::from_diag(&array![0.3, -2.5, 1.0]), 2.5);
    for angle in [0.01, 0.7, std::f64::consts::FRAC_PI_2, 2.0] {
        let (sin, cos) = f64::sin_cos(angle);
        close(&(1.3 * array![[cos, -sin], [sin, cos]]), 1.3);
        // The pair next to a smaller real eigenvalue.
        close(&array![[0.9 * cos, -0.9 * sin, 5.0], [0.9 * sin, 0.9 * cos, 1.0], [0.0, 0.0, 0.8]], 0.9);
    }
    // Jordan blocks: of 0, where every vector goes to 0, and of 0.5, where vectors grow at first.
    close(&array![[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 0.0]], 0.0);
    close(&array![[0.5, 100.0], [0.0, 0.5]], 0.5);
    close(&array![[0.5, 1.0, 0.0], [0.0, 0.5, 1.0], [0.0, 0.0, 0.5]], 0.5);
    // Opposite eigenvalues, whose odd powers have trace 0; a cycle of five, most of whose powers have trace 0.
    close(&array![[0.0, 4.0], [1.0, 0.0]], 2.0);
    let cycle = Array2::from_shape_fn((5, 5), |(i, j)| if j == (i + 1) % 5 { 1.1 } else { 0.0 });
    close(&cycle, 1.1);
    close(&Array2::from_elem((6, 6), 1e150), 6e150);
    close(&Array2::from_elem((6, 6), 1e-150), 6e-150);
    assert_eq!(spectral_radius(&array![[f64::NAN]]), None);
}

#[test]
fn the_largest_singular_value_bounds_the_growth_of_a_vector() {
    let value = |m: &Array2<f64>| largest_singular_value(m).unwrap();
    assert!((value(&array![[3.0, 0.0], [0.0, -4.0]]) - 4.0).abs() < 1e-4);
    // For [[1, 1], [0, 1]], the golden ratio.
    assert!((value(&array![[1.0, 1.0], [0.0, 1.0]]) - 1.618_034).abs() < 1e-4);
    assert_eq!(value(&Array2::zeros((3, 3))), 0.0);
    assert_eq!(largest_singular_value(&array![[f64::INFINITY]]), None);
}

/// Returns two sequences of three steps of one feature.
fn sample(features: [f32; 6]) -> Sample {
    let input = BatchInput { steps: 3, features: features.to_vec(), ..BatchInput::default() };
    Sample {
        batch: Batch { lanes: 2, inputs: vec![input], ..Batch::default() },
        tokens: None,
        of: "steps".to_owned(),
    }
}

fn compile(layers: Sequential) -> Model {
    layers.compile(Compile::default()).unwrap()
}

fn set(model: &mut Model, name: &str, values: &[f32]) {
    model.set_weight_flat(name, values).unwrap();
}

#[test]
fn gate_counts_match_a_manual_count() {
    let mut model =
        compile(Sequential::new().input(InputSpec::features(1)).add(Lstm::new(2)).add(Dense::new(1)));
    // Input gate: unit 0 is open where the feature is 1, shut where it is -1, ½ where it is 0; unit 1 is always ½.
    // Forget gate: 0.95 and 0.5. Output gate: ½ and 0, so that unit 1 is dead.
    set(&mut model, "lstm/kernel", &[9.0, 0.0, 0.0, 0.0, 9.0, 9.0, 0.0, 0.0]);
    set(&mut model, "lstm/recurrent_kernel", &[0.0; 16]);
    let forget = (0.95_f32 / 0.05).ln();
    set(&mut model, "lstm/bias", &[0.0, 0.0, forget, 0.0, 0.0, 0.0, 0.0, -60.0]);
    let health = Health::of(&mut model, &sample([1.0, -1.0, 0.0, 1.0, 1.0, 0.0])).unwrap();
    let layer = &health.layers[0];
    let gate = |name: &str| layer.gates.iter().find(|g| g.gate == name).unwrap();
    let shares = |name: &str| (gate(name).low * 12.0, gate(name).high * 12.0);
    assert_eq!(shares("input gate"), (1.0, 3.0));
    assert_eq!(shares("forget gate"), (0.0, 6.0));
    assert_eq!(shares("output gate"), (6.0, 0.0));
    assert_eq!(shares("candidate"), (2.0, 6.0));
    assert!(!gate("candidate").is_gate && (gate("forget gate").mean - 0.725).abs() < 1e-6);
    assert_eq!((layer.steps, layer.dead.as_slice()), (6, [1].as_slice()));
    let memory = layer.memory.as_ref().unwrap();
    assert_eq!((memory.gate, memory.longest_unit), ("forget gate", 0));
    // 0.95 is met within f32 rounding, which 1 / (1 - f) makes twenty times larger.
    assert!((memory.units[0] - 20.0).abs() < 1e-3 && (memory.units[1] - 2.0).abs() < 1e-5, "{memory:?}");
    assert!(health.warnings()[0].contains("1 of 2 units"), "{:?}", health.warnings());
    let section = health.section().unwrap();
    assert_eq!((section.tables.len(), section.figures.len()), (4, 2));
    for table in &section.tables {
        assert!(table.rows.iter().all(|row| row.len() == table.head.len()), "{}", table.title);
    }
}

#[test]
fn kernels_are_examined_gate_by_gate() {
    let mut model =
        compile(Sequential::new().input(InputSpec::features(1)).add(Gru::new(2)).add(Dense::new(1)));
    // z: a rotation by a right angle times 0.5; r: 0; h: a Jordan block of 0.9.
    let [z, h] = [[[0.0, -0.5], [0.5, 0.0]], [[0.9, 1.0], [0.0, 0.9]]];
    let kernel: Vec<f32> = (0..2).flat_map(|row| [z[row], [0.0, 0.0], h[row]].concat()).collect();
    set(&mut model, "gru/recurrent_kernel", &kernel);
    let health = Health::of(&mut model, &sample([0.0; 6])).unwrap();
    let radii: Vec<_> =
        health.layers[0].kernel.iter().map(|b| (b.gate, b.spectral_radius.unwrap())).collect();
    for ((gate, radius), (name, expected)) in
        radii.iter().zip([("update gate", 0.5), ("reset gate", 0.0), ("candidate", 0.9)])
    {
        assert!(*gate == name && (radius - expected).abs() <= RADIUS, "{radii:?}");
    }
    let parameter = |name: &str| health.parameters.iter().find(|p| p.name == name).unwrap();
    let recurrent = parameter("gru/recurrent_kernel");
    let square: f32 = kernel.iter().map(|x| x * x).sum();
    assert!((recurrent.l2 - f64::from(square).sqrt()).abs() < 1e-6);
    assert!((recurrent.rms - f64::from(square / 12.0).sqrt()).abs() < 1e-6);
    assert_eq!((recurrent.largest, recurrent.zeros, recurrent.not_finite), (1.0, 7.0 / 12.0, 0));
}

#[test]
fn unbounded_states_are_not_called_saturated_and_dead_ones_are_found() {
    let relu = |activation| SimpleRnn::new(4).activation(activation);
    let mut model = compile(
        Sequential::new().input(InputSpec::features(1)).add(relu(Activation::Relu)).add(Dense::new(1)),
    );
    set(&mut model, "simple_rnn/kernel", &[5.0, 5.0, 0.0, 5.0]);
    set(&mut model, "simple_rnn/recurrent_kernel", &[0.0; 16]);
    // Unit 1 never gets above zero.
    set(&mut model, "simple_rnn/bias", &[0.0, -99.0, 1.0, 0.0]);
    let read = sample([1.0, 2.0, 3.0, 1.0, 2.0, 3.0]);
    let health = Health::of(&mut model, &read).unwrap();
    assert_eq!((health.layers[0].saturated, &health.layers[0].dead), (None, &vec![1, 2]));
    assert_eq!(health.layers[0].largest, 15.0);
    assert!(health.warnings().iter().any(|w| w.contains("spectral radius 0.000")), "{:?}", health.warnings());
    let both = Bidirectional::new(relu(Activation::Relu));
    let mut both = compile(Sequential::new().input(InputSpec::features(1)).add(both).add(Dense::new(1)));
    let health = Health::of(&mut both, &read).unwrap();
    let as_within = |layer: &LayerHealth| layer.saturated.is_none() && layer.kernel.len() == 1;
    assert!(health.layers.len() == 2 && health.layers.iter().all(as_within));
    let mut tanh = compile(
        Sequential::new().input(InputSpec::features(1)).add(relu(Activation::Tanh)).add(Dense::new(1)),
    );
    set(&mut tanh, "simple_rnn/kernel", &[5.0, -5.0, 0.0, 0.1]);
    set(&mut tanh, "simple_rnn/recurrent_kernel", &[0.0; 16]);
    assert_eq!(Health::of(&mut tanh, &read).unwrap().layers[0].saturated, Some(0.5));
}

#[test]
fn non_finite_weights_are_reported_without_a_panic() {
    let mut model =
        compile(Sequential::new().input(InputSpec::features(1)).add(Lstm::new(2)).add(Dense::new(1)));
    set(&mut model, "lstm/kernel", &[f32::NAN; 8]);
    set(&mut model, "lstm/recurrent_kernel", &[f32::INFINITY; 16]);
    let health = Health::of(&mut model, &sample([1.0; 6])).unwrap();
    let warnings = health.warnings().join("\n");
    assert!(
        warnings.contains("8 of the 8 values of `lstm/kernel`") && warnings.contains("hidden states"),
        "{warnings}"
    );
    health.section().unwrap();
    // A single step shows no variation, so no unit is called dead.
    let input = BatchInput { steps: 1, features: vec![1.0], ..BatchInput::default() };
    let one =
        Sample { batch: Batch { lanes: 1, inputs: vec![input], ..Batch::default() }, ..Sample::default() };
    set(&mut model, "lstm/kernel", &[0.0; 8]);
    set(&mut model, "lstm/recurrent_kernel", &[0.0; 16]);
    assert!(Health::of(&mut model, &one).unwrap().layers[0].dead.is_empty());
    let error = Health::of(&mut model, &Sample::default()).unwrap_err().to_string();
    assert!(error.contains("at least one step"), "{error}");
    let mut flat = compile(Sequential::new().input(InputSpec::flat(2)).add(Dense::new(1)));
    let input = BatchInput { steps: 1, features: vec![0.0; 2], ..BatchInput::default() };
    let one =
        Sample { batch: Batch { lanes: 1, inputs: vec![input], ..Batch::default() }, ..Sample::default() };
    let health = Health::of(&mut flat, &one).unwrap();
    assert_eq!((health.layers.len(), health.parameters.len()), (0, 2));
    assert!(health.section().unwrap().findings.iter().any(|f| f.contains("no recurrent layer")));
}
