//! How tokens of texts that are already split, such as the Penn Treebank and WikiText, are written.

use super::pieces::Sides;

/// The line break, as in the readers of Zaremba et al. (2014) and TensorFlow.
pub(super) const LINE_END: &str = "<eos>";

const LEFT: Sides = Sides { left: true, right: false };
const RIGHT: Sides = Sides { left: false, right: true };
const BOTH: Sides = Sides { left: true, right: true };
const NEITHER: Sides = Sides { left: false, right: false };

/// Tokens that are written differently.
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

/// Returns how a token is written, and on which sides it has no space.
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
