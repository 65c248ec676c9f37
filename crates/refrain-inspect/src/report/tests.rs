use super::html::{DARK, LIGHT};
use super::*;
use crate::section::{Figure, Table};
use refrain_plot::{Axis, Chart, Picture, Theme, stylesheet};
use roxmltree::{Document, Node, ParsingOptions};
use serde_json::json;

/// What a model file or a text may contain: markup, quotes, control characters, a direction override, invalid
/// characters.
const HOSTILE: &str = "<script>alert('x')</script>&\"\u{1b}[2J\u{202e}\u{0}\u{ffff}\n</style></title>";

fn figure(name: &str, title: &str) -> Figure {
    let chart = Chart::new(title).x(Axis::new(title)).line(title, [(0.0, 1.0), (1.0, 2.0)]);
    let sheet = chart.draw().unwrap();
    Figure { name: name.to_owned(), reading: format!("Read {title} so."), sheet }
}

fn section(name: &'static str, text: &str) -> Section {
    Section {
        name,
        title: format!("About {text}"),
        intro: text.to_owned(),
        findings: vec![format!("Found {text}"), "The norm falls to 3.1e-14.".to_owned()],
        tables: vec![Table {
            title: text.to_owned(),
            head: vec!["unit".to_owned(), text.to_owned()],
            rows: (0..12).map(|i| vec![format!("lstm/{i}"), format!("0.{i}")]).collect(),
        }],
        figures: vec![figure(text, text), figure("flow", "flow")],
        data: json!({ "norm": f64::NAN, "steps": 200 }),
    }
}

fn report(text: &str) -> Report {
    let subject = vec![("Model".to_owned(), text.to_owned())];
    Report {
        title: text.to_owned(),
        subject,
        sections: vec![section("gradient-flow", text), section("memory", text)],
    }
}

/// Parses the page as XML.
fn parsed(page: &str) -> Document<'_> {
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|e| panic!("{e} in {page}"))
}

fn named<'a>(page: &'a Document<'_>, name: &'a str) -> impl Iterator<Item = Node<'a, 'a>> {
    page.descendants().filter(move |node| node.tag_name().name() == name)
}

fn text_of(node: Node<'_, '_>) -> String {
    node.descendants().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

#[test]
fn a_page_is_complete_and_self_contained() {
    for theme in [Theme::Auto, Theme::Light, Theme::Dark] {
        let html = report("the ␣ char model").html(theme);
        let page = parsed(&html);
        assert_eq!(named(&page, "section").count(), 2);
        assert_eq!(named(&page, "figure").count(), 4);
        for (i, figure) in named(&page, "figure").enumerate() {
            assert!(figure.descendants().any(|node| node.tag_name().name() == "svg"));
            let caption = figure.descendants().find(|node| node.tag_name().name() == "figcaption").unwrap();
            let caption = text_of(caption);
            assert!(caption.starts_with(&format!("Figure {}. Read ", i + 1)), "{caption}");
        }
        let rows: Vec<_> = named(&page, "tr").collect();
        assert_eq!(rows.len(), 2 * 13);
        let cells = rows[1].children().map(|cell| (cell.attribute("class"), text_of(cell)));
        assert_eq!(cells.collect::<Vec<_>>(), [(None, "lstm/0".to_owned()), (Some("num"), "0.0".to_owned())]);
        let ids: Vec<_> = page.descendants().filter_map(|node| node.attribute("id")).collect();
        for link in named(&page, "a").map(|a| a.attribute("href").unwrap()) {
            let to = link.strip_prefix('#').expect("links stay on the page");
            assert_eq!(ids.iter().filter(|id| **id == to).count(), 1, "{to}");
        }
        assert_eq!(named(&page, "style").count(), 1, "pictures share the page's styles");
        let outside = html.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for request in ["http:", "https:", "//", "src=", "@import", "url(", "<script", "<link", "<img"] {
            assert!(!outside.contains(request), "{request}");
        }
        assert!(!outside.contains("NaN") && !outside.contains("inf"));
        let schemes = (html.contains("prefers-color-scheme:dark"), html.contains(LIGHT), html.contains(DARK));
        let expected = match theme {
            Theme::Light => (false, true, false),
            Theme::Dark => (false, false, true),
            _ => (true, true, true),
        };
        assert_eq!(schemes, expected);
    }
}

#[test]
fn the_page_has_the_background_of_its_pictures() {
    for (theme, colours) in [(Theme::Light, LIGHT), (Theme::Dark, DARK)] {
        let css = stylesheet(theme);
        let of = |rule: &str, end: char| {
            let start = css.find(rule).unwrap_or_else(|| panic!("{rule} in {css}")) + rule.len();
            css[start..].split(end).next().unwrap()
        };
        for (variable, colour) in
            [("ground", of(".rf-ground{fill:", '}')), ("soft", of(".rf-soft{fill:", '}'))]
        {
            assert!(
                colours.contains(&format!("--{variable}:{colour}")),
                "{variable} is {colour}, not of {colours}"
            );
        }
    }
}

#[test]
fn names_from_files_are_escaped() {
    let html = report(HOSTILE).html(Theme::Auto);
    let page = parsed(&html);
    assert_eq!(named(&page, "script").count(), 0);
    assert_eq!(named(&page, "title").filter(|t| t.parent().unwrap().tag_name().name() == "head").count(), 1);
    let heading = text_of(named(&page, "h1").next().unwrap());
    assert!(heading.starts_with("<script>alert('x')</script>&\""), "{heading}");
    // A direction change within a figure's text ends with the figure.
    let around = html.split("<svg").map(|part| part.split("</svg>").last().unwrap()).collect();
    for text in [around, report(HOSTILE).text(true)] {
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\u{0}', '\u{ffff}']));
    }
}

#[test]
fn text_is_short_lines_with_findings_and_tables() {
    let text = report("words ".repeat(60).trim()).text(true);
    assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    assert!(text.contains("  The norm falls to 3.1e-14.\n"), "{text}");
    assert!(text.contains("… 2 more rows"), "{text}");
    let short = report("x").text(true);
    assert!(short.contains("    unit      x\n    lstm/0  0.0\n"), "{short}");
    let mut many = report("x");
    many.sections[0].findings = (0..11).map(|i| format!("Finding {i}.")).collect();
    let text = many.text(false);
    assert!(text.contains("  Finding 7.\n  … 3 more (-v shows all)\n") && !text.contains("lstm/0"), "{text}");
    assert!(many.text(true).contains("Finding 10."));
}

#[test]
fn json_has_numbers_under_the_sections_names() {
    let json = Value::Object(report("m").json());
    assert_eq!(json["gradient_flow"], json!({ "norm": null, "steps": 200 }));
    assert_eq!(json["findings"]["memory"][1], "The norm falls to 3.1e-14.");
    assert_eq!(json["subject"]["Model"], "m");
}

#[test]
fn file_names_are_safe_and_unique() {
    let folder = tempfile::tempdir().unwrap();
    let report = report("../../Lstm/<b>");
    let files = report.save_pictures(folder.path(), PictureFormat::Svg, Theme::Dark).unwrap();
    let names: Vec<_> = files.iter().map(|f| f.file_name().unwrap().to_str().unwrap()).collect();
    assert_eq!(names, ["Lstm--b.svg", "flow.svg", "Lstm--b-2.svg", "flow-2.svg"]);
    for file in &files {
        assert_eq!(file.parent(), Some(folder.path()));
        let svg = std::fs::read_to_string(file).unwrap();
        assert!(parsed(&svg).root_element().tag_name().name() == "svg" && svg.contains("<style>"));
    }
    let page = folder.path().join("page.html");
    report.save_html(&page, Theme::Auto).unwrap();
    assert_eq!(std::fs::read_to_string(page).unwrap(), report.html(Theme::Auto));
    assert!(report.save_html(folder.path().join("none/page.html"), Theme::Auto).is_err());
}

#[test]
fn file_stems_are_short_ascii() {
    for (name, stem) in [("", "figure"), ("...", "figure"), ("a b/c", "a-b-c"), ("é", "figure"), (".x", "x")]
    {
        assert_eq!(escape::file_stem(name), stem);
    }
    assert_eq!(escape::file_stem(&"x".repeat(1000)).len(), 100);
}

#[test]
fn sentences_have_code_and_powers() {
    for (sentence, expected) in [
        ("`lstm`: 3.1e-14 of it", "<code>lstm</code>: 3.1·10<sup>−14</sup> of it"),
        ("(1e6), then 1.0e5.", "(1·10<sup>6</sup>), then 1.0·10<sup>5</sup>."),
        ("see `1e5` and run1e5, 1e, e5, 1e-", "see <code>1e5</code> and run1e5, 1e, e5, 1e-"),
        ("a ` alone, `<b>`", "a <code> alone, </code>&lt;b&gt;`"),
        ("", ""),
    ] {
        assert_eq!(escape::prose(sentence), expected);
    }
}
