//! `refrain inspect`.

mod common;

#[path = "common/page.rs"]
mod page;

use common::{CliOutput, SONG, TestDir, tiny};
use page::{parsed, sections, words};
use refrain::data::{Batch, BatchInput, BatchTarget};
use refrain::inspect::{Sample, memory_length};
use refrain::layers::{Dense, Gru};
use refrain::{Compile, Engine, InputSpec, Isa, LanguageModel, Sequential};
use safetensors::Dtype;
use safetensors::tensor::TensorView;
use serde_json::{Value, json};
use std::fs;

/// Topics in a report's order: the name in `--only`, the heading, the name in `--json`.
const TOPICS: [[&str; 3]; 6] = [
    ["network", "The network", "structure"],
    ["gradient", "The gradient through time", "gradient_flow"],
    ["memory", "How far back it remembers", "memory_length"],
    ["units", "Units that can be read", "readable_units"],
    ["gates", "Gates and states, step by step", "activations"],
    ["health", "Saturation, dead units, kernels", "health"],
];
const COMPARED: &str = "The gradient through time, cell by cell";
/// Options that keep an inspection short.
const FEW: [&str; 2] = ["--steps=24", "--sequences=5"];

/// Returns a folder with a character model, `m`, and a text of 6368 characters.
fn dir() -> TestDir {
    let dir = TestDir::new();
    dir.write("song.txt", SONG.repeat(8));
    dir.train("m", &[]);
    dir
}

/// Adds a classifier of lines, `c`, and its `lines.tsv`.
fn classifier(dir: &TestDir) {
    let label = |line: &str| if line.starts_with("Oh,") { "refrain" } else { "verse" };
    let lines = SONG.lines().filter(|line| !line.is_empty());
    dir.write("lines.tsv", lines.map(|line| format!("{}\t{line}\n", label(line))).collect::<String>());
    let options = ["train", "classify", "lines.tsv", "--units=4", "--embedding=4", "--epochs=1", "--out=c"];
    dir.ok(&options);
}

/// Adds a model without a task, `a`, that reads (N, T, 2).
fn array_model(dir: &TestDir) {
    let model = Sequential::new().input(InputSpec::features(2)).add(Gru::new(4)).add(Dense::new(1));
    model.compile(Compile::default()).unwrap().save(dir.file("a")).unwrap();
}

/// Writes 3 sequences of 7 steps of 2 features, with a target for each.
fn arrays(dir: &TestDir) {
    let bytes = |values: Vec<f32>| values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    let inputs = bytes((0..42).map(|i| (i as f32 * 0.7).sin()).collect());
    let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 7, 2), }\n";
    let mut npy = b"\x93NUMPY\x01\x00".to_vec();
    npy.extend((header.len() as u16).to_le_bytes());
    npy.extend(header.as_bytes());
    npy.extend(&inputs);
    dir.write("in.npy", npy);
    for (file, rows) in [("in.safetensors", 3), ("odd.safetensors", 2)] {
        let targets = bytes(vec![0.5; rows]);
        let views = [("x", vec![3, 7, 2], &inputs), ("target", vec![rows, 1], &targets)];
        let views =
            views.map(|(name, shape, data)| (name, TensorView::new(Dtype::F32, shape, data).unwrap()));
        dir.write(file, safetensors::serialize(views, None).unwrap());
    }
}

/// Runs an inspection with `--json` and returns its only line, in which all numbers are finite.
fn look(dir: &TestDir, arguments: &[&str]) -> Value {
    let output = dir.ok(&[&["inspect", "--json"], arguments].concat());
    let result = output.event("result");
    assert_eq!(output.json().len(), 1, "one line");
    sound(&result);
    result
}

fn sound(value: &Value) {
    match value {
        Value::String(text) => {
            let is_none = |word: &str| ["NaN", "inf", "-inf", "Infinity"].contains(&word);
            assert!(!text.split([' ', ',', ';', '.', ':']).any(is_none), "{text}");
        }
        Value::Array(all) => all.iter().for_each(sound),
        Value::Object(all) => all.values().for_each(sound),
        _ => {}
    }
}

/// Returns the names of a result's sections, in alphabetical order.
fn named(result: &Value) -> Vec<&str> {
    result["findings"].as_object().unwrap().keys().map(String::as_str).collect()
}

fn sorted(names: &[&'static str]) -> Vec<&'static str> {
    let mut names = names.to_vec();
    names.sort_unstable();
    names
}

/// Checks that the printed report has these headings, the findings and the subject of the JSON result.
fn same_in_words(output: &CliOutput, result: &Value, headings: &[&str]) {
    let shown: Vec<_> = output.stdout.split("\n\n").skip(1).collect();
    assert_eq!(shown.iter().map(|part| part.lines().next().unwrap()).collect::<Vec<_>>(), headings);
    let said = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in &shown {
        assert!(part.lines().skip(1).any(|line| line.contains(|c: char| c.is_ascii_digit())), "{part}");
    }
    let stdout = said(&output.stdout);
    for (topic, findings) in result["findings"].as_object().unwrap() {
        assert!(result[topic].is_object(), "no numbers for {topic}");
        let findings = findings.as_array().unwrap();
        assert!(!findings.is_empty(), "{topic}");
        for finding in findings.iter().take(8) {
            assert!(stdout.contains(&said(finding.as_str().unwrap())), "no `{finding}` in {}", output.stdout);
        }
    }
    for (name, value) in result["subject"].as_object().unwrap() {
        assert!(stdout.contains(&said(&format!("{name} {}", value.as_str().unwrap()))), "{name}");
    }
}

#[test]
fn a_model_is_inspected_with_and_without_a_text() {
    let dir = dir();
    for data in [&["song.txt"][..], &[]] {
        let arguments = [&["m"], data, &FEW].concat();
        let result = look(&dir, &arguments);
        assert_eq!(named(&result), sorted(&TOPICS.map(|[_, _, key]| key)));
        let output = dir.ok(&[&["inspect"], &arguments[..]].concat());
        same_in_words(&output, &result, &TOPICS.map(|[_, heading, _]| heading));
        assert_eq!(result["subject"]["Data"].as_str(), data.first().copied());
        assert_eq!(output.stderr.contains("no text given"), data.is_empty(), "{}", output.stderr);
        let of = result["subject"]["Looked at with"].as_str().unwrap();
        assert!(of.starts_with("5 excerpts of 24 characters of "), "{of}");
        assert!(output.stderr.contains("--html=inspect.html") && result["files"] == json!([]));
        assert_eq!(result["structure"]["parameters"], 1088);
        assert_eq!(result["activations"]["steps"], 24);
    }
    let info = dir.ok(&["--json", "info", "m"]).event("result").to_string();
    assert!(info.contains("1088"), "{info}");
    // Another seed generates another text.
    let own = |seed: &str| look(&dir, &["m", "--steps=24", "--sequences=5", "--only=gates", seed]);
    assert_ne!(own("--seed=1")["activations"]["tokens"], own("--seed=2")["activations"]["tokens"]);
}

/// The excerpts are spread evenly over the text; the last one reaches its end.
#[test]
fn numbers_match_the_excerpts_of_the_text() {
    let dir = dir();
    let result = look(&dir, &[&["m", "song.txt", "--share=0.2"], &FEW[..]].concat());
    // Other instruction sets give numbers that differ in their last digits.
    let isa = std::env::var("REFRAIN_ISA").ok().filter(|name| !name.is_empty());
    let isa = isa.map_or_else(Isa::detect, |name| Isa::by_name(&name).unwrap());
    let opened = refrain::open(dir.file("m"), Engine::new(isa, 2)).unwrap();
    let mut model = opened.downcast::<LanguageModel>().unwrap();
    let text = SONG.repeat(8);
    let ids = model.codec().encode(&text);
    let last = ids.len() - 1;
    let excerpts = [0, 1, 2, 3, 4].map(|i| i * (last - 24) / 4);
    let of = |shift: usize| excerpts.iter().flat_map(|at| &ids[at + shift..][..24]).copied().collect();
    let input = BatchInput { steps: 24, ids: of(0), ..BatchInput::default() };
    let target = BatchTarget { steps: 24, ids: of(1), ..BatchTarget::default() };
    let batch = Batch { lanes: 5, inputs: vec![input], targets: vec![target], ..Batch::default() };
    let sample = Sample::new(batch, "5 excerpts of 24 characters of song.txt");
    let section = memory_length(model.model_mut(), &sample, 0.2).unwrap().section().unwrap();
    let same = |data: &Value| serde_json::from_str::<Value>(&data.to_string()).unwrap();
    assert_eq!(result["memory_length"], same(&section.data));
    let flow = refrain::inspect::flow::gradient_flow(model.model_mut(), &sample).unwrap();
    assert_eq!(result["gradient_flow"], same(&flow.section().unwrap().data));
    let lane = result["activations"]["lane"].as_u64().unwrap() as usize;
    let shown: String =
        result["activations"]["tokens"].as_array().unwrap().iter().map(|t| t.as_str().unwrap()).collect();
    assert_eq!(shown, text[excerpts[lane]..][..24]);
}

#[test]
fn threads_do_not_change_the_report() {
    let dir = dir();
    let arguments = [&["inspect", "m", "song.txt", "--compare"], &FEW[..]].concat();
    let first = dir.ok(&arguments);
    assert_eq!(first.stdout, dir.ok(&arguments).stdout);
    let with = |threads: &str| dir.ok(&[&["--json", "--threads", threads], &arguments[..]].concat()).stdout;
    let one = with("1");
    assert!(one == with("2") && one == with("3"), "threads change the numbers");
}

#[test]
fn a_page_is_self_contained_and_explained() {
    let dir = dir();
    let arguments = [&["m", "song.txt", "--compare", "--html=a.html"], &FEW[..]].concat();
    let result = look(&dir, &arguments);
    assert_eq!(result["files"], json!(["a.html"]));
    let text = String::from_utf8(dir.read("a.html")).unwrap();
    let page = parsed(&text);
    let found = sections(&page);
    let mut headings: Vec<_> = TOPICS.iter().map(|[_, heading, _]| *heading).collect();
    headings.insert(2, COMPARED);
    assert_eq!(found.iter().map(|(_, heading, _)| heading.as_str()).collect::<Vec<_>>(), headings);
    assert!(found.iter().all(|(_, _, figures)| *figures > 0), "{found:?}");
    let shown = words(page.root());
    for finding in result["findings"].as_object().unwrap().values() {
        let finding = finding[0].as_str().unwrap().replace('`', "");
        // Powers of ten are formatted differently on the page.
        let start: String = finding.split("e-").next().unwrap().chars().take(60).collect();
        assert!(
            shown.contains(start.trim_end_matches(|c: char| c == '.' || c.is_ascii_digit())),
            "{finding}"
        );
    }
    assert!(text.contains("prefers-color-scheme"), "auto follows the reader");
    for theme in ["light", "dark"] {
        look(&dir, &[&arguments[..], &["--theme", theme]].concat());
        let text = String::from_utf8(dir.read("a.html")).unwrap();
        parsed(&text);
        assert!(!text.contains("prefers-color-scheme") && text.contains(&format!("color-scheme:{theme}")));
    }
}

#[test]
fn figures_are_written_into_a_folder() {
    let dir = dir();
    let result = look(&dir, &[&["m", "song.txt", "--out=new/figures", "--html=a.html"], &FEW[..]].concat());
    let files: Vec<_> = result["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    let (last, figures) = files.split_last().unwrap();
    let on_page = String::from_utf8(dir.read("a.html")).unwrap().matches("<figure>").count();
    assert_eq!((*last, figures.len()), ("a.html", on_page));
    assert_eq!(fs::read_dir(dir.file("new/figures")).unwrap().count(), figures.len());
    for file in figures {
        let svg = String::from_utf8(dir.read(file)).unwrap();
        assert_eq!(parsed(&svg).root_element().tag_name().name(), "svg", "{file}");
    }
    #[cfg(feature = "png")]
    {
        look(&dir, &["m", "song.txt", "--only=memory", "--out=png", "--png"]);
        assert!(dir.read("png/memory-length.png").starts_with(b"\x89PNG"));
    }
}

#[test]
fn only_requested_topics_are_inspected() {
    let dir = dir();
    for [name, heading, key] in TOPICS {
        let arguments = [&["m", "song.txt", "--only", name], &FEW[..]].concat();
        let result = look(&dir, &arguments);
        assert_eq!(named(&result), [key]);
        assert!(TOPICS.iter().all(|[_, _, other]| *other == key || result.get(other).is_none()));
        same_in_words(&dir.ok(&[&["inspect"], &arguments[..]].concat()), &result, &[heading]);
    }
    // In the report's order, whatever order they are named in.
    let output = dir.ok(&[&["inspect", "m", "song.txt", "--only=health,network"], &FEW[..]].concat());
    assert!(output.stdout.find("The network") < output.stdout.find("Saturation"), "{}", output.stdout);
    // The other cells, freshly initialised.
    let result = look(&dir, &[&["m", "song.txt", "--only=gradient", "--compare"], &FEW[..]].concat());
    assert_eq!(named(&result), ["gradient_flow", "gradient_flow_compared"]);
    let cases = result["gradient_flow_compared"]["cases"].as_array().unwrap();
    let cells: Vec<_> = cases.iter().map(|case| case["flow"]["class_name"].as_str().unwrap()).collect();
    assert_eq!(cells, ["SimpleRNN", "LSTM", "GRU"]);
}

#[test]
fn other_models_are_inspected_by_task() {
    let dir = dir();
    dir.train("w", &["--level", "word"]);
    let of = |result: &Value| result["subject"]["Looked at with"].as_str().unwrap().to_owned();
    let all = sorted(&TOPICS.map(|[_, _, key]| key));
    let result = look(&dir, &[&["w", "song.txt"], &FEW[..]].concat());
    assert_eq!((of(&result), named(&result)), ("5 excerpts of 24 words of song.txt".to_owned(), all.clone()));

    classifier(&dir);
    let result = look(&dir, &["c", "lines.tsv", "--sequences=5"]);
    assert_eq!(
        (of(&result), named(&result)),
        ("5 of 20 labelled texts of lines.tsv".to_owned(), all.clone())
    );
    // Texts are cut at `--steps`, with a warning.
    let output = dir.ok(&["inspect", "c", "lines.tsv", "--steps=9", "--only=gates", "--json"]);
    assert_eq!(output.event("result")["activations"]["tokens"].as_array().unwrap().len(), 9);
    assert!(output.stderr.contains("20 texts are longer than 9 characters"), "{}", output.stderr);

    dir.write("tagged.txt", "the/X wheel/Y goes/X round/Y\nby/Y the/X mill/Y\n".repeat(20));
    let tag = ["train", "tag", "tagged.txt", "--units=4", "--embedding=4", "--epochs=1", "--out=t"];
    dir.ok(&tag);
    let result = look(&dir, &["t", "tagged.txt", "--sequences=5"]);
    assert_eq!(
        (of(&result), named(&result)),
        ("5 of 40 labelled sentences of tagged.txt".to_owned(), all.clone())
    );
    let steps = &look(&dir, &["t", "tagged.txt", "--steps=9", "--only=memory"])["memory_length"]["steps"];
    assert!(steps.as_u64().unwrap() <= 9, "{steps}");

    array_model(&dir);
    arrays(&dir);
    let without_text: Vec<_> = all.into_iter().filter(|key| *key != "readable_units").collect();
    for (data, of_data) in [
        (&["in.npy"][..], "3 of 3 sequences of in.npy, with random targets"),
        (&["in.safetensors", "--sequences=2"], "2 of 3 sequences of in.safetensors"),
    ] {
        let result = look(&dir, &[&["a"], data].concat());
        assert_eq!((of(&result), named(&result)), (of_data.to_owned(), without_text.clone()));
        assert_eq!(result["memory_length"]["steps"], 7);
    }
    assert_eq!(look(&dir, &["a", "in.npy", "--steps=4", "--only=memory"])["memory_length"]["steps"], 4);
    // Without data, and with a warning about the topics that are left out.
    for model in ["a", "c", "t"] {
        let output = dir.ok(&["inspect", model, "--sequences=3", "--json"]);
        let result = output.event("result");
        sound(&result);
        assert_eq!(named(&result), without_text);
        assert!(
            output.stderr.contains("random") && output.stderr.contains("left out units"),
            "{}",
            output.stderr
        );
    }
    dir.refused(&["inspect", "a", "in.npy", "--only=units"], &["--only units", "text"]);
}

#[test]
fn a_text_comes_from_stdin_or_from_many_files() {
    let dir = dir();
    let arguments = ["inspect", "m", "-", "--only=memory", "--json", "--steps=24", "--sequences=5"];
    let output = dir.piped(&arguments, SONG.repeat(8).as_bytes());
    assert_eq!(output.code, 0, "{}", output.stderr);
    let from_file = look(&dir, &[&["m", "song.txt", "--only=memory"], &FEW[..]].concat());
    assert_eq!(output.event("result")["memory_length"]["curve"], from_file["memory_length"]["curve"]);
    // The shortest text, and characters that the model does not know.
    dir.write("three.txt", "Oh,");
    dir.write("greek.txt", "αβγδεζηθικλμ");
    let output = dir.ok(&["inspect", "m", "three.txt", "--json"]);
    assert!(output.stderr.contains("3 characters: using 1 excerpt of 2"), "{}", output.stderr);
    let output = dir.ok(&["inspect", "m", "three.txt", "greek.txt", "--steps=6", "--sequences=1", "--json"]);
    assert!(output.stderr.contains("unknown to the model"), "{}", output.stderr);
}

#[test]
fn cells_are_compared_without_a_model() {
    let dir = TestDir::new();
    let cells = ["--cell=rnn,lstm,gru", "--units=8", "--steps=20", "--train=5", "--sequences=4"];
    let result = look(&dir, &[&cells[..], &["--html=a.html"]].concat());
    assert_eq!(named(&result), ["gradient_flow_compared"]);
    let cases = result["gradient_flow_compared"]["cases"].as_array().unwrap();
    let classes: Vec<_> = cases.iter().map(|case| case["flow"]["class_name"].as_str().unwrap()).collect();
    assert_eq!(classes, ["SimpleRNN", "LSTM", "GRU"]);
    for case in cases {
        let [fresh, trained] =
            [&case["flow"], &case["trained"]["flow"]].map(|flow| &flow["hidden"]["median"]);
        assert_eq!(fresh.as_array().unwrap().len(), 20);
        assert_ne!(fresh, trained, "training changes the gradient");
        assert_eq!(case["trained"]["log"]["losses"].as_array().unwrap().len(), 5);
    }
    let text = String::from_utf8(dir.read("a.html")).unwrap();
    assert_eq!(sections(&parsed(&text)).len(), 1);
    let output = dir.ok(&[&["inspect"], &cells[..]].concat());
    same_in_words(&output, &result, &[COMPARED]);
    assert!(output.stdout.contains("5 steps of Adam, learning rate 0.01, clipped at 1"), "{}", output.stdout);
    // Without training, and with another seed.
    let fresh = look(&dir, &["--cell=gru", "--units=8", "--steps=20", "--sequences=4", "--seed=2"]);
    let cases = fresh["gradient_flow_compared"]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 1);
    assert!(cases[0]["trained"].is_null());
    let first = &result["gradient_flow_compared"]["cases"][2];
    assert!(first["name"] == cases[0]["name"] && first["flow"] != cases[0]["flow"]);
}

#[test]
fn invalid_requests_are_rejected_before_work() {
    let dir = dir();
    classifier(&dir);
    array_model(&dir);
    arrays(&dir);
    dir.write("short.txt", "ab");
    dir.write("empty.txt", "");
    dir.write("other.tsv", "chorus\tOh, turn\n");
    let before = dir.names();
    for (arguments, phrases) in [
        (&["none"][..], &["cannot read none", "check the name"][..]),
        (&["song.txt"], &["song.txt is not a model"]),
        (&["m", "none.txt"], &["none.txt", "file not found"]),
        (&["m", "short.txt"], &["short.txt has 2 characters", "at least 3"]),
        (&["m", "empty.txt"], &["empty.txt is empty"]),
        (&["m", "in.npy"], &["in.npy is not UTF-8"]),
        (&["c", "song.txt"], &["song.txt"]),
        (&["c", "other.tsv"], &["`chorus`", "does not know", "refrain, verse"]),
        (&["a", "song.txt"], &["song.txt", ".npy"]),
        (&["a", "in.npy", "in.npy"], &["2 files", "expected one"]),
        (&["a", "odd.safetensors"], &["odd.safetensors", "`target`", "each of 3 sequences"]),
        // The page is checked first, before the missing text.
        (&["m", "none.txt", "--html=no/a.html"], &["cannot write no/a.html", "--html"]),
        (&["m", "none.txt", "--html=."], &["cannot write .", "--html"]),
        (&["m", "none.txt", "--out=song.txt"], &["song.txt", "not a folder", "--out"]),
        (&["m", "song.txt", "--html=song.txt"], &["--html song.txt", "would be overwritten"]),
        (&["m", "song.txt", "--html=m"], &["--html m", "would be overwritten"]),
        (&["m", "short.txt", "--out=new"], &["short.txt"]),
        (&["m", "song.txt", "--only=memory", "--compare"], &["--compare", "--only", "gradient"]),
        (&["m", "song.txt", "--only=units", "--share=0.1"], &["--share", "--only", "memory"]),
    ] {
        dir.refused(&[&["inspect"], arguments].concat(), phrases);
        assert_eq!(dir.names(), before, "{arguments:?} left something");
    }
    #[cfg(not(feature = "png"))]
    dir.refused(&["inspect", "m", "--out=new", "--png"], &["without PNG", "--features png"]);
    // Errors from clap name the possible values.
    for (arguments, phrases) in [
        (&["m", "--only=colours"][..], &["colours", "gradient, memory, gates, units, health, network"][..]),
        (&["m", "--cell=lstm"], &["[MODEL]", "--cell"]),
        (&["m", "--train=5"], &["[MODEL]", "--train"]),
        (&["--cell=elman"], &["elman", "rnn", "lstm", "gru"]),
        (&["--only=gates"], &["<MODEL>"]),
        (&["--lr=0.1"], &["--train"]),
        (&["m", "--png"], &["--out"]),
        (&["m", "--theme=dark"], &["--html", "--out"]),
        (&["m", "--steps=1"], &["--steps", "expected a whole number from 2 to 10,000"]),
        (&["m", "--share=0"], &["--share", "above 0"]),
    ] {
        let output = dir.run(&[&["inspect"], arguments].concat());
        assert_eq!((output.code, output.stdout.as_str()), (2, ""), "{arguments:?}: {}", output.stderr);
        output.says_error(phrases);
    }
    assert_eq!(dir.names(), before);
}

/// Markup, quotes, control characters and a change of direction in a text, in labels and in a file name.
#[test]
fn texts_from_files_are_escaped() {
    let dir = TestDir::new();
    let hostile = "<script>alert('x')</script> &amp; \"]]>\" \u{1}\u{1b}[31m\u{202e} <!-- </style> </svg>\n";
    dir.write("song.txt", hostile.repeat(60));
    dir.write("<b>.tsv", "<i>\tthe <script> goes\n\u{202e}&\tround \u{1b} and\n".repeat(12));
    for level in ["char", "word"] {
        dir.ok(&tiny(&["train", "text", "song.txt", "--out=<b>&'m", "--level", level]));
        let data: [&[&str]; 2] = [&["song.txt"], &[]];
        for data in data {
            let written = ["--html=a.html", "--out=figures"];
            stays_text(&dir, &[&["<b>&'m"], data, &FEW, &written].concat());
        }
    }
    let classify = ["train", "classify", "<b>.tsv", "--units=4", "--embedding=4", "--epochs=1", "--out=c"];
    dir.ok(&classify);
    stays_text(&dir, &["c", "<b>.tsv", "--html=a.html", "--out=figures"]);
}

fn stays_text(dir: &TestDir, arguments: &[&str]) {
    look(dir, arguments);
    let text = String::from_utf8(dir.read("a.html")).unwrap();
    let page = parsed(&text);
    assert!(page.descendants().all(|node| !["b", "i"].contains(&node.tag_name().name()) || is_ours(node)));
    assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
    for file in fs::read_dir(dir.file("figures")).unwrap() {
        let svg = fs::read_to_string(file.unwrap().path()).unwrap();
        parsed(&svg);
        assert!(!svg.contains(|c: char| c.is_control() && c != '\n'));
    }
    let output = dir.ok(&[&["inspect", "-v"], arguments].concat());
    for said in [&output.stdout, &output.stderr] {
        assert!(!said.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{said:?}");
    }
}

/// Returns whether a bold node is the number of a figure.
fn is_ours(node: roxmltree::Node<'_, '_>) -> bool {
    node.text().is_some_and(|text| text.starts_with("Figure "))
}
