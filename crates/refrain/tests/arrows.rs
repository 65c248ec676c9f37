//! Dependencies between crates point down only, and only the lowest crate uses `unsafe`.

use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

/// What each crate may depend on inside the workspace (ARCHITECTURE.md, "Crates").
const ARROWS: [(&str, &[&str]); 8] = [
    ("refrain-kernels", &[]),
    ("refrain-nn", &["refrain-kernels"]),
    ("refrain-plot", &[]),
    ("refrain-inspect", &["refrain-nn", "refrain-plot"]),
    ("refrain-task", &["refrain-nn"]),
    ("refrain-text", &["refrain-nn", "refrain-task"]),
    (
        "refrain",
        &["refrain-inspect", "refrain-kernels", "refrain-nn", "refrain-plot", "refrain-task", "refrain-text"],
    ),
    ("refrain-cli", &["refrain"]),
];

/// What a package in `examples/` may depend on, like a user's program.
const EXAMPLES: &[&str] = &["refrain"];

/// The only crate that may use `unsafe`.
const GROUND_FLOOR: &str = "refrain-kernels";

fn packages() -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("cargo metadata is JSON");
    metadata["packages"].as_array().expect("packages").clone()
}

fn name(package: &Value) -> &str {
    package["name"].as_str().expect("a name")
}

/// Returns whether a package is in `examples/`, not in `crates/`.
fn is_example(package: &Value) -> bool {
    let manifest = Path::new(package["manifest_path"].as_str().expect("a path"));
    let folder = manifest.ancestors().nth(2).and_then(Path::file_name);
    folder == Some(OsStr::new("examples"))
}

#[test]
fn crates_only_depend_on_lower_layers() {
    let packages = packages();
    let inside: Vec<&str> = packages.iter().map(name).collect();
    assert!(inside.contains(&"refrain"), "no workspace was read: {inside:?}");
    for package in &packages {
        let name = name(package);
        let row = ARROWS.iter().find(|(row, _)| *row == name).map(|(_, allowed)| *allowed);
        let allowed = row
            .or(is_example(package).then_some(EXAMPLES))
            .unwrap_or_else(|| panic!("{name} has no row in ARROWS; add what it may depend on"));
        // Dependencies of tests and build scripts count too.
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            let to = dependency["name"].as_str().expect("a name");
            let ours = inside.contains(&to) || !dependency["path"].is_null();
            assert!(
                !ours || allowed.contains(&to),
                "{name} depends on {to}, but only {allowed:?} are below it"
            );
        }
    }
}

#[test]
fn only_the_kernels_may_be_unsafe() {
    for package in packages().iter().filter(|p| name(p) != GROUND_FLOOR && !is_example(p)) {
        let targets = package["targets"].as_array().expect("targets");
        let is_code =
            |t: &&Value| t["kind"].as_array().is_some_and(|k| k.iter().any(|k| k == "lib" || k == "bin"));
        let mut seen = 0;
        for target in targets.iter().filter(is_code) {
            let path = target["src_path"].as_str().expect("a path");
            let source = std::fs::read_to_string(path).expect("the crate's root file");
            assert!(
                source.lines().any(|line| line == "#![forbid(unsafe_code)]"),
                "{path} lacks #![forbid(unsafe_code)]"
            );
            seen += 1;
        }
        assert!(seen > 0, "{} has neither library nor binary", name(package));
    }
}
