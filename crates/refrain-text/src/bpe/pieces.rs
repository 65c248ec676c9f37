//! Splitting a text into the pieces within which tokens are merged.

use super::document::alphabet;
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// The line feed in GPT-2's byte alphabet.
const LINE_FEED: &str = "Ċ";

/// The longest piece in bytes; longer ones are cut between characters. The time to merge a piece grows faster than its
/// length, so a text without spaces would take hours. Words, and runs of spaces or signs, are far shorter.
pub(super) const MAX_PIECE: usize = 512;

/// Calls `each` with the pieces of a text in GPT-2's byte alphabet, one character per byte.
///
/// Lines are processed one by one: the working memory for a line is many times its size, and GPT-2's regular
/// expression may backtrack at every space of a run. Only if a line has about a million consecutive spaces does the
/// expression give up; the rest of the line is then one piece. A piece of more than [`MAX_PIECE`] bytes is cut.
pub(super) fn for_each_piece(text: &str, mut each: impl FnMut(&str)) {
    let cutter = ByteLevel::new(false, true, true);
    for (number, line) in text.split('\n').enumerate() {
        if number > 0 {
            each(LINE_FEED);
        }
        if line.is_empty() {
            continue;
        }
        let mut cut = PreTokenizedString::from(line);
        cutter.pre_tokenize(&mut cut).expect("the expression is a constant");
        for (piece, ..) in cut.get_splits(OffsetReferential::Original, OffsetType::None) {
            let mut piece = piece;
            while let Some(end) = end_of_part(piece) {
                each(&piece[..end]);
                piece = &piece[end..];
            }
            each(piece);
        }
    }
}

/// Returns where a piece that is too long is cut: before the last character that does not fit.
fn end_of_part(piece: &str) -> Option<usize> {
    if piece.len() <= MAX_PIECE {
        return None;
    }
    piece.char_indices().nth(MAX_PIECE)?;
    let alphabet = alphabet();
    let continuations = &alphabet[0x80..0xC0];
    let starts = piece.char_indices().take(MAX_PIECE + 1).filter(|(_, byte)| !continuations.contains(byte));
    starts.map(|(start, _)| start).filter(|&start| start > 0).last()
}
