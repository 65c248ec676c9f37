use super::super::{TextRecipe, TrainingData};
use super::spelling::Fit;
use super::*;
use crate::codec::Level;
use crate::words::WordSplit;
use refrain_nn::{Answer, Engine, Isa};
use refrain_task::TrainingSettings;

/// Relative; a word's probability is a product of fewer than ten factors, each rounded once.
const PRODUCT_TOLERANCE: f64 = 1e-12;

/// Relative; the less likely of two spellings is not followed below a twentieth of the last word.
const SPELLINGS_TOLERANCE: f64 = 0.05;

fn model(text: &str, level: Level) -> LanguageModel {
    let recipe = TextRecipe {
        level,
        units: 12,
        layers: 2,
        embedding: 8,
        steps: 8,
        training: TrainingSettings { epochs: 2, batch: Some(4), learning_rate: 3e-2, ..Default::default() },
        dropout: 0.0,
        ..TextRecipe::default()
    };
    let corpus = crate::Corpus::from_text(text);
    let data = TrainingData::new(&corpus);
    recipe.train(data, Engine::new(Isa::detect(), 1), &mut |_| Answer::Continue).unwrap().model
}

fn letters() -> LanguageModel {
    model(&"ab ba b'a a cab bac, ac ca\ncc b ".repeat(12), Level::Char)
}

/// Returns the model's prediction after a text, by character, computed from the beginning.
fn expected(model: &mut LanguageModel, text: &str) -> Vec<(char, f64)> {
    let tokens = model.next_tokens(text, 100).unwrap();
    tokens.iter().map(|t| (t.text.chars().next().unwrap(), t.probability)).collect()
}

/// Adds every word of up to `left` more letters that begins with `word`, with its probability.
fn spell(
    model: &mut LanguageModel,
    context: &str,
    word: &str,
    reached: f64,
    left: usize,
    words: &mut BTreeMap<String, f64>,
) {
    let next = expected(model, &format!("{context}{word}"));
    let end: f64 = next.iter().filter(|(c, _)| !is_word(*c) && *c != '\'').map(|(_, p)| p).sum();
    if is_word(word.chars().next_back().unwrap_or(' ')) {
        *words.entry(word.to_owned()).or_default() += reached * end;
    }
    if left == 0 {
        return;
    }
    for (c, p) in next {
        let inside = is_word(c) || c == '\'' && word.chars().next_back().is_some_and(is_word);
        if inside {
            spell(model, context, &format!("{word}{c}"), reached * p, left - 1, words);
        }
    }
}

#[test]
fn a_word_has_the_probability_of_its_characters_and_its_end() {
    let mut model = letters();
    for (context, begun, left) in
        [("ab ", "", 5), ("ab ", "b", 4), ("ab ba\n", "ca", 4), ("ab ", "b'", 4), ("bac,", "", 4)]
    {
        let mut words = BTreeMap::new();
        spell(&mut model, context, begun, 1.0, left, &mut words);
        if context.ends_with(',') {
            // After a mark, the word's own space is part of its probability.
            let blank = expected(&mut model, context).iter().find(|next| next.0 == ' ').unwrap().1;
            spell(&mut model, &format!("{context} "), begun, blank, left, &mut words);
        }
        words.retain(|word, _| word.len() >= begun.len());
        let mut order: Vec<_> = words.iter().collect();
        order.sort_by(|a, b| b.1.total_cmp(a.1));
        let got = model.suggest(&format!("{context}{begun}"), 8).unwrap();
        assert_eq!(got.len(), 8);
        for (got, (word, probability)) in got.iter().zip(order) {
            assert_eq!(&got.text, word, "{context:?} {begun:?}");
            let off = (got.probability - probability).abs() / probability;
            let tolerance = if context.ends_with(',') { SPELLINGS_TOLERANCE } else { PRODUCT_TOLERANCE };
            assert!(off <= tolerance, "{got:?}, expected {probability}");
            assert_eq!(got.completion, !begun.is_empty());
        }
    }
}

/// Every spelling of a word in tokens after `ids`, whose text is `text`; `all` is the total of what begins with the
/// target.
struct Spellings<'t> {
    tokens: &'t [Token],
    target: Target,
    words: BTreeMap<String, f64>,
    all: f64,
}

impl Spellings<'_> {
    fn follow(&mut self, suggester: &mut Suggester<'_>, ids: &[u32], text: &str, reached: f64, left: usize) {
        suggester.read(ids).unwrap();
        let expected = suggester.probabilities.clone();
        for (id, token) in (0..).zip(self.tokens).skip(1) {
            let text_before = text;
            let text = format!("{text}{}", token.text);
            let reached = reached * f64::from(expected[id as usize]);
            let fit = self.target.fit(&text);
            if fit == Fit::Whole && self.target.fit(text_before) == Fit::Begun {
                self.all += reached;
            }
            let word = text.strip_prefix(' ').unwrap_or(&text);
            let end = if fit == Fit::Whole { spelling::word_end(word) } else { None };
            match end {
                _ if fit == Fit::Not => {}
                Some(end) if word[end..].starts_with('\'') => {}
                Some(0) => {}
                Some(end) => *self.words.entry(word[..end].to_owned()).or_default() += reached,
                None if left > 0 => {
                    self.follow(suggester, &[ids, &[id]].concat(), &text, reached, left - 1);
                }
                None => {}
            }
        }
    }
}

#[test]
fn a_word_has_the_total_probability_of_its_tokenizations() {
    // The network does not know what its ids mean, so they can stand for tokens of any length.
    let mut model = letters();
    assert_eq!(model.codec().vocab_size(), 8);
    let tokens = ["", " a", "b", "ab", " ", ", ", " ab", "b'a"].map(|text| Token::of(text.to_owned()));
    let mut suggester = model.suggester().unwrap();
    for begun in [" ", " a", " ab"] {
        let context = [3, 5];
        let target = Target::new(begun, false);
        let mut wanted =
            Spellings { tokens: &tokens, target: target.clone(), words: BTreeMap::new(), all: 0.0 };
        wanted.follow(&mut suggester, &context, "", 1.0, 5);
        let mut order: Vec<_> = wanted.words.iter().map(|(word, p)| (word, p / wanted.all)).collect();
        order.sort_by(|a, b| b.1.total_cmp(&a.1));
        suggester.read(&context).unwrap();
        let root = Root {
            written: String::new(),
            probabilities: &suggester.probabilities,
            state: suggester.state(context.len()),
        };
        let got = Search::new(&tokens, target, true, 4).run(&mut suggester.session, root).unwrap();
        for (word, probability) in order.into_iter().take(4) {
            let off = (got[word] - probability).abs() / probability;
            assert!(off <= SPELLINGS_TOLERANCE, "{begun:?} {word}: {}, expected {probability}", got[word]);
        }
    }
}

#[test]
fn reading_only_what_is_new_gives_the_same_bits() {
    let text = "The quick fox saw the queen, and the queen's quick fox.\nSo the end ".repeat(6);
    for level in [Level::Char, Level::Word] {
        let mut typing = model(&text, level);
        let mut fresh = typing.clone();
        let mut suggester = typing.suggester().unwrap();
        for text in [
            "the",
            "the q",
            "the qu",
            "the q",
            "",
            "The queen, ",
            "The queen, th",
            "the queen's",
            "the quick f",
            "the qu",
        ] {
            assert_eq!(suggester.suggest(text, 4).unwrap(), fresh.suggest(text, 4).unwrap(), "{text:?}");
            assert_eq!(suggester.next_tokens(text, 4).unwrap(), fresh.next_tokens(text, 4).unwrap());
        }
        // Longer than the states are kept for, and back to the beginning.
        let long = text.repeat(8);
        for end in [long.len() - 1, long.len() - 5, 20, 2100] {
            let text = &long[..end];
            assert_eq!(suggester.suggest(text, 2).unwrap(), fresh.suggest(text, 2).unwrap(), "{end}");
        }
        assert!(suggester.states.iter().flatten().count() <= KEPT_STATES);
    }
}

#[test]
fn words_begin_as_typed_and_match_case_if_possible() {
    let text = "The quick fox saw the Queen and the queen saw Ann there, ".repeat(8);
    let mut model = model(&text, Level::Word);
    let mut of = |text: &str| -> Vec<String> {
        let mut words: Vec<_> = model.suggest(text, 10).unwrap().into_iter().map(|s| s.text).collect();
        words.sort();
        words
    };
    assert_eq!(of("saw the qu"), ["queen", "quick"]);
    assert_eq!(of("saw the QU"), ["Queen", "queen", "quick"]);
    assert_eq!(of("saw the"), ["the", "there"]);
    assert_eq!(of("saw th,the"), ["the", "there"]);
    assert_eq!(of("saw xy"), [""; 0]);
    for next in ["saw ", "saw,", "", "\n", "(saw) "] {
        let words = of(next);
        assert_eq!(words.len(), 10, "{next:?}");
        assert!(words.iter().all(|word| word.chars().all(is_word)), "{words:?}");
    }
    let completed = model.suggest("saw the qu", 9).unwrap();
    let together: f64 = completed.iter().map(|s| s.probability).sum();
    assert!((together - 1.0).abs() < PRODUCT_TOLERANCE && completed.iter().all(|s| s.completion));
    // The vocabulary's words, in proportion to the model's probabilities after the context.
    let tokens = model.next_tokens("saw the", 99).unwrap();
    let of = |word: &str| tokens.iter().find(|t| t.text == word).unwrap().probability;
    let share = of(&completed[0].text) / (of("quick") + of("queen"));
    assert!((completed[0].probability - share).abs() < PRODUCT_TOLERANCE);
}

#[test]
fn an_unknown_character_matches_its_other_case() {
    let mut model = letters();
    let [upper, lower] = ["ab CA", "ab ca"].map(|text| model.suggest(text, 5).unwrap());
    assert_eq!(upper.len(), 5);
    for (upper, lower) in upper.iter().zip(&lower) {
        // One search starts before the word and divides by the prefix's probability; the other reads the prefix.
        assert_eq!(upper.text, lower.text);
        assert!((upper.probability - lower.probability).abs() <= PRODUCT_TOLERANCE * lower.probability);
    }
    assert_eq!(model.suggest("ab xy", 5).unwrap(), []);
}

#[test]
fn the_word_being_typed_is_found_at_the_end() {
    let chars = letters();
    let text = "<unk> N 's ".repeat(40);
    let penn = Codec::Word(
        crate::WordVocab::from_texts(
            [&text],
            crate::WordOptions { split: WordSplit::Whitespace, ..Default::default() },
        )
        .unwrap(),
    );
    for (text, word) in [
        ("", ""),
        ("the qu", "qu"),
        ("the ", ""),
        ("the,", ""),
        ("don't", "don't"),
        ("don'", "don'"),
        ("'tis", "tis"),
        ("tea''", ""),
        ("straße\nä", "ä"),
    ] {
        assert_eq!(typed(chars.codec(), text), word, "{text:?}");
    }
    assert_eq!(typed(&penn, "said mr. 's"), "'s");
    for (entry, shown) in [("'s", true), ("<eos>", false), (",", false), ("\n", false), ("<", false)] {
        assert_eq!(is_shown(entry), shown, "{entry}");
    }
    for (text, end) in [
        ("ab c", Some(2)),
        ("ab", None),
        ("ab'", None),
        ("ab'c", None),
        ("ab' ", Some(2)),
        ("ab''", Some(2)),
        (",a", Some(0)),
        ("'a", Some(0)),
    ] {
        assert_eq!(spelling::word_end(text), end, "{text:?}");
    }
}
