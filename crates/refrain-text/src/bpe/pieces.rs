//! Splitting a text into the pieces within which tokens are merged.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// The line feed in GPT-2's byte alphabet.
const LINE_FEED: &str = "Ċ";

/// Calls `each` with the pieces of a text in GPT-2's byte alphabet, one character per byte.
///
/// Lines are processed one by one: the working memory for a line is many times its size, and GPT-2's regular
/// expression may backtrack at every space of a run. Only if a line has about a million consecutive spaces does the
/// expression give up; the rest of the line is then one piece.
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
            each(piece);
        }
    }
}
