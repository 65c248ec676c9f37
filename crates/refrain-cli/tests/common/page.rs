//! Checks pages and pictures, which must work in a browser offline.
#![allow(unreachable_pub, reason = "shared by several test files")]

use roxmltree::{Document, Node, ParsingOptions};
use std::collections::HashSet;

/// The namespace of pictures, which no browser loads.
const SVG: &str = "http://www.w3.org/2000/svg";

/// Parses a page or a picture, which must be well-formed and refer to nothing but itself.
pub fn parsed(text: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).unwrap_or_else(|e| panic!("{e} in {text}"));
    let outside = text.replace(SVG, "").to_lowercase();
    for foreign in ["http:", "https:", "//", "@import", "src=", "xlink", "javascript:", "data:"] {
        assert!(!outside.contains(foreign), "{foreign} in {text}");
    }
    assert!(outside.split("url(").skip(1).all(|rest| rest.starts_with('#')), "url( in {text}");
    let mut ids = HashSet::new();
    for node in document.descendants().filter(Node::is_element) {
        let tag = node.tag_name().name();
        assert!(
            !["script", "link", "img", "image", "iframe", "object", "embed", "base"].contains(&tag),
            "{tag}"
        );
        for attribute in node.attributes() {
            assert!(!attribute.name().starts_with("on"), "{} of {tag}", attribute.name());
        }
        if let Some(id) = node.attribute("id") {
            assert!(ids.insert(id), "two of #{id}");
        }
    }
    for node in document.descendants() {
        if let Some(target) = node.attribute("href") {
            let id = target.strip_prefix('#');
            assert!(id.is_some_and(|id| ids.contains(id)), "{target} leads nowhere");
        }
    }
    for node in document.descendants().filter(Node::is_text) {
        let not_a_number = |word: &str| ["NaN", "inf", "-inf", "Infinity"].contains(&word);
        let text = node.text().unwrap();
        assert!(!text.split(|c: char| !c.is_alphanumeric() && c != '-').any(not_a_number), "{text}");
    }
    document
}

/// Returns the visible text of a node, with one space between words.
pub fn words(node: Node<'_, '_>) -> String {
    let texts = node.descendants().filter(Node::is_text).filter_map(|text| text.text());
    texts.collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the sections of a page: anchor, heading and number of figures. Each figure must explain how to read it.
pub fn sections(page: &Document<'_>) -> Vec<(String, String, usize)> {
    let named = |node: Node<'_, '_>, tag: &str| node.is_element() && node.tag_name().name() == tag;
    let mut found = Vec::new();
    for section in page.descendants().filter(|&node| named(node, "section")) {
        let figures: Vec<_> = section.descendants().filter(|&node| named(node, "figure")).collect();
        for figure in &figures {
            let part = |tag| figure.descendants().find(|&node| named(node, tag)).expect("a whole figure");
            assert!(part("svg").descendants().filter(Node::is_element).count() > 3);
            let help = words(part("figcaption"));
            let help = help.strip_prefix("Figure ").and_then(|rest| rest.split_once(". ")).unwrap().1;
            assert!(help.split(' ').count() >= 5, "help to read a figure: {help}");
        }
        let heading = words(section.descendants().find(|&node| named(node, "h2")).unwrap());
        found.push((section.attribute("id").unwrap().to_owned(), heading, figures.len()));
    }
    found
}
