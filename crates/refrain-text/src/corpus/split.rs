//! Holding out the end of a text.

use super::{Corpus, Cut, Part};
use crate::error::Result;

/// A position in a text.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    bytes: u64,
    characters: usize,
}

impl Corpus {
    /// Cuts off the last `share` of the characters. Between words, the cut is after the next line break that has
    /// more text after it, otherwise after the next such space. `split_text` of `language_model` cuts a text in
    /// memory at the same place.
    ///
    /// # Errors
    /// If the text cannot be read.
    pub fn split(&self, share: f64, cut: Cut) -> Result<(Corpus, Corpus)> {
        let training = ((self.characters() as f64) * (1.0 - share)).floor() as usize;
        let mut place = self.place(training)?;
        if cut == Cut::BetweenWords && share > 0.0 {
            let (_, rest) = self.split_at(place);
            let further = rest.word_end()?;
            place.bytes += further.bytes;
            place.characters += further.characters;
        }
        Ok(self.split_at(place))
    }

    /// Returns where this many characters end, or the end of the text if there are fewer.
    fn place(&self, characters: usize) -> Result<Place> {
        let mut place = Place::default();
        for (i, part) in self.parts.iter().enumerate() {
            let left = characters - place.characters;
            if left < part.characters() {
                let inside = self.part(i).inside(left)?;
                place.bytes += inside;
                place.characters = characters;
                return Ok(place);
            }
            place.bytes += part.bytes();
            place.characters += part.characters();
        }
        Ok(place)
    }

    /// Returns one part as a corpus of its own.
    fn part(&self, i: usize) -> Corpus {
        Corpus { parts: vec![self.parts[i].clone()], chunk: self.chunk }
    }

    /// Returns the bytes of the first `characters` characters.
    fn inside(&self, characters: usize) -> Result<u64> {
        let (mut bytes, mut left) = (0, characters);
        for chunk in self.chunks(Cut::Anywhere) {
            let chunk = chunk?;
            let count = chunk.chars().count();
            if left < count {
                let at = chunk.char_indices().nth(left).map_or(chunk.len(), |(at, _)| at);
                return Ok(bytes + at as u64);
            }
            bytes += chunk.len() as u64;
            left -= count;
        }
        Ok(bytes)
    }

    /// Returns the place after the first line break with non-blank text after it, otherwise after the first such
    /// space, otherwise the beginning.
    fn word_end(&self) -> Result<Place> {
        let (mut line, mut space): (Option<Place>, Option<Place>) = (None, None);
        // Where the last non-blank character starts.
        let mut solid = None;
        let mut place = Place::default();
        for chunk in self.chunks(Cut::Anywhere) {
            for c in chunk?.chars() {
                if !c.is_whitespace() {
                    if let Some(line) = line {
                        return Ok(line);
                    }
                    solid = Some(place.bytes);
                }
                place.bytes += c.len_utf8() as u64;
                place.characters += 1;
                if c == '\n' {
                    line.get_or_insert(place);
                } else if c == ' ' {
                    space.get_or_insert(place);
                }
            }
        }
        Ok(space.filter(|space| solid.is_some_and(|at| at >= space.bytes)).unwrap_or_default())
    }

    fn split_at(&self, place: Place) -> (Corpus, Corpus) {
        let mut halves = [(); 2].map(|()| Corpus { parts: Vec::new(), chunk: self.chunk });
        let (mut bytes, mut characters) = (place.bytes, place.characters);
        for part in &self.parts {
            let (all, count) = (part.bytes(), part.characters());
            let taken = bytes.min(all);
            if taken == all {
                halves[0].parts.push(part.clone());
                characters -= count;
            } else if taken == 0 {
                halves[1].parts.push(part.clone());
            } else {
                let at = part.range.start + taken;
                let (source, end, line_break) = (part.source.clone(), part.range.end, part.line_break);
                let before = Part { source, range: part.range.start..at, characters, line_break: false };
                let behind = Part {
                    range: at..end,
                    characters: part.characters - characters,
                    line_break,
                    ..before.clone()
                };
                halves[0].parts.push(before);
                halves[1].parts.push(behind);
                characters = 0;
            }
            bytes -= taken;
        }
        halves.into()
    }
}
