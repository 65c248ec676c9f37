//! A text as words, punctuation marks and line breaks from which the text can be rebuilt.
//!
//! A mark records on which sides it attaches to its neighbour, so an opening `"` and a closing `"` are two tokens,
//! and so are the dashes of `a - b` and `a-b`. There is a space between two pieces unless the left one attaches to
//! the right or the right one attaches to the left. A text whose only whitespace is single spaces between other
//! characters of a line is therefore reproduced exactly.
//!
//! If the text does not determine a side (at the end of a line, or if the neighbour already attaches), the mark
//! takes its usual side, so that each mark has few forms: see [`UsualSides`].

/// A part of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Piece<'a> {
    Word(&'a str),
    Mark { mark: char, attaches: Sides },
    Newline,
}

/// The sides on which a piece has no space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sides {
    pub left: bool,
    pub right: bool,
}

/// The usual sides of a mark, if the text does not determine them.
#[derive(Clone, Copy)]
enum UsualSides {
    /// Fixed: the comma attaches to the left, the opening parenthesis to the right.
    Fixed(Sides),
    /// Opening if nothing stands before it, otherwise closing.
    Quote,
    /// The same on both sides: dashes, slashes and all others.
    Even,
}

const fn fixed(left: bool, right: bool) -> UsualSides {
    UsualSides::Fixed(Sides { left, right })
}

fn usual_sides(mark: char) -> UsualSides {
    match mark {
        ',' | '.' | '!' | '?' | ';' | ':' | ')' | ']' | '}' | '%' | '…' | '”' | '»' | '›' => {
            fixed(true, false)
        }
        '(' | '[' | '{' | '“' | '‘' | '«' | '‹' | '„' | '‚' | '¿' | '¡' => fixed(false, true),
        '"' | '\'' | '’' | '`' | '*' | '_' => UsualSides::Quote,
        _ => UsualSides::Even,
    }
}

/// Returns whether a character is a punctuation mark. All other characters except whitespace belong to words:
/// letters of all scripts with their diacritics, digits, symbols, emoji.
fn is_mark(c: char) -> bool {
    c.is_ascii_punctuation()
        || matches!(c, '¡' | '§' | '«' | '¶' | '»' | '¿')
        // Greek and Arabic, the danda, general punctuation, CJK, full-width forms.
        || matches!(c, '\u{037E}' | '\u{060C}' | '\u{061B}' | '\u{061F}' | '\u{06D4}' | '\u{0964}' | '\u{0965}')
        || matches!(c, '\u{2010}'..='\u{2027}' | '\u{2030}'..='\u{205E}')
        || matches!(c, '\u{3001}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301F}')
        || matches!(c, '\u{FF01}'..='\u{FF0F}' | '\u{FF1A}'..='\u{FF20}' | '\u{FF3B}'..='\u{FF40}' | '\u{FF5B}'..='\u{FF65}')
}

pub(crate) fn is_apostrophe(c: char) -> bool {
    matches!(c, '\'' | '’')
}

pub(crate) fn is_word(c: char) -> bool {
    !c.is_whitespace() && !is_mark(c)
}

/// What is to the left of a mark.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// The beginning of the text, or a line break.
    Edge,
    Space,
    /// A word, or a mark that does not attach to the right.
    Touching,
    /// A mark that attaches to the right.
    Attached,
}

/// Returns the pieces of a text. Whitespace other than the line feed, including the carriage return, only separates
/// words.
pub(super) fn pieces(text: &str) -> Pieces<'_> {
    Pieces { rest: text, before: Before::Edge }
}

pub(super) struct Pieces<'a> {
    rest: &'a str,
    before: Before,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let blank = |c: char| c.is_whitespace() && c != '\n';
        let trimmed = self.rest.trim_start_matches(blank);
        if trimmed.len() < self.rest.len() && self.before != Before::Edge {
            self.before = Before::Space;
        }
        self.rest = trimmed;
        let first = self.rest.chars().next()?;
        let (piece, len, before) = if first == '\n' {
            (Piece::Newline, 1, Before::Edge)
        } else if is_mark(first) {
            let len = first.len_utf8();
            let attaches = sides(usual_sides(first), self.before, &self.rest[len..]);
            let before = if attaches.right { Before::Attached } else { Before::Touching };
            (Piece::Mark { mark: first, attaches }, len, before)
        } else {
            let len = word_len(self.rest);
            (Piece::Word(&self.rest[..len]), len, Before::Touching)
        };
        self.rest = &self.rest[len..];
        self.before = before;
        Some(piece)
    }
}

/// Returns the length of the first word. An apostrophe between two letters belongs to the word.
fn word_len(text: &str) -> usize {
    let mut chars = text.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let inside = is_word(c) || is_apostrophe(c) && chars.peek().is_some_and(|&(_, next)| is_word(next));
        if !inside {
            return at;
        }
    }
    text.len()
}

fn sides(usual_sides: UsualSides, before: Before, after: &str) -> Sides {
    let touching = before == Before::Touching;
    let right = match after.chars().next() {
        Some(c) if is_word(c) => true,
        // Whitespace at the end of a line separates nothing.
        Some(c) if c.is_whitespace() && !ends_line(after) => false,
        next => match usual_sides {
            UsualSides::Fixed(sides) => sides.right,
            UsualSides::Quote => !touching,
            UsualSides::Even => touching || next.is_some_and(is_mark),
        },
    };
    let open_left = matches!(before, Before::Edge | Before::Attached);
    let usual = match usual_sides {
        UsualSides::Fixed(sides) => sides.left,
        UsualSides::Quote => false,
        UsualSides::Even => right,
    };
    Sides { left: touching || open_left && usual, right }
}

fn ends_line(text: &str) -> bool {
    text.chars().find(|&c| c == '\n' || !c.is_whitespace()).is_none_or(|c| c == '\n')
}

impl Sides {
    /// Returns a mark as its vocabulary entry: with a space on each side that has one.
    pub(super) fn spell(self, mark: char, buffer: &mut String) -> &str {
        buffer.clear();
        if !self.left {
            buffer.push(' ');
        }
        buffer.push(mark);
        if !self.right {
            buffer.push(' ');
        }
        buffer
    }

    /// Does the reverse of [`spell`](Self::spell), also for words and line breaks.
    pub(super) fn of_entry(entry: &str) -> Self {
        let mark = entry.trim_matches(' ').starts_with(is_mark);
        let newline = entry == "\n";
        Self {
            left: newline || mark && !entry.starts_with(' '),
            right: newline || mark && !entry.ends_with(' '),
        }
    }
}
