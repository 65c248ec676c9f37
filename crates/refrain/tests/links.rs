//! Links between the pages lead to existing files and headings.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Collects the pages of a folder, and of its subfolders if it is `docs`.
fn pages(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder of pages") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && folder.ends_with("docs") {
            pages(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "md") {
            into.push(path);
        }
    }
}

/// Returns a page without its code blocks.
fn prose(page: &str) -> String {
    let mut in_code = false;
    let mut keep = |line: &&str| {
        let fence = line.trim_start().starts_with("```");
        in_code ^= fence;
        !in_code && !fence
    };
    page.lines().filter(|line| keep(line)).collect::<Vec<_>>().join("\n")
}

/// Returns the targets of a page's links.
fn links(page: &str) -> impl Iterator<Item = &str> {
    page.split("](").skip(1).filter_map(|rest| rest.split_once(')')).map(|(target, _)| target)
}

/// Returns the anchor of a heading, as code hosts generate it.
fn anchor(heading: &str) -> String {
    let letters = heading.trim().to_lowercase();
    letters
        .chars()
        .filter(|c| c.is_alphanumeric() || " -_".contains(*c))
        .collect::<String>()
        .replace(' ', "-")
}

fn anchors(page: &str) -> BTreeSet<String> {
    let headings = page.lines().filter(|line| line.starts_with('#'));
    headings.map(|line| anchor(line.trim_start_matches('#'))).collect()
}

#[test]
fn every_link_leads_to_a_file_and_a_heading() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("the folder of the project");
    let mut found = Vec::new();
    for folder in ["", "docs", "fixtures", "fuzz", "bench", "crates/refrain-cli/data"] {
        pages(&root.join(folder), &mut found);
    }
    let (mut seen, mut broken) = (0, Vec::new());
    for page in &found {
        let text = prose(&fs::read_to_string(page).expect("a page"));
        for target in links(&text).filter(|target| !target.contains("://")) {
            seen += 1;
            let (file, heading) =
                target.split_once('#').map_or((target, None), |(file, to)| (file, Some(to)));
            let file = if file.is_empty() { page.clone() } else { page.with_file_name(file) };
            let is_there = file.exists()
                && heading.is_none_or(|heading| {
                    let to = fs::read_to_string(&file).expect("a page");
                    anchors(&prose(&to)).contains(heading)
                });
            if !is_there {
                broken.push(format!("{}: {target}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    assert!(found.len() > 10 && seen > 50, "{} pages with {seen} links were read", found.len());
}

#[test]
fn anchors_are_those_of_headings() {
    assert_eq!(anchor(" Where Refrain differs, and why"), "where-refrain-differs-and-why");
    let page = "# A page\n[a](b.md#c)\n```\n[no](no.md)\n```\n![d](e.svg)";
    assert_eq!(links(&prose(page)).collect::<Vec<_>>(), ["b.md#c", "e.svg"]);
}

#[test]
fn the_summary_of_the_book_lists_every_page() {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let summary = fs::read_to_string(docs.join("SUMMARY.md")).expect("docs/SUMMARY.md");
    let listed: BTreeSet<String> = links(&summary).map(str::to_owned).collect();
    let entries =
        fs::read_dir(&docs).expect("the folder docs").map(|entry| entry.expect("an entry").file_name());
    let there: BTreeSet<String> = entries
        .filter_map(|name| name.into_string().ok())
        .filter(|name| name.ends_with(".md") && name != "SUMMARY.md")
        .collect();
    assert_eq!(listed, there);
}
