//! Writes one picture of each kind, with invented numbers, to a folder:
//! `cargo run -p refrain-plot --example gallery -- FOLDER`. With the feature `png` also as PNG, light and dark.

use refrain_plot::{
    Arrow, Axis, Bars, Bend, Block, Chart, Drawing, Figure, Heatmap, Picture, Role, Scale, TextMap, Theme,
};
use std::error::Error;
use std::path::PathBuf;

const POEM: &str = "The river runs below the mill,\nand all the wheels are turning still;\n\"Who grinds,\" it asks, \
\"when none is there?\"\nThe wind replies, \"I grind the air.\"\n";

fn main() -> Result<(), Box<dyn Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("expected a folder to write the pictures to")?);
    std::fs::create_dir_all(&folder)?;
    let pictures: [(&str, Box<dyn Picture>); 8] = [
        ("gradients", Box::new(gradients())),
        ("losses", Box::new(losses())),
        ("units", Box::new(units())),
        ("words", Box::new(words())),
        ("text", Box::new(text())),
        ("bars", Box::new(bars())),
        ("unrolled", Box::new(unrolled())),
        ("folded", Box::new(folded())),
    ];
    for (name, picture) in pictures {
        std::fs::write(folder.join(format!("{name}.svg")), picture.svg(Theme::Auto)?)?;
        if cfg!(feature = "png") {
            for (ground, theme) in [("light", Theme::Light), ("dark", Theme::Dark)] {
                std::fs::write(folder.join(format!("{name}-{ground}.png")), picture.png(theme, 2.0)?)?;
            }
        }
    }
    Ok(())
}

/// Returns a number between -1 and 1 that looks like noise.
fn noise(i: usize) -> f64 {
    let x = (i as f64 * 12.9898 + 78.233).sin() * 43_758.545;
    2.0 * (x - x.floor()) - 1.0
}

/// How fast the gradient decays back through time, with its spread over sequences.
fn gradients() -> Chart {
    let cells = [("SimpleRNN", 0.23), ("GRU", 0.045), ("LSTM", 0.018)];
    let chart = Chart::new("Gradient of the last step's loss with respect to the state")
        .description("The norm falls to 1e-20 over 200 steps in a SimpleRNN and stays above 0.01 in an LSTM.")
        .x(Axis::new("steps before the last one").unit("characters").reversed())
        .y(Axis::new("gradient norm").log())
        .wide()
        .reference("rounding of f32", 1.2e-7)
        .vertical("start of the sentence", 140.0)
        .vertical("truncated here", 64.0);
    cells.into_iter().enumerate().fold(chart, |chart, (c, (name, rate))| {
        let norm = move |t: usize| (-rate * t as f64 + 0.4 * noise(1000 * c + t / 8)).exp();
        let spread = |t: usize| 1.6 + t as f64 / 60.0;
        chart
            .band(name, (0..=200).map(|t| (t as f64, norm(t) / spread(t), norm(t) * spread(t))))
            .line(name, (0..=200).map(|t| (t as f64, norm(t))))
    })
}

/// Charts in a grid share a legend; a line may have gaps.
fn losses() -> Figure {
    let chart = |title: &str, scale: f64| {
        let loss = move |epoch: u32| scale * (0.4 + 2.0 * (-0.2 * f64::from(epoch)).exp());
        Chart::new(title)
            .x(Axis::new("epoch"))
            .y(Axis::new("loss").unit("nats"))
            .line("training", (1..=30).map(|epoch| (f64::from(epoch), loss(epoch))))
            .segments(
                "validation",
                [1..=9, 14..=30]
                    .map(|epochs| epochs.map(move |epoch| (f64::from(epoch), 1.15 * loss(epoch)))),
            )
    };
    Figure::new("Two runs").columns(2).add(chart("one layer", 1.0)).add(chart("two layers", 0.8))
}

/// 32 units over 120 characters.
fn units() -> Heatmap {
    let shown = |c: char| if c == '\n' { "⏎".to_owned() } else { c.to_string() };
    let letters: Vec<char> = POEM.chars().take(120).collect();
    let map = Heatmap::new("Hidden state of 32 units while reading a text")
        .columns(letters.iter().map(|&c| shown(c)))
        .x_label("character")
        .y_label("unit")
        .scale(Scale::diverging(1.0).label("hidden state h"));
    (0..32).fold(map, |map, unit| {
        let speed = 0.02 + 0.01 * unit as f64;
        let value = |t: usize| match (unit, t) {
            (20, 60..=70) => f64::NAN,
            _ => ((t as f64 * speed + unit as f64).sin() + 0.35 * noise(unit * 200 + t)).tanh(),
        };
        map.row(unit.to_string(), (0..letters.len()).map(value))
    })
}

/// Words as column labels are rotated.
fn words() -> Heatmap {
    let words: Vec<&str> = POEM.split_whitespace().collect();
    let map = Heatmap::new("Share of steps at which each gate is open")
        .columns(words.iter().copied())
        .scale(Scale::sequential(0.0, 1.0).label("share of units with gate > 0.9"));
    ["input gate", "forget gate", "output gate"].into_iter().enumerate().fold(map, |map, (gate, name)| {
        map.row(name, (0..words.len()).map(|t| 0.5 + 0.5 * (t as f64 * 0.35 + 2.0 * gate as f64).sin()))
    })
}

/// A unit that tracks whether a quotation is open.
fn text() -> TextMap {
    let map = TextMap::new("Unit 17 tracks whether a quotation is open")
        .width(72)
        .scale(Scale::diverging(1.0).label("cell state c"));
    let mut open = false;
    (0..5).flat_map(|_| POEM.chars()).enumerate().fold(map, |map, (i, c)| {
        open ^= c == '"';
        let value = (if open { 0.8 } else { -0.5 }) + 0.3 * noise(i);
        let map = map.cell(if c == '\n' { '⏎' } else { c }, value);
        if c == '\n' { map.end_line() } else { map }
    })
}

/// Units ranked by how informative they are.
fn bars() -> Bars {
    let ranked =
        [("layer 1, unit 17", 0.83, 0.79), ("layer 2, unit 4", 0.61, 0.64), ("layer 1, unit 30", 0.42, 0.18)];
    let bars = Bars::new("Units that follow the quotation marks").axis(Axis::new("correlation"));
    let bars = ranked.into_iter().fold(bars, |bars, (label, training, test)| {
        bars.named(label, "training text", training).named(label, "test text", test)
    });
    bars.named("layer 2, unit 9", "training text", -0.31).named("layer 2, unit 9", "test text", -0.28)
}

/// Two LSTM layers over four steps.
fn unrolled() -> Drawing {
    let steps = ["1", "2", "3", "T"];
    let mut drawing = Drawing::new("Two LSTM layers, unrolled over the steps of a sequence")
        .description("Inputs come from below, states pass to the right, outputs leave upwards into the loss.")
        .block("start", Block::new(Role::State, "zeros", 0.0, 2.0).line("h₀, c₀"));
    for (i, step) in steps.into_iter().enumerate() {
        let x = if step == "T" { 5.0 } else { i as f64 + 1.0 };
        let key = |what: &str| format!("{what}{step}");
        drawing = drawing
            .block(key("x"), Block::new(Role::Input, format!("x {step}"), x, 0.0))
            .block(key("e"), Block::new(Role::Other, "Embedding", x, 1.0))
            .block(key("a"), Block::new(Role::Recurrent, "LSTM 1", x, 2.0).line("64 units"))
            .block(key("b"), Block::new(Role::Recurrent, "LSTM 2", x, 3.0).line("64 units"))
            .block(key("d"), Block::new(Role::Dense, "Dense", x, 4.0).line("softmax"))
            .block(key("y"), Block::new(Role::Loss, format!("loss {step}"), x, 5.0))
            .arrow(Arrow::new(key("x"), key("e")))
            .arrow(Arrow::new(key("e"), key("a")))
            .arrow(Arrow::new(key("a"), key("b")))
            .arrow(Arrow::new(key("b"), key("d")))
            .arrow(Arrow::new(key("d"), key("y")));
    }
    for (layer, y) in [("a", 2.0), ("b", 3.0)] {
        let gap = format!("{layer}…");
        drawing = drawing.block(&gap, Block::new(Role::Text, "⋯", 4.0, y));
        let chain = [format!("{layer}1"), format!("{layer}2"), format!("{layer}3"), gap, format!("{layer}T")];
        for pair in chain.windows(2) {
            drawing = drawing
                .arrow(Arrow::new(&pair[0], &pair[1]).label("h").shared())
                .arrow(Arrow::new(&pair[0], &pair[1]).label("c").dashed());
        }
    }
    drawing.arrow(Arrow::new("start", "a1")).note(4.0, 0.0, "gradients flow back\nalong every arrow")
}

/// The same network before it is unrolled.
fn folded() -> Drawing {
    Drawing::new("Folded")
        .block("x", Block::new(Role::Input, "x", 0.0, 0.0))
        .block("h", Block::new(Role::Recurrent, "GRU", 1.0, 1.0).line("128 units"))
        .block("y", Block::new(Role::Dense, "Dense", 2.0, 2.0))
        .arrow(Arrow::new("x", "h").bend(Bend::HorizontalFirst).label("kernel"))
        .arrow(Arrow::new("h", "h").label("recurrent_kernel"))
        .arrow(Arrow::new("h", "y").bend(Bend::VerticalFirst))
}
