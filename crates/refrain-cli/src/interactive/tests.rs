use super::editor::{Editor, Effect, Key};
use super::screen::{Screen, width};
use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use refrain::language_model::Suggestion;

fn offer(editor: &mut Editor, words: &[&str], typed: usize) {
    let word =
        |text: &&str| Suggestion { text: (*text).to_owned(), probability: 0.25, completion: typed > 0 };
    editor.offer(words.iter().map(word).collect(), typed);
}

/// Returns the line with `|` at the cursor.
fn shown(editor: &Editor) -> String {
    let (before, after) = editor.chars().split_at(editor.cursor());
    before.iter().chain(&['|']).chain(after).collect()
}

#[test]
fn keys_edit_the_line() {
    let mut editor = Editor::new("the\told\nmill");
    assert_eq!(shown(&editor), "the old mill|");
    for (key, line, then) in [
        (Key::EraseWord, "the old |", Effect::Suggest),
        (Key::Char('ä'), "the old ä|", Effect::Suggest),
        (Key::Left, "the old |ä", Effect::Suggest),
        (Key::Delete, "the old |", Effect::Nothing),
        (Key::Delete, "the old |", Effect::Nothing),
        (Key::Right, "the old |", Effect::Nothing),
        (Key::Backspace, "the old|", Effect::Suggest),
        (Key::Home, "|the old", Effect::Suggest),
        (Key::Backspace, "|the old", Effect::Nothing),
        (Key::EraseWord, "|the old", Effect::Nothing),
        (Key::Paste("see,\r\n\u{1b}".into()), "see,  |the old", Effect::Suggest),
        (Key::EraseWord, "|the old", Effect::Suggest),
        (Key::End, "the old|", Effect::Suggest),
        (Key::Left, "the ol|d", Effect::Suggest),
        (Key::EraseBefore, "|d", Effect::Suggest),
        (Key::Interrupt, "|d", Effect::Interrupt),
        (Key::Done, "|d", Effect::Done),
    ] {
        assert_eq!(editor.press(key.clone()), then, "{key:?}");
        assert_eq!(shown(&editor), line, "{key:?}");
    }
}

#[test]
fn suggestions_complete_the_word_or_follow_it() {
    let mut editor = Editor::new("THE qu");
    offer(&mut editor, &["quick", "queen"], 2);
    assert_eq!(editor.press(Key::Char('2')), Effect::Suggest);
    assert_eq!(shown(&editor), "THE queen |");
    // The old suggestions are gone.
    assert_eq!(editor.press(Key::Take(0)), Effect::Nothing);
    offer(&mut editor, &["sang"], 0);
    editor.press(Key::Take(0));
    assert_eq!(shown(&editor), "THE queen sang |");
    offer(&mut editor, &["low"], 0);
    editor.press(Key::Char('2'));
    assert_eq!(shown(&editor), "THE queen sang 2|", "there is no second one");
    offer(&mut editor, &["low"], 0);
    editor.press(Key::Char('1'));
    assert_eq!(shown(&editor), "THE queen sang 21|", "a digit after a digit");

    for (text, line) in [("see,", "see, low |"), ("(", "(low |"), ("", "low |")] {
        let mut editor = Editor::new(text);
        offer(&mut editor, &["low"], 0);
        editor.press(Key::Take(0));
        assert_eq!(shown(&editor), line);
    }
    let mut editor = Editor::new("the qu sang");
    for _ in 0.." sang".len() {
        editor.press(Key::Left);
    }
    offer(&mut editor, &["queen"], 2);
    editor.press(Key::Take(0));
    assert_eq!(shown(&editor), "the queen |sang");
}

#[test]
fn the_screen_fits_any_terminal() {
    let mut editor = Editor::new("the wheel goes round, 車輪 a\u{301} 🎡");
    offer(&mut editor, &["and", "again", "車輪"], 0);
    let full = Screen::new(&editor, 80, 24);
    assert_eq!(full.lines[0], "> the wheel goes round, 車輪 a\u{301} 🎡");
    assert_eq!(full.lines[1], "1 and 25 %  2 again 25 %  3 車輪 25 %");
    assert_eq!(full.lines.len(), 3);
    assert_eq!(full.cursor, 2 + 22 + 4 + 1 + 1 + 1 + 2);
    for _ in 0..=editor.chars().len() {
        for columns in 0..60 {
            for rows in 0..4 {
                let screen = Screen::new(&editor, columns, rows);
                assert!(screen.lines.len() <= rows.max(1));
                for line in &screen.lines {
                    let used: usize = line.chars().map(width).sum();
                    assert!(used < columns.max(2), "{columns} columns: {line:?}");
                }
                assert!(screen.cursor < columns.max(1), "{columns} columns, the cursor in {}", screen.cursor);
            }
        }
        editor.press(Key::Left);
    }
    // The part around the cursor is shown.
    let mut editor = Editor::new("one two three four");
    assert_eq!(Screen::new(&editor, 10, 1).lines, ["ree four"]);
    editor.press(Key::Home);
    assert_eq!(Screen::new(&editor, 10, 1).lines, ["one two t"]);
}

#[test]
fn events_are_keys() {
    let of = |code, modifiers| super::key(Event::Key(KeyEvent::new(code, modifiers)));
    for (code, modifiers, key) in [
        (KeyCode::Char('C'), KeyModifiers::CONTROL, Some(Key::Interrupt)),
        (KeyCode::Char('w'), KeyModifiers::CONTROL, Some(Key::EraseWord)),
        (KeyCode::Char('x'), KeyModifiers::CONTROL, None),
        (KeyCode::Char('x'), KeyModifiers::ALT, None),
        (KeyCode::Char('@'), KeyModifiers::CONTROL | KeyModifiers::ALT, Some(Key::Char('@'))),
        (KeyCode::Char('X'), KeyModifiers::SHIFT, Some(Key::Char('X'))),
        (KeyCode::Tab, KeyModifiers::NONE, Some(Key::Take(0))),
        (KeyCode::F(1), KeyModifiers::NONE, None),
    ] {
        assert_eq!(of(code, modifiers), key, "{code:?}");
    }
    assert_eq!(super::key(Event::Resize(4, 4)), None);
}
