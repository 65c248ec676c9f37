//! Restores capitals and punctuation: `cargo run --release -p punctuation -- book.txt`.
//!
//! It learns from any text: a tagger reads the words in lower case and without marks, and learns how each was written.
//! The last tenth of the text is held out and scored at the end. Without a text, it uses the songbook that comes with
//! Refrain. `--write FOLDER` also writes the labels for `refrain train tag`.

mod labels;

use clap::Parser;
use labels::{KINDS, labelled, restored};
use refrain::tagger::{LabelledData, ReaderSettings, TaggedSentence, split_tagged};
use refrain::task::score::{ClassScore, Confusion};
use refrain::{Answer, Engine, Level, RunEvent, TaggerRecipe, TrainingSettings};
use std::error::Error;
use std::path::{Path, PathBuf};

const SONGBOOK: &str = include_str!("../../../crates/refrain-cli/data/songbook.txt");
/// The fraction of the text that is held out.
const HELD_OUT: f64 = 0.1;

#[derive(Debug, Parser)]
struct Options {
    /// Text to train on [default: the songbook]
    text: Option<PathBuf>,
    /// Epochs to train for
    #[arg(long, default_value_t = 40)]
    epochs: usize,
    /// Write learn.txt and held-out.txt to this folder, as `word/LABEL`
    #[arg(long, value_name = "FOLDER")]
    write: Option<PathBuf>,
}

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options::parse();
    let text = options.text.as_ref().map_or(Ok(SONGBOOK.to_owned()), std::fs::read_to_string)?;
    let sentences = labelled(&text);
    let (learned, held_out) = split_tagged(&sentences, HELD_OUT);
    let words = |part: &[TaggedSentence]| part.iter().map(|sentence| sentence.words.len()).sum::<usize>();
    println!("{} words for training, {} held out", words(learned), words(held_out));
    if let Some(folder) = &options.write {
        write(folder, learned, held_out)?;
    }

    let reader = ReaderSettings { level: Level::Bpe, dropout: 0.5, ..ReaderSettings::default() };
    let training = TrainingSettings {
        epochs: options.epochs,
        batch: Some(8),
        learning_rate: 0.004,
        ..TaggerRecipe::default().training
    };
    let recipe = TaggerRecipe { reader, training };
    let data = LabelledData { test: held_out, ..LabelledData::new(learned) };
    let trained = recipe.train(data, Engine::default(), &mut |event| {
        if let RunEvent::Epoch(epoch) = event {
            println!("{}", epoch.record);
        }
        Answer::Continue
    })?;

    let score = trained.test.ok_or("the text is too short to hold out a part; use a longer text")?;
    println!("\n{:20}precision  recall      F1  in the held-out part", "");
    for (name, is_one) in KINDS {
        let ClassScore { label, precision, recall, f1, support } = of_kind(name, &score.confusion, is_one);
        println!("{label:20}{precision:9.3}  {recall:6.3}  {f1:6.3}  {support}");
    }
    println!("{:.1} % of all words are restored exactly", score.accuracy() * 100.0);

    let mut model = trained.model;
    let lines: Vec<String> = held_out.iter().take(2).map(TaggedSentence::line).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    for (line, words) in held_out.iter().zip(model.tag(&lines)?) {
        let was = line.words.iter().map(|word| restored(&word.word, &word.label));
        let is = words.iter().map(|word| restored(&word.word, &word.label));
        println!("\ninput:    {}", line.line());
        println!("restored: {}", is.collect::<Vec<_>>().join(" "));
        println!("original: {}", was.collect::<Vec<_>>().join(" "));
    }
    Ok(())
}

/// Scores how well the words of one kind are found, ignoring the rest of each label.
fn of_kind(name: &str, confusion: &Confusion, is_one: fn(&str) -> bool) -> ClassScore {
    let kinds: Vec<bool> = confusion.labels().iter().map(|label| is_one(label)).collect();
    let (mut right, mut predicted, mut support) = (0, 0, 0);
    for (truth, &has) in kinds.iter().enumerate() {
        for (&words, &given) in confusion.row(truth).iter().zip(&kinds) {
            right += if has && given { words } else { 0 };
            predicted += if given { words } else { 0 };
            support += if has { words } else { 0 };
        }
    }
    ClassScore::new(name, right, predicted, support)
}

fn write(
    folder: &Path,
    learned: &[TaggedSentence],
    held_out: &[TaggedSentence],
) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(folder)?;
    for (name, part) in [("learn.txt", learned), ("held-out.txt", held_out)] {
        let line = |sentence: &TaggedSentence| {
            let words = sentence.words.iter().map(|word| format!("{}/{}", word.word, word.label));
            words.collect::<Vec<_>>().join(" ") + "\n"
        };
        std::fs::write(folder.join(name), part.iter().map(line).collect::<String>())?;
    }
    Ok(())
}
