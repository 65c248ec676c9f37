//! Which word comes next? The next-word tutorial, a common first program with recurrent networks, in Rust.
//!
//! A text becomes ids, every three consecutive words become two inputs and a target, and an LSTM learns to
//! predict the third word. Run `cargo run --release -p next-word`, or with your own text:
//! `cargo run --release -p next-word -- my.txt`.

use refrain::prelude::*;
use std::error::Error;

const SENTENCE: &str = "A refrain is the line of a song that comes back, and so does our hidden state too.";
const WINDOW: usize = 3;
const EPOCHS: usize = 200;

fn main() -> Result<(), Box<dyn Error>> {
    let text = match std::env::args().nth(1) {
        Some(path) => std::fs::read_to_string(path)?,
        None => SENTENCE.to_owned(),
    };
    let mut tokenizer = Tokenizer::default();
    tokenizer.fit_on_texts([&text]);
    let vocab = tokenizer.vocab_size();
    let sequence = tokenizer.texts_to_sequences([&text]).remove(0);
    let windows = Ngrams::new(&sequence, WINDOW);
    if windows.is_empty() {
        return Err(format!("the text has {} words, but at least {WINDOW} are needed", sequence.len()).into());
    }
    let (x, y) = windows.split_last();
    let y = to_categorical(&y.to_vec(), Some(vocab))?;

    let mut model = Sequential::new()
        .add(Embedding::new(vocab, 10))
        .add(Lstm::new(50))
        .add(Dense::new(vocab).activation(Activation::Softmax))
        .compile(Compile {
            loss: Loss::CategoricalCrossentropy,
            optimizer: Adam::default().into(),
            metrics: vec![Metric::Accuracy],
            ..Default::default()
        })?;
    println!("{}", model.summary());
    let fit = Fit { epochs: EPOCHS, verbose: Verbose::EpochLines, ..Default::default() };
    let history = model.fit(&x, &y, fit)?;

    let accuracy = history.get("accuracy").and_then(<[f64]>::last).copied().unwrap_or_default();
    println!("accuracy {accuracy:.4} after {EPOCHS} epochs");

    let mut words: Vec<u32> = sequence[..WINDOW - 1].to_vec();
    for _ in 0..WINDOW {
        let last = pad_sequences(&[&words[..]], Pad { maxlen: Some(WINDOW - 1), ..Pad::default() })?;
        let probabilities = model.predict(&last)?;
        let next = (1..vocab).max_by(|&a, &b| probabilities[[0, a]].total_cmp(&probabilities[[0, b]]));
        words.extend(next.map(|id| id as u32));
    }
    let (given, predicted) = words.split_at(WINDOW - 1);
    let said = tokenizer.sequences_to_texts([given, predicted]);
    println!("prompt \"{}\", predicted \"{}\"", said[0], said[1]);
    Ok(())
}
