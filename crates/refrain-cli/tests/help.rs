//! Help shows the default of every option.

mod common;

use common::TestDir;
use refrain::TextRecipe;
use refrain::language_model::{BeamSearch, Generate};

/// Returns the help without line breaks, so that a default is found wherever a line ends.
fn help(arguments: &[&str]) -> String {
    let output = TestDir::new().ok(&[arguments, &["--help"]].concat());
    output.stdout.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the part of the help from an option to the next one.
fn of<'a>(help: &'a str, option: &str) -> &'a str {
    let ends = [" ", "[="].map(|end| format!(" {option}{end}"));
    let found = ends.iter().find_map(|name| help.find(name));
    let start = found.unwrap_or_else(|| panic!("{option} is not in {help}")) + 1;
    let rest = &help[start..];
    let end = rest[option.len()..].find(" --").map_or(rest.len(), |end| end + option.len());
    &rest[..end]
}

/// Flattens the reader and training settings of a recipe.
fn flat(recipe: &serde_json::Value) -> serde_json::Value {
    let mut recipe = recipe.clone();
    let fields = recipe.as_object_mut().unwrap();
    let groups = ["reader", "training"].into_iter().filter_map(|group| fields.remove(group));
    for group in groups.collect::<Vec<_>>() {
        fields.extend(group.as_object().unwrap().clone());
    }
    recipe
}

#[test]
fn help_shows_the_defaults_of_training() {
    let help = help(&["train", "text"]);
    let dir = TestDir::new();
    let start = dir.ok(&["--json", "train", "text", "song.txt", "--epochs", "1"]).event("start");
    let recipe = &flat(&start["recipe"]);
    for (option, field) in [
        ("--level", "level"),
        ("--cell", "cell"),
        ("--units", "units"),
        ("--layers", "layers"),
        ("--embedding", "embedding"),
        ("--steps", "steps"),
        ("--lr", "learning_rate"),
        ("--schedule", "schedule"),
        ("--optimizer", "optimizer"),
        ("--clip", "clip"),
        ("--dropout", "dropout"),
        ("--recurrent-dropout", "recurrent_dropout"),
        ("--min-count", "min_count"),
        ("--tie", "tie"),
        ("--forget-bias", "forget_bias"),
        ("--locked-dropout", "locked_dropout"),
        ("--embedding-dropout", "embedding_dropout"),
        ("--weight-drop", "weight_drop"),
        ("--activation-penalty", "activation_penalty"),
        ("--temporal-penalty", "temporal_penalty"),
        ("--variable-steps", "variable_steps"),
        ("--accumulate", "accumulate"),
        ("--decay", "decay"),
        ("--decay-after", "decay_after"),
        ("--weight-decay", "weight_decay"),
        ("--reduction", "reduction"),
        ("--average", "average"),
        ("--average-momentum", "average_momentum"),
        ("--patience", "patience"),
        ("--validation", "validation"),
        ("--seed", "seed"),
    ] {
        let value = &recipe[field];
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = value.strip_suffix(".0").unwrap_or(&value);
        let told = of(&help, option);
        let ends = [format!("[default: {value}]"), format!("[default: {value}, ")];
        assert!(ends.iter().any(|end| told.contains(end)), "{option} is {value}, help says {told}");
    }
    let epochs = TextRecipe::default().training.epochs.to_string();
    for (option, default) in [("--epochs", &epochs[..]), ("--out", "model.safetensors"), ("--batch", "64")] {
        assert!(of(&help, option).contains(&format!("[default: {default}")), "{option}");
    }
    for field in ["batch", "vocabulary", "words", "adaptive", "init_range", "input_dropout", "output_dropout"]
    {
        assert!(recipe[field].is_null(), "{field}");
    }
    for (recipe, option, value) in [
        ("zaremba-small", "--units", "200"),
        ("zaremba-medium", "--dropout", "0.5"),
        ("awd", "--average", "triggered"),
    ] {
        assert!(of(&help, option).contains(&format!("{recipe}: {value}")), "{option}");
    }
}

#[test]
fn help_shows_the_defaults_of_classifiers_and_taggers() {
    let classifier = serde_json::to_value(refrain::ClassifierRecipe::default()).unwrap();
    defaults_are_told(&help(&["train", "classify"]), &flat(&classifier), &["class-weight", "identical"]);
    let tagger = serde_json::to_value(refrain::TaggerRecipe::default()).unwrap();
    defaults_are_told(&help(&["train", "tag"]), &flat(&tagger), &[]);
}

/// Checks that the reader options, the training options and `more` have the defaults of a recipe.
fn defaults_are_told(help: &str, recipe: &serde_json::Value, more: &[&str]) {
    let options = [
        "level",
        "cell",
        "units",
        "layers",
        "embedding",
        "dropout",
        "min-count",
        "max-length",
        "epochs",
        "schedule",
        "optimizer",
        "clip",
        "validation",
        "seed",
        "lr",
    ];
    for &option in options.iter().chain(more) {
        let field = if option == "lr" { "learning_rate".to_owned() } else { option.replace('-', "_") };
        let value = &recipe[&field];
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let value = value.strip_suffix(".0").unwrap_or(&value);
        let told = of(help, &format!("--{option}"));
        assert!(told.contains(&format!("[default: {value}]")), "{option} is {value}, help says {told}");
    }
    let batch = recipe["batch"].as_u64().unwrap_or(64);
    assert!(of(help, "--batch").contains(&format!("[default: {batch}]")));
    assert!(of(help, "--early-stopping").contains("[default: never]"));
    assert!(recipe["bidirectional"] == true && of(help, "--bidirectional").contains("[default]"));
}

#[test]
fn help_shows_the_defaults_of_the_other_commands() {
    let generate = Generate::default();
    let [length, seed] = [generate.length.to_string(), generate.seed.to_string()];
    let temperature = generate.sampling.temperature.to_string();
    let penalty = generate.sampling.repetition_penalty.to_string();
    let window = generate.sampling.repetition_window.to_string();
    let length_penalty = BeamSearch::default().length_penalty.to_string();
    for (command, option, default) in [
        ("generate", "--length", &length[..]),
        ("generate", "--temperature", &temperature),
        ("generate", "--top-k", "all"),
        ("generate", "--top-p", "all"),
        ("generate", "--repetition-penalty", &penalty),
        ("generate", "--repetition-window", &window),
        ("generate", "--length-penalty", &length_penalty),
        ("generate", "--seed", &seed),
        ("suggest", "--top", "5"),
        ("classify", "--top", "3"),
        ("evaluate", "--validation", "all data"),
        ("info", "--threads", "all cores"),
        ("bench", "--units", "64,128,256,512,1024"),
    ] {
        let told = help(&[command]);
        assert!(of(&told, option).contains(&format!("[default: {default}]")), "{command} {option}: {told}");
    }
}

#[test]
fn every_command_is_listed_and_the_version_shown() {
    let help = help(&[]);
    for command in ["train", "classify", "tag", "generate", "suggest", "evaluate", "info", "predict", "bench"]
    {
        assert!(help.contains(&format!(" {command} ")), "{command}");
    }
    let version = TestDir::new().ok(&["--version"]).stdout;
    assert_eq!(version.trim(), format!("refrain {}", env!("CARGO_PKG_VERSION")));
    assert_eq!(TestDir::new().run(&[]).code, 2);
}
