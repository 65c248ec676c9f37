//! Drawings of models that are chains and of others.

use super::*;
use refrain_nn::layers::{Bidirectional, Concatenate, Dense, Dropout, Embedding, Gru, Lstm, RepeatVector};
use refrain_nn::{Activation, Compile, InputSpec, Network, Sequential};
use refrain_plot::{Picture, Theme};

fn compile(layers: Sequential) -> Structure {
    Structure::of(&layers.compile(Compile::default()).unwrap())
}

fn texts(structure: &Structure) -> String {
    structure.unrolled().unwrap().svg(Theme::Light).unwrap()
}

#[test]
fn shapes_and_weights_match_the_model() {
    let model = compile(
        Sequential::new()
            .add(Embedding::new(66, 64))
            .add(Dropout::new(0.3))
            .add(Lstm::new(256).return_sequences(true))
            .add(Dense::new(66)),
    );
    let lstm = &model.layers[2];
    assert_eq!((lstm.shape.as_str(), lstm.parameters), ("(N, T, 256)", 4 * 256 * (64 + 256 + 1)));
    let weights = [("kernel", vec![64, 1024]), ("recurrent_kernel", vec![256, 1024]), ("bias", vec![1024])];
    assert_eq!(lstm.weights, weights.map(|(name, shape)| (name.to_owned(), shape)));
    assert_eq!(lstm.memory, Some(MemoryBox { cell_state: true, forwards: true, backwards: false }));
    let svg = texts(&model);
    for text in ["(N, T, 64) → (N, T, 256)", "recurrent_kernel (256, 1024)", "x₁", "x_T", "L₂", "h₀, c₀"]
    {
        assert!(svg.contains(text), "{text}");
    }
    // Dropout passes its input through. Each of the other layers is drawn at four steps.
    assert!(!svg.contains("dropout"));
    assert_eq!(svg.matches(">lstm<").count(), 4);
    let section = model.section().unwrap();
    let names: Vec<_> = section.figures.iter().map(|figure| figure.name.as_str()).collect();
    assert_eq!(names, ["structure-unrolled", "structure-layers", "structure-cell-lstm"]);
    assert!(section.findings[1].contains("dropout"));
}

#[test]
fn many_to_one_has_one_loss_and_both_directions_have_arrows() {
    let one =
        texts(&compile(Sequential::new().input(InputSpec::features(3)).add(Gru::new(8)).add(Dense::new(1))));
    assert_eq!((one.matches(">loss<").count(), one.matches(">L₁<").count()), (1, 0));
    assert_eq!((one.matches(">gru<").count(), one.matches(">dense<").count()), (4, 1));
    let arrows = |layers: Sequential| texts(&compile(layers)).matches("class=\"rf-head\"").count();
    let with = |both: bool| {
        let start = Sequential::new().input(InputSpec::features(3));
        let layer = Gru::new(8).return_sequences(true);
        (if both { start.add(Bidirectional::new(layer)) } else { start.add(layer) }).add(Dense::new(1))
    };
    assert_eq!(arrows(with(true)) - arrows(with(false)), 4, "the backward direction over four gaps");
}

#[test]
fn models_that_do_not_unroll_are_drawn_as_layers() {
    let flat = compile(Sequential::new().input(InputSpec::flat(2)).add(Dense::new(1)));
    assert!(flat.unrolled().is_none());
    assert!(flat.section().unwrap().findings[1].contains("No layer is recurrent"));
    let mut net = Network::new();
    let (a, b) = (net.input(InputSpec::features(3).name("a")), net.input(InputSpec::features(3).name("b")));
    let past = net.add(Lstm::new(8), &[a]).unwrap();
    let future = net.add(Lstm::new(8).go_backwards(true), &[b]).unwrap();
    let both = net.add(Concatenate::new(), &[past, future]).unwrap();
    let y = net.add(Dense::new(1), &[both]).unwrap();
    let model = Structure::of(&net.compile(&[y], Compile::default()).unwrap());
    assert!(model.unrolled().is_none());
    let section = model.section().unwrap();
    assert!(section.findings[1].contains("not a chain"));
    let svg = section.figures[0].sheet.svg(Theme::Light);
    assert_eq!((svg.matches("class=\"rf-head\"").count(), svg.matches(">lstm").count()), (5, 2));
}

#[test]
fn deep_models_are_cut() {
    let deep = |n: usize| {
        let start = Sequential::new().input(InputSpec::features(3));
        let layers = (0..n).fold(start, |model, _| model.add(Gru::new(4).return_sequences(true)));
        compile(layers.add(Dense::new(1)))
    };
    for n in [4, 5, 6, 7, 18, 19, 20, 21, 40] {
        let model = deep(n);
        let (unrolled, graph) = (texts(&model), model.graph().svg(Theme::Light).unwrap());
        let drawn = |svg: &str| {
            (0..n)
                .filter(|i| {
                    let name = if *i == 0 { ">gru<".to_owned() } else { format!(">gru_{i}<") };
                    svg.contains(&name)
                })
                .count()
        };
        // With the dense layer, at most 6 and 20.
        assert_eq!(drawn(&unrolled), n.min(5), "{n} unrolled");
        assert_eq!(drawn(&graph), n.min(19), "{n} as layers");
        assert_eq!(unrolled.contains(&format!("… {} more layers", n.saturating_sub(5))), n > 5);
        // Four upward arrows between any two rows; for each recurrent layer, four gaps and the start.
        let (rows, memories) = (2 + n.min(6) + usize::from(n < 6) + usize::from(n > 5), n.min(5));
        assert_eq!(unrolled.matches("class=\"rf-head\"").count(), 4 * (rows - 1) + 5 * memories, "{n}");
        // After the omitted layers, which return a sequence, each step reads its own output.
        let drawing = format!("{:?}", model.unrolled().unwrap());
        assert!(
            drawing.contains(r#"from: "4/3", to: "5/3""#) && !drawing.contains(r#"from: "4/3", to: "5/0""#)
        );
        assert_eq!(graph.contains(&format!("… {} more layers", n.saturating_sub(19))), n > 19);
    }
    // From a sequence to a vector and back to a sequence.
    let there_and_back = Sequential::new()
        .input(InputSpec::features(3))
        .add(Bidirectional::new(Lstm::new(4)))
        .add(RepeatVector::new(5))
        .add(Lstm::new(4).return_sequences(true).go_backwards(true))
        .add(Dense::new(1));
    let there_and_back = compile(there_and_back);
    assert_eq!(there_and_back.layers[0].memory.map(|m| (m.cell_state, m.backwards)), Some((true, true)));
    let svg = texts(&there_and_back);
    assert_eq!(svg.matches(">repeat_vector<").count(), 4);
    assert_eq!(svg.matches(">L₁<").count(), 1);
}

#[test]
fn each_kind_of_cell_is_drawn_once_with_its_activations() {
    let model = compile(
        Sequential::new()
            .input(InputSpec::features(3))
            .add(Lstm::new(4).activation(Activation::Relu).return_sequences(true))
            .add(Lstm::new(4).return_sequences(true))
            .add(Bidirectional::new(Gru::new(4).reset_after(false)))
            .add(Dense::new(1)),
    );
    let section = model.section().unwrap();
    let cells: Vec<_> = section.figures.iter().filter(|f| f.name.starts_with("structure-cell-")).collect();
    assert_eq!(
        cells.iter().map(|f| f.name.as_str()).collect::<Vec<_>>(),
        ["structure-cell-lstm", "structure-cell-gru"]
    );
    let lstm = cells[0].sheet.svg(Theme::Light);
    for text in ["forget gate", "input gate", "output gate", "g = relu(…)", "o × relu(cₜ)"] {
        assert!(lstm.contains(text), "{text}");
    }
    // Ten arrows between parts, and one from the input to each of the four functions.
    assert_eq!(lstm.matches("class=\"rf-head\"").count(), 14);
    let gru = cells[1].sheet.svg(Theme::Light);
    for text in ["update gate", "reset gate", "× (1 − z)", "(r × hₜ₋₁)·U"] {
        assert!(gru.contains(text), "{text}");
    }
}
