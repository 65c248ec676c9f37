//! How texts that are already cut into words are written: the Penn Treebank's tokens and those of WikiText.

use super::pieces::Sides;

/// What the readers of Zaremba et al. (2014) and of TensorFlow make of a line break.
pub(super) const LINE_END: &str = "<eos>";

const LEFT: Sides = Sides { left: true, right: false };
const RIGHT: Sides = Sides { left: false, right: true };
const BOTH: Sides = Sides { left: true, right: true };
const NEITHER: Sides = Sides { left: false, right: false };

/// Tokens that are not written as they stand.
const SPELT: [(&str, &str, Sides); 11] = [
    ("-lrb-", "(", RIGHT),
    ("-rrb-", ")", LEFT),
    ("-lsb-", "[", RIGHT),
    ("-rsb-", "]", LEFT),
    ("-lcb-", "{", RIGHT),
    ("-rcb-", "}", LEFT),
    ("``", "\"", RIGHT),
    ("''", "\"", LEFT),
    ("@-@", "-", BOTH),
    ("@,@", ",", BOTH),
    ("@.@", ".", BOTH),
];

/// How a token is written, and on which sides it stands without a space.
pub(super) fn write(token: &str) -> (&str, Sides) {
    if let Some((_, written, sides)) = SPELT.iter().find(|(name, ..)| token.eq_ignore_ascii_case(name)) {
        return (written, *sides);
    }
    let sides = match token.to_ascii_lowercase().as_str() {
        "\n" => BOTH,
        "n't" | "'s" | "'re" | "'ve" | "'m" | "'ll" | "'d" | "'" => LEFT,
        "," | "." | ";" | ":" | "?" | "!" | "%" | ")" | "]" | "}" => LEFT,
        "$" | "#" | "(" | "[" | "{" | "`" => RIGHT,
        _ => NEITHER,
    };
    (token, sides)
}
