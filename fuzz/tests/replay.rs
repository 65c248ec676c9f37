//! Runs each target on its stored files, without libFuzzer.

use refrain_fuzz::TARGETS;
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Maximum time to read an untrusted file. It is far more than any stored file takes, and catches what is not linear.
const LONGEST: Duration = Duration::from_secs(1);
/// Maximum total size of the stored files, which are part of every clone.
const MAX_STORED_BYTES: u64 = 300_000;

fn here(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

fn kept(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let paths = entries(&here("corpus").join(target)).into_iter();
    paths.map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

#[test]
fn every_target_has_a_program_and_files() {
    let names: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let stems = |folder: &str| -> BTreeSet<String> {
        let stem = |path: PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
        entries(&here(folder)).into_iter().map(stem).collect()
    };
    assert_eq!(stems("fuzz_targets"), names);
    assert_eq!(stems("corpus"), names);
    let manifest = fs::read_to_string(here("Cargo.toml")).unwrap();
    for name in &names {
        assert!(
            manifest.contains(&format!("[[bin]]\nname = \"{name}\"\n")),
            "{name} has no [[bin]] in Cargo.toml"
        );
        let program = fs::read_to_string(here("fuzz_targets").join(name).with_extension("rs")).unwrap();
        let function = if name == "npy" { "npy_file" } else { name };
        assert!(
            program.contains(&format!("program!(refrain_fuzz::{function});")),
            "{name} runs the wrong target"
        );
        assert!(kept(name).len() >= 3, "{name} has fewer than 3 stored files");
    }
    let size: u64 = names.iter().flat_map(|name| kept(name)).map(|(_, bytes)| bytes.len() as u64).sum();
    assert!(size <= MAX_STORED_BYTES, "stored files have {size} bytes; expected at most {MAX_STORED_BYTES}");
}

#[test]
fn stored_files_are_handled() {
    for (name, target) in TARGETS {
        for (path, bytes) in kept(name) {
            let start = Instant::now();
            println!("{}", path.display());
            target(&bytes);
            let took = start.elapsed();
            assert!(took < LONGEST, "{}: {took:?}", path.display());
        }
    }
}

/// Cuts each file, and changes a byte, at several places: what libFuzzer would try first.
#[test]
fn stored_files_are_handled_with_a_byte_changed_or_cut_off() {
    const PLACES: usize = 24;
    for (name, target) in TARGETS {
        target(&[]);
        for (path, bytes) in kept(name) {
            println!("{}", path.display());
            for place in 0..PLACES.min(bytes.len()) {
                let at = place * bytes.len() / PLACES.min(bytes.len());
                target(&bytes[..at]);
                let mut changed = bytes.clone();
                changed[at] ^= 1 << (place % 8);
                target(&changed);
            }
        }
    }
}
