//! A text as the pieces that no merge reaches over.

use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer};

/// GPT-2's alphabet of bytes spells the line feed so.
const LINE_FEED: &str = "Ċ";

/// The pieces of a text in GPT-2's alphabet of bytes, a character for each byte.
///
/// Lines go one by one: what is held beside a line is many times its size, and GPT-2's expression may try another way
/// at every blank of a run. Only where a line has about a million blanks side by side, the expression gives up; the
/// rest of the line is one piece then.
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
