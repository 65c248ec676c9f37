//! Writes the seed files of `corpus/`: run `cargo run --example seeds` in this folder.
//!
//! It writes the same files every time. Files with other names were found by fuzzing and are not touched.

use refrain::checkpoint::{Checkpoint, Part};
use refrain::classifier::{ClassifierRecipe, LabelledData, ReaderSettings, parse_table};
use refrain::codec::VocabOptions;
use refrain::language_model::TrainingData;
use refrain::layers::{
    ActivityPenalty, AdaptiveSoftmax, Add, Bidirectional, Concatenate, Dense, Dropout, Embedding, Gru,
    LayerNormalization, Lstm, Masking, RepeatVector, SimpleRnn, SpatialDropout1D, TimeDistributed,
};
use refrain::tagger::parse_tagged;
use refrain::{
    Activation, Answer, BpeOptions, BpeVocab, CellKind, Codec, Compile, Corpus, Engine, InputSpec, Isa,
    Level, Model, Network, Sequential, TaggerRecipe, TextRecipe, Tokenizer, TokenizerConfig,
    TrainingSettings, WordOptions, WordSplit, file,
};
use serde_json::{Value, json};
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

const SONG: &str = "Row, row, row your boat,\nGently down the stream.\nMerrily, merrily, merrily, merrily,\n\
    Life is but a dream. Isn't it?\n";
const TABLE: &str = "up\trise\nup\traise\nup\tsoar\ndown\tdrop\ndown\tfall\ndown\tdive\n";

const TAGGED: &str = "Row/VERB row/VERB your/PRON boat/NOUN\ndown/ADV the/DET stream/NOUN\n";

/// Two lines after a byte order mark, as written by Python's gzip.
const ANOTHER_DAY: &[u8] = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\x7b\xbf\x7b\x7f\x7e\x5e\xaa\x42\x4a\x62\x25\x2f\x57\x62\x5e\x7e\x49\x46\x6a\x11\x17\x00\xde\xda\x7f\xee\x14\x00\x00\x00";

type Result<T> = std::result::Result<T, Box<dyn Error>>;

fn main() -> Result<()> {
    models()?;
    vocabularies()?;
    checkpoints()?;
    arrays()?;
    texts()?;
    recipes()
}

fn seed(target: &str, name: &str, bytes: impl AsRef<[u8]>) -> Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    Ok(fs::write(folder.join(name), bytes)?)
}

fn engine() -> Engine {
    Engine::new(Isa::portable(), 1)
}

fn scratch() -> PathBuf {
    std::env::temp_dir().join(format!("refrain-seeds-{}", std::process::id()))
}

fn saved(save: impl FnOnce(&Path) -> Result<()>) -> Result<Vec<u8>> {
    save(&scratch())?;
    let bytes = fs::read(scratch())?;
    fs::remove_file(scratch())?;
    Ok(bytes)
}

fn networks() -> Result<Vec<(&'static str, Model)>> {
    let compile = || Compile { engine: Some(engine()), ..Compile::default() };
    let ids = Sequential::new();
    let features = || Sequential::new().input(InputSpec::features(2));
    let mut two = Network::new();
    let (a, b) = (two.input(InputSpec::features(2).name("a")), two.input(InputSpec::flat(3).name("b")));
    let h = two.add(Lstm::new(2), &[a])?;
    let repeated = two.add(RepeatVector::new(2), &[b])?;
    let g = two.add(Gru::new(2), &[repeated])?;
    let all = two.add(Concatenate::new(), &[h, g])?;
    let sum = two.add(Add::new(), &[h, g])?;
    let outputs = [two.add(Dense::new(1), &[all])?, sum];
    Ok(vec![
        ("lstm", ids.add(Embedding::new(5, 2)).add(Lstm::new(2)).add(Dense::new(2)).compile(compile())?),
        (
            "gru",
            features().add(Gru::new(2).return_sequences(true)).add(Dropout::new(0.5)).compile(compile())?,
        ),
        (
            "bidirectional",
            features().add(Masking::new(0.0)).add(Bidirectional::new(SimpleRnn::new(2))).compile(compile())?,
        ),
        (
            "many_kinds",
            features()
                .add(TimeDistributed::new(Dense::new(3).activation(Activation::Relu)))
                .add(SpatialDropout1D::new(0.2))
                .add(LayerNormalization::new())
                .add(ActivityPenalty::new(0.1, 0.1))
                .add(Lstm::new(2).dropout(0.1).recurrent_dropout(0.1))
                .compile(compile())?,
        ),
        ("two_inputs", two.compile(&outputs, compile())?),
    ])
}

fn models() -> Result<()> {
    for (name, model) in networks()? {
        seed("model_file", name, saved(|path| Ok(model.save(path)?))?)?;
        seed("architecture", name, serde_json::to_vec(model.architecture())?)?;
    }
    let training = Corpus::from_text(SONG);
    for (name, level, recipe) in [
        ("char", Level::Char, TextRecipe { cell: CellKind::Gru, ..TextRecipe::default() }),
        ("word", Level::Word, TextRecipe { tie: true, ..TextRecipe::default() }),
        ("adaptive", Level::Word, TextRecipe { adaptive: Some(vec![4, 8]), ..TextRecipe::default() }),
    ] {
        let small = TextRecipe {
            level,
            units: 2,
            layers: 1,
            embedding: 2,
            steps: 4,
            training: TrainingSettings { epochs: 1, validation: 0.0, ..TrainingSettings::default() },
            ..recipe
        };
        let model = small.train(TrainingData::new(&training), engine(), &mut |_| Answer::Continue)?.model;
        let bytes = saved(|path| Ok(model.save(path)?))?;
        task_of("language_model_task", name, &bytes, model.model())?;
        seed("model_file", name, bytes)?;
    }
    let texts = parse_table(TABLE, "the table")?;
    let training = TrainingSettings { epochs: 1, ..TrainingSettings::default() };
    let reader = ReaderSettings { units: 2, embedding: 2, ..ReaderSettings::default() };
    let recipe = ClassifierRecipe { reader, training, ..ClassifierRecipe::default() };
    let model = recipe.train(LabelledData::new(&texts), engine(), &mut |_| Answer::Continue)?.model;
    let bytes = saved(|path| Ok(model.save(path)?))?;
    task_of("classifier_task", "char", &bytes, model.model())?;
    seed("model_file", "classifier", bytes)?;
    let sentences = parse_tagged(TAGGED, "the sentences")?;
    for (name, level) in [("char", Level::Char), ("word", Level::Word), ("bpe", Level::Bpe)] {
        let training = TrainingSettings { epochs: 1, ..TrainingSettings::default() };
        let recipe = TaggerRecipe { reader: ReaderSettings { level, ..reader }, training };
        let data = LabelledData::new(&sentences);
        let model = recipe.train(data, engine(), &mut |_| Answer::Continue)?.model;
        let bytes = saved(|path| Ok(model.save(path)?))?;
        task_of("tagger_task", name, &bytes, model.model())?;
        if level == Level::Word {
            seed("model_file", "tagger", bytes)?;
        }
    }
    for (name, layer) in [
        ("adaptive", json!(null)),
        ("giant", json!({"units": 1_u64 << 62})),
        ("wide", json!({"units": 9_000_000})),
    ] {
        if layer.is_null() {
            let model = Sequential::new()
                .add(Embedding::new(9, 4))
                .add(Lstm::new(4).return_sequences(true))
                .add(AdaptiveSoftmax::new(9).cutoffs(vec![3, 6]))
                .compile(Compile { engine: Some(engine()), ..Compile::default() })?;
            seed("architecture", name, serde_json::to_vec(model.architecture())?)?;
            continue;
        }
        let mut hostile = serde_json::to_value(networks()?[0].1.architecture())?;
        hostile["layers"][1]["config"]["units"] = layer["units"].clone();
        seed("architecture", name, serde_json::to_vec(&hostile)?)?;
    }
    Ok(())
}

/// Writes the task of a model file, by itself and together with its architecture.
fn task_of(target: &str, name: &str, bytes: &[u8], model: &Model) -> Result<()> {
    let task = file::read(bytes, "a seed", engine())?.task;
    seed(target, name, serde_json::to_vec(&task)?)?;
    let both = json!({ "config": model.architecture(), "task": task });
    seed("architecture", &format!("{target}_{name}"), serde_json::to_vec(&both)?)
}

fn vocabularies() -> Result<()> {
    for split in [WordSplit::Punctuation, WordSplit::Whitespace, WordSplit::Keras] {
        let words = WordOptions { split, ..WordOptions::default() };
        let codec = Codec::from_text(SONG, Level::Word, &VocabOptions { words, vocab: Some(12) })?;
        let mut task = serde_json::to_value(codec)?;
        task["task"] = json!("text");
        seed("language_model_task", &format!("words_{split:?}"), serde_json::to_vec(&task)?)?;
        task["task"] = json!("classify");
        (task["labels"], task["max_length"]) = (json!(["down", "up"]), json!(4));
        seed("classifier_task", &format!("words_{split:?}"), serde_json::to_vec(&task)?)?;
    }
    let bpe = BpeVocab::train([Ok(SONG)], &BpeOptions { vocab_size: 264, min_frequency: 2 })?;
    seed("bpe_json", "whole", serde_json::to_vec(&Value::from(bpe.clone()))?)?;
    let mut task = serde_json::to_value(Codec::Bpe(bpe))?;
    task["task"] = json!("text");
    seed("language_model_task", "bpe", serde_json::to_vec(&task)?)?;
    for (name, tables) in [
        (
            "tables",
            r#"{"vocab":{"ro":257,"row":258,"Ġrow":259},"merges":[["r","o"],["ro","w"],["Ġ","row"]]}"#,
        ),
        ("tables_in_another_order", r#"{"vocab":{"ab":258,"abab":257},"merges":[["ab","ab"],["a","b"]]}"#),
        ("two_ways", r#"{"vocab":{"aa":257,"aaa":258},"merges":[["a","a"],["aa","a"],["a","aa"]]}"#),
        ("no_merge", r#"{"vocab":{"ab":257},"merges":[]}"#),
        ("empty_token", r#"{"vocab":{"":257},"merges":[["",""]]}"#),
        ("empty", "{}"),
    ] {
        seed("bpe_json", name, tables)?;
    }
    let fitted = |config: TokenizerConfig| -> Result<String> {
        let mut tokenizer = Tokenizer::new(config)?;
        tokenizer.fit_on_texts(["Row, row, row your boat", "down the stream ΑΣ"]);
        tokenizer.fit_on_sequences([[1, 2, 99]]);
        Ok(tokenizer.to_json())
    };
    let default = TokenizerConfig::default;
    seed("keras_tokenizer", "plain", fitted(default())?)?;
    seed(
        "keras_tokenizer",
        "oov",
        fitted(TokenizerConfig { oov_token: Some("row".into()), num_words: Some(4), ..default() })?,
    )?;
    seed(
        "keras_tokenizer",
        "chars",
        fitted(TokenizerConfig { char_level: true, lower: false, ..default() })?,
    )?;
    seed(
        "keras_tokenizer",
        "split",
        fitted(TokenizerConfig { split: "o".into(), filters: "or".into(), ..default() })?,
    )?;
    seed("keras_tokenizer", "new", Tokenizer::default().to_json())
}

fn checkpoints() -> Result<()> {
    let mut checkpoint = Checkpoint::new("fit");
    let empty = saved(|path| Ok(checkpoint.write(path)?))?;
    seed("checkpoint", "empty", &empty)?;
    seed("checkpoint", "cut", &empty[..empty.len() - 3])?;
    let tensors = vec![("m".to_owned(), vec![0.5, f32::NAN]), ("v".to_owned(), Vec::new())];
    checkpoint.insert("model", Part { values: json!({"step": 3, "rate": 0.1}), tensors });
    checkpoint.insert("data", Part::of(&json!([1, null, "a"]))?);
    let mut bytes = saved(|path| Ok(checkpoint.write(path)?))?;
    seed("checkpoint", "two_parts", &bytes)?;
    *bytes.last_mut().ok_or("a checkpoint has bytes")? ^= 1;
    seed("checkpoint", "damaged", bytes)
}

fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend((header.len() as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.extend(data);
    bytes
}

fn arrays() -> Result<()> {
    for (name, descr, order, shape, data) in [
        ("floats", "<f4", "False", "(2, 1)", &[0, 0, 128, 63, 0, 0, 192, 127][..]),
        ("doubles", ">f8", "True", "(1,)", &[127, 240, 0, 0, 0, 0, 0, 0]),
        ("ids", "<i8", "False", "(1, 1)", &[255, 255, 255, 255, 0, 0, 0, 0]),
        ("unsigned", ">u8", "False", "(1,)", &[255; 8]),
        ("columns", "|u1", "True", "(2, 3)", &[0, 1, 2, 3, 4, 5]),
        ("mask", "|b1", "False", "(1, 3)", &[0, 1, 2]),
        ("no_axis", "<f4", "False", "()", &[0; 4]),
        ("no_element", "<f4", "True", "(0, 1152921504606846976, 3)", &[]),
        ("overflow", "<f4", "False", "(4611686018427387904, 4)", &[]),
    ] {
        let header = format!("{{'descr': '{descr}', 'fortran_order': {order}, 'shape': {shape}, }}\n");
        seed("npy", name, npy(&header, data))?;
    }
    seed("npy", "long_entry", npy(&format!("{{'{}': 1}}", "x".repeat(3000)), &[]))?;
    let axes = "1,".repeat(1000);
    seed(
        "npy",
        "many_axes",
        npy(&format!("{{'descr': '|u1', 'fortran_order': True, 'shape': ({axes})}}"), &[7]),
    )?;
    let file = |header: &str, data: &[u8]| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    };
    for (name, header, data) in [
        (
            "two",
            r#"{"input":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"lengths":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}"#,
            &[0, 0, 128, 63, 0, 0, 192, 127, 1, 0, 0, 0, 0, 0, 0, 0][..],
        ),
        ("mask", r#"{"mask":{"dtype":"BOOL","shape":[1,2],"data_offsets":[0,2]}}"#, &[1, 0]),
        ("half", r#"{"x":{"dtype":"F16","shape":[1],"data_offsets":[0,2]}}"#, &[0, 60]),
        ("no_element", r#"{"x":{"dtype":"F64","shape":[0,9007199254740993],"data_offsets":[0,0]}}"#, &[]),
        ("none", "{}", &[]),
    ] {
        seed("safetensors_arrays", name, file(header, data))?;
    }
    Ok(())
}

fn texts() -> Result<()> {
    for (name, text) in [
        ("table", TABLE),
        ("blanks", "\u{feff} a \t b \r\n\n\u{a0}\nc\td\re\n"),
        ("identical", "a\tx\na\tx\na\ty\nb\tz\n"),
        ("no_tab", "a b\n"),
        ("two_tabs", "a\tb\tc\n"),
        ("control", "a\u{1b}\tb\n"),
        ("song", SONG),
    ] {
        seed("labelled_texts", name, text)?;
    }
    seed("labelled_texts", "latin", b"caf\xe9\tnoir\n")?;
    for (name, text) in [
        ("slashes", TAGGED),
        ("columns", "-DOCSTART- -X- O O\n\nEU NNP I-NP B-ORG\nrejects VBZ I-VP O\n\nNo DT O O\n"),
        ("tabs", "New York\tB-LOC\r\nor\tO\r\n \r\n1/2\tO\r\n"),
        ("no_label", "a/X b/Y\nc\n"),
    ] {
        seed("tagged_texts", name, text)?;
    }
    for (name, bytes) in [
        ("lines", &b"\xef\xbb\xbfone day\r\n\nanother"[..]),
        ("gzip", ANOTHER_DAY),
        ("two_members", &[ANOTHER_DAY, ANOTHER_DAY].concat()),
        ("cut_short", &ANOTHER_DAY[..ANOTHER_DAY.len() - 9]),
        ("utf_16", b"\xff\xfeo\0n\0e\0"),
        ("latin", b"a line\ncaf\xe9\n"),
    ] {
        seed("input", name, bytes)?;
    }
    // The chunk size minus one, the held-out share in 256ths, and the files.
    for (name, chunk, share, files) in [
        ("song", 7, 26, SONG.as_bytes()),
        ("characters_on_the_border", 2, 128, "aé中🛶🛶中éa\nÄ ß".as_bytes()),
        ("marks_and_no_line_break", 0, 64, b"\xef\xbb\xbfone\x1c\xef\xbb\xbftwo \x1c\n three\xef\xbb\xbf"),
        ("latin_in_the_second", 3, 0, b"a\xc3\xa9\x1ccaf\xe9 noir"),
        ("cut_character", 1, 0, b"ab\xf0\x9f\x9b"),
        ("blank_second", 4, 0, b"a\x1c \n"),
        ("mark_alone", 0, 0, b"\xef\xbb\xbf"),
        ("no_place_to_cut", 1, 200, b"abcdefghijklmnopqrstuvwxyz"),
        ("sigma", 2, 90, "ΑΣ ΑΣΑ ΑΣ' a\u{301}Σ.\u{85}\u{2028}x  y".as_bytes()),
    ] {
        let mut bytes = vec![chunk, share];
        bytes.extend(files);
        seed("corpus", name, bytes)?;
    }
    for (name, text) in [
        ("song", SONG),
        ("penn", "the <unk> did n't @-@ say -LRB- `` yes '' -rrb- N <eos>\n"),
        ("marks", "\"Is (it) 'so'?\" -- a-b , c*d_e... «x» ¿y? 'tis o’clock’\n\n - x"),
        ("case", "ΑΣ İ ǅ ﬁ ß ẞ ΌΔΟΣ'Σ"),
        ("blanks", " \t\r\n\u{a0}\u{2028}\u{85} a\u{200b}b \u{3000}\n  "),
        ("scripts", "中文。日本語、ไทย हिन्दी। عربى، 👩‍👩‍👧‍👦 e\u{301}\0"),
    ] {
        seed("text_round_trip", name, text)?;
    }
    Ok(())
}

fn recipes() -> Result<()> {
    seed("recipes", "text", serde_json::to_vec(&TextRecipe::default())?)?;
    seed("recipes", "classifier", serde_json::to_vec(&ClassifierRecipe::default())?)?;
    seed(
        "recipes",
        "edges",
        r#"{"units":18446744073709551615,"training":{"learning_rate":5e-324,"decay":0.1}}"#,
    )?;
    for (name, text) in [
        ("share", "0.1"),
        ("one", "1"),
        ("least", "5e-324"),
        ("infinite", "inf"),
        ("nan", "NaN"),
        ("negative_zero", "-0"),
        ("cutoffs", "2000, 10000,30000"),
        ("falling", "3,2"),
        ("none", "none"),
        ("huge", "99999999999999999999999"),
        ("empty", ""),
    ] {
        seed("option_values", name, text)?;
    }
    Ok(())
}
