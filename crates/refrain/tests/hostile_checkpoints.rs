//! Untrusted checkpoints: reading one and resuming from it gives a run or a typed error, quickly, and with memory
//! bounded by the file's size.

#[path = "hostile_files/measured.rs"]
mod measured;
#[path = "hostile_files/mutate.rs"]
mod mutate;

use measured::measured;
use mutate::{Mutator, Parts};
use refrain::callbacks::{EarlyStopping, ReduceLrOnPlateau};
use refrain::checkpoint::{Checkpoint, Checkpoints};
use refrain::classifier::{LabelledData, ReaderSettings, parse_table};
use refrain::language_model::TrainingData;
use refrain::layers::{Dense, Gru};
use refrain::ndarray::{Array2, Array3};
use refrain::optim::Adam;
use refrain::tagger::{TaggerRecipe, TaggerTask, parse_tagged};
use refrain::task::Task;
use refrain::{
    Answer, Average, ClassifierRecipe, Compile, Corpus, Engine, Fit, InputSpec, Isa, Level, ModelError,
    RunEvent, SavedRun, Sequential, TextRecipe, Trained, TrainingRun, TrainingSettings,
};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt::Display;

/// Mutations of each checkpoint.
const MUTATIONS: usize = 300;
const SEED: u64 = 20_261_125;
/// Batches before a run is stopped, within an epoch and between two updates.
const STOPPED: usize = 150;

fn engine() -> Engine {
    Engine::new(Isa::detect(), 1)
}

const SONG: &str = "The rain came down on the old tin roof,\nAnd the river ran under the stone.\n\
    I walked with a lamp and a loaf of bread,\nAnd I walked the long road alone.\n";

/// A kind of run: its checkpoint in the middle of an epoch, and how to resume it for a batch.
struct Run {
    name: &'static str,
    checkpoint: Checkpoint,
    go_on: Box<dyn Fn(Checkpoint) -> Result<(), String>>,
}

/// Returns an observer that stops the run after this many batches.
fn after<T: Task>(batches: usize) -> impl FnMut(&RunEvent<'_, T>) -> Answer {
    let mut seen = 0;
    move |event| {
        seen += usize::from(matches!(event, RunEvent::Batch(_)));
        if seen == batches { Answer::Stop } else { Answer::Continue }
    }
}

/// Returns the checkpoint of a run that was stopped.
fn taken<T: Task, E: Display>(trained: Result<Trained<T>, E>) -> Result<Checkpoint, String> {
    trained.map_err(|e| e.to_string())?.checkpoint.ok_or("it was not stopped".to_owned())
}

fn text(name: &'static str, recipe: TextRecipe) -> Run {
    let recipe = TextRecipe {
        units: 6,
        layers: 2,
        embedding: 6,
        steps: 8,
        variable_steps: true,
        training: TrainingSettings {
            epochs: 3,
            batch: Some(2),
            accumulate: 4,
            average: Average::Exponential,
            ..recipe.training
        },
        ..recipe
    };
    let (training, validation) =
        Corpus::from_text(SONG.repeat(30)).split(0.1, recipe.level.cut()).expect("a text");
    let data = move |run: &mut dyn FnMut(TrainingData<'_>) -> Result<Checkpoint, String>| {
        run(TrainingData { validation: Some(&validation), ..TrainingData::new(&training) })
    };
    let checkpoint =
        data(&mut |data| taken(recipe.train(data, engine(), &mut after(STOPPED)))).expect("a text to learn");
    let go_on = Box::new(move |checkpoint: Checkpoint| {
        data(&mut |data| taken(recipe.resume(checkpoint.clone(), data, engine(), &mut after(1)))).map(drop)
    });
    Run { name, checkpoint, go_on }
}

/// Keeps the checkpoint of a batch, and stops the run there.
#[derive(Default)]
struct Kept {
    after: u64,
    checkpoint: Option<Checkpoint>,
}

impl Checkpoints for Kept {
    fn is_due(&self, batches: u64) -> bool {
        batches >= self.after
    }

    fn write(&mut self, checkpoint: Checkpoint) -> Result<Answer, ModelError> {
        self.checkpoint = Some(checkpoint);
        Ok(Answer::Stop)
    }
}

/// Returns a run of `fit`, with callbacks that keep numbers and tensors.
fn fit(name: &'static str) -> Run {
    let run = |resume: Option<Checkpoint>, after| {
        let model = Sequential::new()
            .input(InputSpec::features(2))
            .add(Gru::new(4).stateful(true).dropout(0.2))
            .add(Dense::new(1));
        let optimizer = Adam::default().into();
        let compile = Compile {
            optimizer,
            engine: Some(engine()),
            gradient_accumulation_steps: 2,
            ..Compile::default()
        };
        let mut model = model.compile(compile).expect("a model");
        let (x, y) = (Array3::from_elem((24, 3, 2), 0.5_f32), Array2::from_elem((24, 1), 0.25_f32));
        let mut kept = Kept { after, checkpoint: None };
        let early = EarlyStopping { restore_best_weights: true, patience: 9, ..EarlyStopping::default() };
        let fit = Fit {
            epochs: 4,
            batch_size: 4,
            validation_split: 0.5,
            callbacks: vec![Box::new(early), Box::new(ReduceLrOnPlateau::default())],
            checkpoints: Some(&mut kept),
            resume,
            ..Fit::default()
        };
        model.fit(&x, &y, fit).map_err(|e| e.to_string())?;
        kept.checkpoint.ok_or("it was not stopped".to_owned())
    };
    let checkpoint = run(None, 8).expect("a run that is stopped");
    Run { name, checkpoint, go_on: Box::new(move |checkpoint| run(Some(checkpoint), 9).map(drop)) }
}

fn classifier(name: &'static str) -> Run {
    let table = "up\trise\nup\traise\ndown\tdrop\ndown\tdrip\nleft\tlower\nleft\tlow\n";
    let texts = parse_table(table, "a table").expect("texts");
    let run = move |from: Option<Checkpoint>, batches| {
        let training = TrainingSettings { batch: Some(2), epochs: 4, ..TrainingSettings::default() };
        let reader = ReaderSettings { units: 4, embedding: 4, ..ReaderSettings::default() };
        let recipe = ClassifierRecipe { reader, training, ..ClassifierRecipe::default() };
        let data = LabelledData { validation: &texts, ..LabelledData::new(&texts) };
        taken(match from {
            Some(checkpoint) => recipe.resume(checkpoint, data, engine(), &mut after(batches)),
            None => recipe.train(data, engine(), &mut after(batches)),
        })
    };
    let checkpoint = run(None, 4).expect("a run that is stopped");
    Run { name, checkpoint, go_on: Box::new(move |checkpoint| run(Some(checkpoint), 1).map(drop)) }
}

/// Returns a run of a tagger with spans in its score.
fn tagger(name: &'static str) -> Run {
    let text = "Ada/B-PER Byron/I-PER met/O Babbage/B-PER\nin/O London/B-LOC\nAda/B-PER met/O\n";
    let sentences = parse_tagged(text, "sentences").expect("sentences");
    let run = move |from: Option<Checkpoint>, batches| {
        let training = TrainingSettings { batch: Some(1), epochs: 4, ..TrainingSettings::default() };
        let reader = ReaderSettings { units: 4, embedding: 4, ..ReaderSettings::default() };
        let recipe = TaggerRecipe { reader, training };
        let data = LabelledData { validation: &sentences, ..LabelledData::new(&sentences) };
        let task = TaggerTask::prepare(&recipe, data, None).map_err(|e| e.to_string())?;
        let saved = from.map(SavedRun::open).transpose().map_err(|e| e.to_string())?;
        let run = TrainingRun::new(&recipe, &task).engine(engine()).resume(saved);
        taken(run.train(&mut after(batches)))
    };
    let checkpoint = run(None, 4).expect("a run that is stopped");
    Run { name, checkpoint, go_on: Box::new(move |checkpoint| run(Some(checkpoint), 1).map(drop)) }
}

/// Updates the digest as a writer in another language would.
fn redigest(parts: &mut Parts) {
    let mut metadata = parts.metadata();
    metadata.insert("refrain.digest".to_owned(), "0".repeat(64).into());
    parts.set_metadata(metadata.clone());
    let digest = Sha256::digest(parts.to_bytes());
    let digest = digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
    metadata.insert("refrain.digest".to_owned(), digest.into());
    parts.set_metadata(metadata);
}

fn read_and_go_on(run: &Run, bytes: &[u8]) -> String {
    match Checkpoint::from_bytes(bytes) {
        Err(reason) => {
            assert!(!reason.is_empty());
            "refused".to_owned()
        }
        Ok(checkpoint) => match (run.go_on)(checkpoint) {
            Ok(()) => "read and resumed from".to_owned(),
            Err(error) => {
                assert!(!error.is_empty());
                "read, but not resumed from".to_owned()
            }
        },
    }
}

#[test]
fn any_bytes_give_a_run_or_an_error_quickly_in_little_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut failures = Vec::new();
    let mut outcomes: BTreeMap<(bool, String), usize> = BTreeMap::new();
    let nadam = TrainingSettings { optimizer: "nadam".into(), ..TrainingSettings::default() };
    let runs = [
        text("characters", TextRecipe::default()),
        text("words", TextRecipe { level: Level::Word, training: nadam, ..TextRecipe::default() }),
        fit("fit"),
        classifier("a classifier"),
        tagger("a tagger"),
        text("subwords", TextRecipe { level: Level::Bpe, vocabulary: Some(340), ..TextRecipe::default() }),
    ];
    for (number, run) in runs.iter().enumerate() {
        let Run { name, checkpoint, .. } = run;
        let path = folder.path().join("honest");
        checkpoint.write(&path).expect("a file");
        let file = std::fs::read(path).expect("what was written");
        let cost = |bytes: &[u8]| measured(bytes.len(), || read_and_go_on(run, bytes));
        assert_eq!(cost(&file), Ok("read and resumed from".to_owned()), "{name}");
        let mut parts = Parts::of(&file).expect("an honest file");
        redigest(&mut parts);
        assert_eq!(cost(&parts.to_bytes()), Ok("read and resumed from".to_owned()), "{name}");
        let mut mutator = Mutator::new(SEED + number as u64);
        for i in 0..MUTATIONS {
            let forged = i % 4 > 0;
            let mutation = mutator.mutate(&file, forged.then_some(&redigest as mutate::Redigest<'_>));
            match cost(&mutation.bytes) {
                // The digest reveals any change.
                Ok(outcome) if !forged && outcome != "refused" && mutation.bytes != file => {
                    failures.push(format!("{name}, {i}: accepted: {}", mutation.what));
                }
                Ok(outcome) => *outcomes.entry((forged, outcome)).or_default() += 1,
                Err(problem) => failures.push(format!("{name}, {i}: {problem}: {}", mutation.what)),
            }
        }
    }
    for ((forged, outcome), count) in &outcomes {
        println!("{count:5} {} {outcome}", if *forged { "with a right digest:" } else { "as changed:" });
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    // If every file failed the same check, the checks after it would not be tested.
    let count = |outcome: &str| outcomes.get(&(true, outcome.to_owned())).copied().unwrap_or(0);
    assert!(count("read, but not resumed from") > 100 && count("refused") > 50, "{outcomes:?}");
}
