use super::super::{Generate, TextRecipe, TrainingData};
use super::*;
use refrain_nn::{Answer, Engine, Isa};
use refrain_task::TrainingSettings;

/// Relative; a score is the sum of fewer than ten logarithms, each rounded once.
const SCORE_TOLERANCE: f64 = 1e-12;

/// Trains a model of the characters `a`, `b` and `c`.
fn model(text: &str) -> LanguageModel {
    let recipe = TextRecipe {
        units: 8,
        layers: 1,
        embedding: 8,
        steps: 8,
        training: TrainingSettings { epochs: 2, batch: Some(4), learning_rate: 3e-2, ..Default::default() },
        ..TextRecipe::default()
    };
    let corpus = crate::Corpus::from_text(text);
    let data = TrainingData::new(&corpus);
    recipe.train(data, Engine::new(Isa::detect(), 1), &mut |_| Answer::Continue).unwrap().model
}

fn abc() -> LanguageModel {
    model(&"abcacbbacabcab".repeat(12))
}

/// Trains a model on random letters: the likeliest next letter seldom starts the likeliest continuation.
fn noise() -> LanguageModel {
    let letters = (0..400_u32).map(|i| ['a', 'b', 'c'][(i.wrapping_mul(2_654_435_761) >> 13) as usize % 3]);
    model(&letters.collect::<String>())
}

/// Returns every finished continuation with the logarithm of its probability, computed step by step alone.
fn all(model: &mut LanguageModel, prompt: &str, stop: &[&str], length: usize) -> Vec<(String, f64, usize)> {
    let mut ended = Vec::new();
    let mut open = vec![(String::new(), 0.0)];
    for tokens in 1..=length {
        for (text, score) in std::mem::take(&mut open) {
            for next in model.next_tokens(&format!("{prompt}{text}"), 10).unwrap() {
                let text = format!("{text}{}", next.text);
                let score = score + next.probability.ln();
                match stop.iter().find_map(|stop| text.strip_suffix(stop)) {
                    Some(before) => ended.push((before.to_owned(), score, tokens)),
                    None if tokens == length => ended.push((text, score, tokens)),
                    None => open.push((text, score)),
                }
            }
        }
    }
    ended
}

#[test]
fn a_beam_of_every_continuation_finds_the_best() {
    let mut model = noise();
    let mut found_texts = std::collections::BTreeSet::new();
    for (length_penalty, stop) in
        [(0.0, &["cb"][..]), (0.6, &["cb"]), (2.0, &["cb", "ac"]), (5.0, &["cb"]), (0.0, &[]), (1.0, &[])]
    {
        for prompt in ["a", "bac", "cc", "acb"] {
            let length = 5;
            let stop_texts = stop.iter().map(|&s| s.to_owned()).collect();
            let options =
                BeamSearch { prompt: prompt.into(), length, width: 243, stop: stop_texts, length_penalty };
            let found = model.beam_search(&options).unwrap();
            let best = all(&mut model, prompt, stop, length)
                .into_iter()
                .map(|(text, log, tokens)| {
                    (log / ((5.0 + tokens as f64) / 6.0).powf(length_penalty), text, log, tokens)
                })
                .max_by(|a, b| a.0.total_cmp(&b.0))
                .unwrap();
            assert_eq!((&found.text, found.tokens), (&best.1, best.3), "{options:?}");
            assert!((found.score - best.0).abs() <= SCORE_TOLERANCE * best.0.abs(), "{found:?} {best:?}");
            assert!((found.log_probability - best.2).abs() <= SCORE_TOLERANCE * best.2.abs());
            found_texts.insert((prompt, found.text));
        }
    }
    assert!(found_texts.len() > 2, "the options change what is found: {found_texts:?}");
}

#[test]
fn hypotheses_in_parallel_equal_those_alone() {
    // The search before it had lanes: each hypothesis runs in its own session.
    let mut model = noise();
    let mut found_texts = std::collections::BTreeSet::new();
    for (width, prompt) in [1, 2, 3, 7].into_iter().flat_map(|w| ["ab", "c", "bb", "ca"].map(|p| (w, p))) {
        let mut beam = vec![(String::new(), 0.0)];
        for _ in 0..9 {
            let mut next: Vec<(String, f64)> = Vec::new();
            for (text, score) in &beam {
                let mut tokens = model.next_tokens(&format!("{prompt}{text}"), 10).unwrap();
                tokens.sort_by(|a, b| a.text.cmp(&b.text));
                next.extend(tokens.iter().map(|t| (format!("{text}{}", t.text), score + t.probability.ln())));
            }
            next.sort_by(|a, b| b.1.total_cmp(&a.1));
            next.truncate(width);
            beam = next;
        }
        let options = BeamSearch { prompt: prompt.into(), length: 9, width, ..BeamSearch::default() };
        let found = model.beam_search(&options).unwrap();
        assert_eq!((&found.text, found.log_probability.to_bits()), (&beam[0].0, beam[0].1.to_bits()));
        found_texts.insert((prompt, found.text));
    }
    assert!(found_texts.len() > 4, "a wider beam finds what a narrow one does not: {found_texts:?}");
}

#[test]
fn a_beam_of_one_is_greedy_and_options_out_of_range_are_rejected() {
    let mut model = abc();
    let greedy = crate::Sampling { temperature: 0.0, ..Default::default() };
    for stop in [vec![], vec!["ca".to_owned()]] {
        let options = BeamSearch { prompt: "b".into(), length: 12, width: 1, stop, ..BeamSearch::default() };
        let generate = Generate {
            prompt: "b".into(),
            length: 12,
            sampling: greedy,
            stop: options.stop.clone(),
            ..Generate::default()
        };
        assert_eq!(model.beam_search(&options).unwrap().text, model.complete(&generate).unwrap());
    }
    for (options, named) in [
        (BeamSearch { width: 0, ..BeamSearch::default() }, "beam"),
        (BeamSearch { length_penalty: -1.0, ..BeamSearch::default() }, "length_penalty"),
        (BeamSearch { length_penalty: f64::NAN, ..BeamSearch::default() }, "length_penalty"),
        (BeamSearch { stop: vec![String::new()], ..BeamSearch::default() }, "stop"),
    ] {
        assert!(model.beam_search(&options).unwrap_err().to_string().contains(named));
    }
    let nothing = model.beam_search(&BeamSearch { length: 0, ..BeamSearch::default() }).unwrap();
    assert_eq!((&nothing.text[..], nothing.tokens), ("", 0));
}
