//! Untrusted model files: whatever bytes they contain, opening and using one gives a model or a typed error, quickly,
//! and with memory bounded by the file's size.

#[path = "hostile_files/measured.rs"]
mod measured;
#[path = "hostile_files/mutate.rs"]
mod mutate;

use measured::measured;
use mutate::{Mutator, Parts};
use refrain::classifier::{ClassifierRecipe, LabelledData, ReaderSettings, parse_table};
use refrain::data::Batch;
use refrain::language_model::{Generate, TrainingData};
use refrain::layers::{
    Add, Bidirectional, Concatenate, Dense, Embedding, Gru, LayerNormalization, Lstm, Masking, RepeatVector,
    SimpleRnn, TimeDistributed,
};
use refrain::tagger::{TaggerRecipe, parse_tagged};
use refrain::{
    Answer, CellKind, Classifier, Compile, Corpus, Engine, InputSpec, Isa, LanguageModel, Level, Model,
    Network, Sequential, Tagger, TextRecipe, TrainingSettings, open,
};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

/// Mutations of each file.
const MUTATIONS: usize = 260;
const SEED: u64 = 20_261_124;
/// Wider inputs are not run: the caller, not the library, would allocate the array.
const WIDEST: usize = 1 << 16;

fn engine() -> Engine {
    Engine::new(Isa::detect(), 1)
}

fn save(model: &Model, path: &Path) {
    model.save(path).expect("a file in a folder of its own");
}

fn sequential(model: Sequential) -> Model {
    model.compile(Compile { engine: Some(engine()), ..Compile::default() }).expect("a model")
}

/// Returns a model with two inputs, an edge that is read twice, and a repeated vector.
fn branched() -> Model {
    let mut net = Network::new();
    let sequence = net.input(InputSpec::features(3).name("sequence"));
    let flat = net.input(InputSpec::flat(4).name("flat"));
    let both = (|| {
        let states = net.add_all(Lstm::new(4).return_state(true), &[sequence])?;
        let sum = net.add(Add::new(), &[states[0], states[1], flat, flat])?;
        let repeated = net.add(RepeatVector::new(3), &[sum])?;
        let decoded = net.add(Lstm::new(4).return_sequences(true), &[repeated, states[1], states[2]])?;
        let each = net.add(TimeDistributed::new(Dense::new(2).name("each")), &[decoded])?;
        let last = net.add(SimpleRnn::new(3), &[each])?;
        let joined = net.add(Concatenate::new(), &[last, states[2], last])?;
        Ok::<_, refrain::ModelError>([each, joined])
    })();
    let compile = Compile { engine: Some(engine()), ..Compile::default() };
    net.compile(&both.expect("layers that fit"), compile).expect("a model")
}

const SONG: &str = "The rain came down on the old tin roof,\nAnd the river ran under the stone.\n\
    I walked with a lamp and a loaf of bread,\nAnd I walked the long road alone.\n";

fn text(path: &Path, change: impl FnOnce(&mut TextRecipe)) {
    let mut recipe = TextRecipe {
        units: 6,
        layers: 1,
        embedding: 6,
        steps: 8,
        training: TrainingSettings { epochs: 1, batch: Some(2), ..TrainingSettings::default() },
        ..TextRecipe::default()
    };
    change(&mut recipe);
    let corpus = Corpus::from_text(SONG.repeat(4));
    let trained = recipe.train(TrainingData::new(&corpus), engine(), &mut |_| Answer::Continue);
    trained.expect("a text to learn").model.save(path).expect("a file in a folder of its own");
}

fn classifier(path: &Path) {
    let texts =
        parse_table("up\trise\nup\traise\ndown\tdrop\ndown\tdrip\nleft\tlower\nleft\tlow\n", "a table")
            .expect("texts");
    let training = TrainingSettings { epochs: 1, ..TrainingSettings::default() };
    let reader = ReaderSettings { units: 4, embedding: 4, ..ReaderSettings::default() };
    let recipe = ClassifierRecipe { reader, training, ..ClassifierRecipe::default() };
    let data = LabelledData::new(&texts);
    let trained = recipe.train(data, engine(), &mut |_| Answer::Continue).expect("texts to learn");
    trained.model.save(path).expect("a file in a folder of its own");
}

fn tagger(path: &Path) {
    let sentences =
        parse_tagged("Ada/B-PER Byron/I-PER met/O Babbage/B-PER\nin/O London/B-LOC\n", "sentences");
    let sentences = sentences.expect("sentences");
    let training = TrainingSettings { epochs: 1, ..TrainingSettings::default() };
    let reader = ReaderSettings { units: 4, embedding: 4, ..ReaderSettings::default() };
    let recipe = TaggerRecipe { reader, training };
    let data = LabelledData::new(&sentences);
    let trained = recipe.train(data, engine(), &mut |_| Answer::Continue).expect("sentences to learn");
    trained.model.save(path).expect("a file in a folder of its own");
}

type Maker<'a> = &'a dyn Fn(&Path);

/// Returns a valid file of each kind.
fn honest(folder: &Path) -> Vec<(&'static str, Vec<u8>)> {
    let rnn = Sequential::new().input(InputSpec::features(3)).add(Masking::default()).add(SimpleRnn::new(5));
    let gru = Sequential::new()
        .input(InputSpec::features(2))
        .add(Gru::new(3).return_sequences(true).stateful(true).reset_after(false))
        .add(LayerNormalization::new())
        .add(Gru::new(3).go_backwards(true).dropout(0.1))
        .add(Dense::new(2));
    let both = Sequential::new()
        .add(Embedding::new(7, 3).mask_zero(true))
        .add(Bidirectional::new(Lstm::new(3).return_sequences(true)))
        .add(Bidirectional::new(SimpleRnn::new(3)))
        .add(Dense::new(2));
    let makers: [(&str, Maker<'_>); 11] = [
        ("SimpleRNN", &|path| save(&sequential(rnn.clone().add(Dense::new(2))), path)),
        ("GRU", &|path| save(&sequential(gru.clone()), path)),
        ("bidirectional", &|path| save(&sequential(both.clone()), path)),
        ("branched", &|path| save(&branched(), path)),
        ("characters", &|path| text(path, |recipe| recipe.level = Level::Char)),
        ("words, tied", &|path| text(path, |recipe| (recipe.level, recipe.tie) = (Level::Word, true))),
        ("words, adaptive", &|path| {
            text(path, |recipe| (recipe.level, recipe.adaptive) = (Level::Word, Some(vec![5, 15])));
        }),
        ("subwords", &|path| {
            text(path, |recipe| (recipe.level, recipe.vocabulary) = (Level::Bpe, Some(340)));
        }),
        ("two layers of GRU", &|path| text(path, |recipe| (recipe.cell, recipe.layers) = (CellKind::Gru, 2))),
        ("classifier", &|path| classifier(path)),
        ("tagger", &|path| tagger(path)),
    ];
    let read = |(name, make): &(&'static str, Maker<'_>)| {
        let path = folder.join("honest");
        make(&path);
        (*name, std::fs::read(path).expect("what was written"))
    };
    makers.iter().map(read).collect()
}

/// Updates the digests as a writer in another language would.
fn redigest(parts: &mut Parts) {
    let hexadecimal = |hash: Sha256| hash.finalize().iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mut metadata = parts.metadata();
    if metadata.contains_key("refrain.digest") {
        let digest = hexadecimal(Sha256::new_with_prefix(&parts.tensors));
        metadata.insert("refrain.digest".to_owned(), digest.into());
    }
    if metadata.contains_key("refrain.metadata-digest") {
        let mut hash = Sha256::new();
        let digested = |key: &str| key.starts_with("refrain.") && key != "refrain.metadata-digest";
        // A `Map` is sorted.
        for (key, value) in metadata.iter().filter(|(key, _)| digested(key)) {
            hash.update(format!("{key}\0{}\0", value.as_str().unwrap_or_default()));
        }
        metadata.insert("refrain.metadata-digest".to_owned(), hexadecimal(hash).into());
    }
    if parts.header.contains_key("__metadata__") {
        parts.set_metadata(metadata);
    }
}

/// Opens a file and uses its model. Returns the kind of outcome.
fn open_and_use(path: &Path) -> String {
    let mut opened = match open(path, engine()) {
        Ok(opened) => opened,
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return format!("refused, {:?}", error.kind());
        }
    };
    let _ = opened.model().summary().to_string();
    let _ = opened.application().and_then(|model| model.memory_to_train());
    let used = if let Some(model) = opened.downcast_mut::<LanguageModel>() {
        let prompt = "the old".to_owned();
        let written = model.complete(&Generate { prompt, length: 5, ..Generate::default() });
        let begun = written.and_then(|_| model.suggest("the r", 3));
        begun.and_then(|_| model.suggest("the ", 3)).map(drop).map_err(|e| e.to_string())
    } else if let Some(model) = opened.downcast_mut::<Classifier>() {
        model.classify(&["rise", "x"]).map(drop).map_err(|e| e.to_string())
    } else if let Some(model) = opened.downcast_mut::<Tagger>() {
        model.tag(&["Ada met", "x"]).map(drop).map_err(|e| e.to_string())
    } else {
        match batch(opened.model()) {
            Some(batch) => {
                opened.model_mut().predict_batch(&batch, None).map(drop).map_err(|e| e.to_string())
            }
            None => return "opened, too wide to be fed".to_owned(),
        }
    };
    match used {
        Ok(()) => "opened and used".to_owned(),
        Err(error) => {
            assert!(!error.is_empty());
            "opened, use refused".to_owned()
        }
    }
}

/// Returns one sequence of two steps; `None` if an input is too wide.
fn batch(model: &Model) -> Option<Batch> {
    let mut batch = Batch { lanes: 1, ..Batch::default() };
    for spec in &model.architecture().inputs {
        let mut input =
            refrain::data::BatchInput { steps: if spec.sequence { 2 } else { 1 }, ..Default::default() };
        match spec.features {
            None => input.ids = vec![1; input.steps],
            Some(width) if width <= WIDEST => input.features = vec![0.5; input.steps * width],
            Some(_) => return None,
        }
        batch.inputs.push(input);
    }
    Some(batch)
}

/// Describes a changed file that opens without a warning, although it differs from the valid one.
fn believed(path: &Path, honest: &[u8], changed: &[u8]) -> Option<String> {
    let opened = open(path, engine()).ok().filter(|opened| opened.warnings().is_empty())?;
    let (honest, changed) = (Parts::of(honest)?, Parts::of(changed)?);
    let own = |parts: &Parts| {
        let mut metadata = parts.metadata();
        metadata.retain(|key, _| key.starts_with("refrain."));
        metadata
    };
    let (own, other) = (own(&honest), own(&changed));
    // Other entries of a tensor, besides its type, shape and offsets, have no meaning.
    let tensors = |parts: &Parts| -> Vec<_> {
        let tensors = parts.header.iter().filter(|(name, _)| *name != "__metadata__");
        tensors
            .map(|(name, t)| (name.clone(), ["dtype", "shape", "data_offsets"].map(|k| t[k].clone())))
            .collect()
    };
    let changes = [
        (own != other, "metadata"),
        (tensors(&changed) != tensors(&honest), "tensors' names, kinds or shapes"),
        (changed.tensors != honest.tensors, "tensors' bytes"),
    ];
    let what = changes.into_iter().find(|(changed, _)| *changed)?.1;
    Some(format!("changed {what} are accepted in a file for {:?}", opened.task()))
}

/// Returns the file with another text for `key` and valid digests.
fn forged(file: &[u8], key: &str, change: impl FnOnce(&str) -> String) -> Vec<u8> {
    let mut parts = Parts::of(file).expect("an honest file");
    let mut metadata = parts.metadata();
    let text = change(metadata[key].as_str().expect("a text"));
    metadata.insert(key.to_owned(), text.into());
    parts.set_metadata(metadata);
    redigest(&mut parts);
    parts.to_bytes()
}

/// Returns the file with layers added after its last one; `layer` gets the number of nodes before it. No output needs
/// them, but they run anyway.
fn with_layers(file: &[u8], count: usize, layer: impl Fn(usize) -> Value) -> Vec<u8> {
    forged(file, "refrain.config", |config| {
        let mut config: Value = serde_json::from_str(config).expect("JSON");
        let inputs = config["inputs"].as_array().expect("a list").len();
        let layers = config["layers"].as_array_mut().expect("a list");
        for _ in 0..count {
            layers.push(layer(inputs + layers.len()));
        }
        config.to_string()
    })
}

/// Replaces the file's subwords by doubled letters: each is half of the next, and the longest are the most likely.
fn with_doubled_letters(file: &[u8]) -> Vec<u8> {
    /// Bytes per number.
    const WIDTH: usize = 4;
    let mut parts = Parts::of(file).expect("an honest file");
    let bias = parts.header.iter().find(|(name, _)| *name == "output/bias");
    let (_, bias) = bias.expect("a bias of the output");
    let end = bias["data_offsets"][1].as_u64().expect("an offset") as usize;
    for number in parts.tensors[end - 20 * WIDTH..end].chunks_exact_mut(WIDTH) {
        number.copy_from_slice(&10f32.to_le_bytes());
    }
    forged(&parts.to_bytes(), "refrain.task", |task| {
        let mut task: Value = serde_json::from_str(task).expect("JSON");
        let model = &mut task["vocabulary"]["model"];
        let vocab = model["vocab"].as_object_mut().expect("a table");
        let count = vocab.len() as u64;
        vocab.retain(|_, id| id.as_u64() < Some(257));
        let letters = ["a", "b", "c", "d", "e"];
        let doubled =
            (0..20).flat_map(|k| letters.map(|letter| (letter.repeat(1 << k), letter.repeat(2 << k))));
        let mut merges = Vec::new();
        for (id, (half, whole)) in (257..count).zip(doubled) {
            merges.push(json!([half, half]));
            vocab.insert(whole, id.into());
        }
        model["merges"] = merges.into();
        task.to_string()
    })
}

/// Returns files that random changes would hardly find, with valid digests: layers, names and words that are valid one
/// by one, but in excessive numbers or sizes.
fn forgeries(files: &BTreeMap<&str, Vec<u8>>) -> Vec<(&'static str, Vec<u8>, &'static str)> {
    let (refused, used) = ("refused, Data", "opened and used");
    let node = |class: &str, config: Value, inputs: &[usize]| {
        let inputs: Vec<_> = inputs.iter().map(|node| [*node, 0]).collect();
        json!({ "class_name": class, "name": "more", "config": config, "inputs": inputs })
    };
    let doubled = |before: usize| node("Concatenate", json!({}), &[before - 1, before - 1]);
    let added = |before: usize| node("Add", json!({}), &[before - 1; 1000]);
    let digits = |config: &str| {
        config.replacen("\"dropout\":0.0", &format!("\"dropout\":0.{}1", "0".repeat(2 << 20)), 1)
    };
    let mut forgeries = Vec::new();
    for name in ["characters", "subwords", "classifier", "GRU", "branched"] {
        forgeries.push(("doubled widths", with_layers(&files[name], 60, doubled), refused));
        forgeries.push(("a thousand copies", with_layers(&files[name], 20, added), refused));
        forgeries.push(("few layers more", with_layers(&files[name], 3, doubled), used));
    }
    for name in ["classifier", "GRU", "branched"] {
        for n in [1u64 << 21, (1 << 32) - 1] {
            let long =
                with_layers(&files[name], 1, |before| node("RepeatVector", json!({ "n": n }), &[before - 1]));
            forgeries.push(("a long sequence", long, refused));
        }
    }
    forgeries.push((
        "a number of a million digits",
        forged(&files["characters"], "refrain.config", digits),
        used,
    ));
    for name in ["characters", "tagger"] {
        let layers = |training: &str| training.replacen("\"layers\":1", "\"layers\":1000000000000", 1);
        forgeries.push((
            "a record of layers without end",
            forged(&files[name], "refrain.training", layers),
            used,
        ));
    }
    forgeries.push(("words of thousands of letters", with_doubled_letters(&files["subwords"]), used));
    forgeries
}

#[test]
fn any_bytes_give_a_model_or_an_error_quickly_in_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("hostile");
    let mut failures = Vec::new();
    let mut outcomes: BTreeMap<(bool, String), usize> = BTreeMap::new();
    let files = honest(folder.path());
    for (name, file, expected) in forgeries(&files.iter().cloned().collect()) {
        std::fs::write(&path, &file).expect("a file");
        match measured(file.len(), || open_and_use(&path)) {
            Ok(outcome) if outcome == expected => {}
            other => failures.push(format!("{name}: {other:?}, not {expected}")),
        }
    }
    for (number, (name, file)) in files.into_iter().enumerate() {
        let mut mutator = Mutator::new(SEED + number as u64);
        std::fs::write(&path, &file).expect("a file");
        assert_eq!(measured(file.len(), || open_and_use(&path)), Ok("opened and used".to_owned()), "{name}");
        let mut parts = Parts::of(&file).expect("an honest file");
        redigest(&mut parts);
        assert_eq!(Parts::of(&file).expect("an honest file").metadata(), parts.metadata(), "{name}");
        for i in 0..MUTATIONS {
            let forged = i % 2 == 0;
            let mutation = mutator.mutate(&file, forged.then_some(&redigest as mutate::Redigest<'_>));
            std::fs::write(&path, &mutation.bytes).expect("a file");
            if !forged && let Some(problem) = believed(&path, &file, &mutation.bytes) {
                failures.push(format!("{name}, {i}: {problem}: {}", mutation.what));
            }
            match measured(mutation.bytes.len(), || open_and_use(&path)) {
                Ok(outcome) => *outcomes.entry((forged, outcome)).or_default() += 1,
                Err(problem) => failures.push(format!("{name}, {i}: {problem}: {}", mutation.what)),
            }
        }
    }
    for ((forged, outcome), count) in &outcomes {
        println!("{count:5} {} {outcome}", if *forged { "with right digests:" } else { "as changed:" });
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    let count = |forged, outcome: &str| outcomes.get(&(forged, outcome.to_owned())).copied().unwrap_or(0);
    // If every file failed the same check, the checks after it would not be tested.
    assert!(count(true, "opened and used") > 100 && count(true, "refused, Data") > 100, "{outcomes:?}");
}
