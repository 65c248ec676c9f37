//! The top-level modules of each crate have no cyclic dependencies, apart from those of tests.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The modules that each top-level module of a crate uses.
type Uses = BTreeMap<String, BTreeSet<String>>;

/// Collects the source files of a folder and its subfolders, without test modules.
fn sources(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        let is_of_tests = path.file_stem().is_some_and(|stem| stem == "tests");
        if path.is_dir() && !is_of_tests {
            sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") && !is_of_tests {
            into.push(path);
        }
    }
}

/// Returns the names that follow `crate::` in a source file, before its tests.
fn named(source: &str) -> impl Iterator<Item = &str> {
    let code = source.split("\n#[cfg(test)]\nmod ").next().unwrap_or_default();
    code.split("crate::").skip(1).map(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        &rest[..end]
    })
}

fn uses(src: &Path) -> Uses {
    let mut files = Vec::new();
    sources(src, &mut files);
    let module = |file: &Path| {
        let first = file.strip_prefix(src).expect("a file of the folder").components().next();
        let name = first.expect("a name").as_os_str().to_string_lossy().into_owned();
        name.strip_suffix(".rs").map_or(name.clone(), str::to_owned)
    };
    let modules: BTreeSet<String> = files.iter().map(|file| module(file)).collect();
    let mut uses = Uses::new();
    for file in &files {
        let (from, source) = (module(file), fs::read_to_string(file).expect("a source"));
        let used = named(&source).filter(|name| *name != from && modules.contains(*name));
        uses.entry(from.clone()).or_default().extend(used.map(str::to_owned));
    }
    uses
}

/// Repeatedly removes modules that use no others. What is left are the modules in cycles and those that depend on them.
fn in_rings(mut uses: Uses) -> Uses {
    loop {
        let free: Vec<String> =
            uses.iter().filter(|(_, used)| used.is_empty()).map(|(module, _)| module.clone()).collect();
        if free.is_empty() {
            return uses;
        }
        for module in free {
            uses.remove(&module);
            uses.values_mut().for_each(|used| {
                used.remove(&module);
            });
        }
    }
}

#[test]
fn modules_have_no_cyclic_dependencies() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the folder of the crates");
    let mut seen = 0;
    for entry in fs::read_dir(crates).expect("the folder of the crates") {
        let path = entry.expect("an entry").path();
        let uses = uses(&path.join("src"));
        seen += uses.len();
        let rings = in_rings(uses);
        assert!(
            rings.is_empty(),
            "{}: modules in a cycle, and those that depend on them: {rings:#?}",
            path.display()
        );
    }
    assert!(seen > 100, "{seen} modules were read");
}

#[test]
fn a_cycle_is_found() {
    let uses = |arrows: &[(&str, &[&str])]| {
        let used = |to: &[&str]| to.iter().map(|name| (*name).to_owned()).collect();
        arrows.iter().map(|(from, to)| ((*from).to_owned(), used(to))).collect::<Uses>()
    };
    assert!(in_rings(uses(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])).is_empty());
    let rings = in_rings(uses(&[("a", &["b"]), ("b", &["c"]), ("c", &["b", "d"]), ("d", &[])]));
    assert_eq!(rings.keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    let source =
        "use crate::one::X;\n/// See [`crate::two`].\n#[cfg(test)]\nmod tests {\n use crate::three::Y;\n}";
    assert_eq!(named(source).collect::<Vec<_>>(), ["one", "two"]);
}
