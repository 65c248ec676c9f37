//! Turns blocks on a grid into pixel positions. In pixels y points down, on the grid up.

use super::{Arrow, Bend, Block, Drawing, Role};
use crate::error::{Error, Result};
use crate::picture::{MARGIN, Sheet, heading, heading_height, heading_width};
use crate::svg::{Anchor, Body, Point, TEXT, TITLE, TextStyle};
use crate::text::{CAPITAL, bold, width};
use std::collections::HashMap;

/// Padding around the text of a block, and the minimum block size.
const PADDING: (f64, f64) = (12.0, 8.0);
const MIN_BLOCK_SIZE: f64 = 34.0;
/// Maximum width of a text.
const ROOM: f64 = 220.0;
/// Line height.
const LINE: f64 = 15.0;
/// Minimum gap between neighbouring blocks.
const GAP: (f64, f64) = (44.0, 38.0);
/// Maximum distance from the grid's origin, in grid steps.
const MAX_GRID_DISTANCE: f64 = 1000.0;
/// Distance between parallel arrows.
const PARALLEL_ARROW_GAP: f64 = 14.0;
/// Gap between an arrow and its label.
const ARROW_LABEL_GAP: f64 = 5.0;
/// Length and half the width of an arrow head.
const HEAD: (f64, f64) = (8.0, 3.6);
/// How far an arrow from a block to itself extends, and half its height.
const LOOP: (f64, f64) = (24.0, 9.0);
/// Radius of round corners.
const ROUND: f64 = 6.0;
/// Legend text for arrows with shared weights.
const SHARED: &str = "the same weights at each step";
const SAMPLE: f64 = 36.0;

pub(super) fn draw(drawing: &Drawing) -> Result<Sheet> {
    let plan = Plan::new(drawing)?;
    // A trial drawing measures how much room is needed.
    let mut trial = Body::new();
    plan.draw(&mut trial, (0.0, 0.0));
    let inner = (trial.high.0 - trial.low.0, trial.high.1 - trial.low.1);
    let shared = drawing.arrows.iter().any(|arrow| arrow.shared);
    let below = if shared { 2.0 * LINE } else { 0.0 };
    let explained = if shared { SAMPLE + 2.0 * ARROW_LABEL_GAP + width(SHARED, TEXT) } else { 0.0 };
    let across = inner.0.max(explained).max(heading_width(&drawing.title));
    let top = MARGIN + heading_height(&drawing.title);
    let origin = (MARGIN + (across - inner.0) / 2.0 - trial.low.0, top - trial.low.1);
    let mut body = Body::new();
    heading(&mut body, &drawing.title, across);
    plan.draw(&mut body, origin);
    let size = (across + 2.0 * MARGIN, top + inner.1 + below + MARGIN);
    if shared {
        let y = size.1 - MARGIN - TEXT / 2.0;
        body.line((MARGIN, y), (MARGIN + SAMPLE, y), "rf-arrow rf-shared");
        let at = (MARGIN + SAMPLE + 2.0 * ARROW_LABEL_GAP, y + TEXT * CAPITAL / 2.0);
        body.text(at, TextStyle::new(Anchor::Start, TEXT), SHARED);
    }
    Ok(Sheet::new(&drawing.title, &drawing.description, size, body))
}

/// A drawing with its block sizes computed.
struct Plan<'a> {
    drawing: &'a Drawing,
    index: HashMap<&'a str, usize>,
    sizes: Vec<(f64, f64)>,
    /// Length of a grid step.
    pitch: (f64, f64),
}

impl<'a> Plan<'a> {
    fn new(drawing: &'a Drawing) -> Result<Self> {
        let title = || drawing.title.clone();
        if drawing.blocks.is_empty() {
            return Err(Error::Empty { picture: title(), what: "block" });
        }
        let mut index = HashMap::new();
        for (i, (key, block)) in drawing.blocks.iter().enumerate() {
            if index.insert(key.as_str(), i).is_some() {
                return Err(Error::RepeatedBlock { drawing: title(), key: key.clone() });
            }
            near(drawing, &format!("the block {key:?}"), (block.x, block.y))?;
        }
        for (x, y, text) in &drawing.notes {
            near(drawing, &format!("the note {text:?}"), (*x, *y))?;
        }
        for key in drawing.arrows.iter().flat_map(|arrow| [&arrow.from, &arrow.to]) {
            if !index.contains_key(key.as_str()) {
                return Err(Error::UnknownBlock { drawing: title(), key: key.clone() });
            }
        }
        let sizes = sizes(drawing);
        let largest =
            sizes.iter().fold((0.0_f64, 0.0_f64), |most, size| (most.0.max(size.0), most.1.max(size.1)));
        let labels = drawing.arrows.iter().map(|arrow| width(&arrow.label, TEXT).min(ROOM));
        let gap = labels.fold(GAP.0, |gap, label| gap.max(label + 2.0 * HEAD.0 + ARROW_LABEL_GAP));
        Ok(Self { drawing, index, sizes, pitch: (largest.0 + gap, largest.1 + GAP.1) })
    }

    fn draw(&self, body: &mut Body, origin: Point) {
        let place = |x: f64, y: f64| (origin.0 + x * self.pitch.0, origin.1 - y * self.pitch.1);
        let frame = |key: &str| {
            let i = self.index[key];
            let block = &self.drawing.blocks[i].1;
            Frame { middle: place(block.x, block.y), size: self.sizes[i] }
        };
        for (key, block) in &self.drawing.blocks {
            draw_block(body, block, &frame(key));
        }
        for (i, arrow) in self.drawing.arrows.iter().enumerate() {
            let shift = self.shift(i);
            let route = Route::new(arrow, &frame(&arrow.from), &frame(&arrow.to), shift);
            route.draw(body, arrow);
        }
        for (x, y, text) in &self.drawing.notes {
            let (x, y) = place(*x, *y);
            let lines: Vec<&str> = text.lines().collect();
            let first = y - (lines.len() as f64 - 1.0) * LINE / 2.0 + TEXT * CAPITAL / 2.0;
            for (i, line) in lines.into_iter().enumerate() {
                let style = TextStyle::new(Anchor::Middle, TEXT).soft().within(2.0 * ROOM);
                body.text((x, first + i as f64 * LINE), style, line);
            }
        }
    }

    /// Returns the offset of an arrow from the line between its blocks.
    fn shift(&self, i: usize) -> f64 {
        let arrow = &self.drawing.arrows[i];
        let pair = |other: &Arrow| {
            let there = other.from == arrow.from && other.to == arrow.to;
            other.bend == Bend::None && (there || (other.from == arrow.to && other.to == arrow.from))
        };
        if arrow.bend != Bend::None {
            return 0.0;
        }
        let before = self.drawing.arrows[..i].iter().filter(|other| pair(other)).count();
        let all = self.drawing.arrows.iter().filter(|other| pair(other)).count();
        (before as f64 - (all as f64 - 1.0) / 2.0) * PARALLEL_ARROW_GAP
    }
}

fn near(drawing: &Drawing, what: &str, (x, y): (f64, f64)) -> Result<()> {
    for (axis, value) in [("x", x), ("y", y)] {
        // Written as a range check so that NaN is rejected too.
        if !(-MAX_GRID_DISTANCE..=MAX_GRID_DISTANCE).contains(&value) {
            let place = format!("{axis} of {what}");
            let (picture, expected) = (drawing.title.clone(), "-1000 to 1000 steps of the grid");
            return Err(Error::Number { picture, place, value, expected });
        }
    }
    Ok(())
}

/// Returns the sizes of the blocks. All blocks of a role have the same size.
fn sizes(drawing: &Drawing) -> Vec<(f64, f64)> {
    let own = |block: &Block| {
        let name = bold(&block.lines[0], TITLE);
        let widest = block.lines[1..].iter().map(|line| width(line, TEXT)).fold(name, f64::max).min(ROOM);
        let padding = if block.role == Role::Input { PADDING.0 * 1.4 } else { PADDING.0 };
        ((widest + 2.0 * padding).max(MIN_BLOCK_SIZE), block.lines.len() as f64 * LINE + 2.0 * PADDING.1)
    };
    let blocks = || drawing.blocks.iter().map(|(_, block)| block);
    let of_role = |role: Role| {
        blocks()
            .filter(|block| block.role == role)
            .map(own)
            .fold((0.0_f64, 0.0_f64), |most, size| (most.0.max(size.0), most.1.max(size.1)))
    };
    blocks().map(|block| of_role(block.role)).collect()
}

/// Position and size of a block in pixels.
struct Frame {
    middle: Point,
    size: (f64, f64),
}

fn draw_block(body: &mut Body, block: &Block, frame: &Frame) {
    let (w, h) = frame.size;
    let (left, top) = (frame.middle.0 - w / 2.0, frame.middle.1 - h / 2.0);
    let class = |colour: usize, more: &str| format!("rf-block rf-f{colour} rf-s{colour}{more}");
    let mut rect = |radius: f64, class: String| body.rect((left, top), (w, h), radius, &class);
    match block.role {
        Role::Input => rect(h / 2.0, class(2, "")),
        Role::Recurrent => rect(ROUND, class(0, " rf-thick")),
        Role::Dense => rect(0.0, class(1, "")),
        Role::State => rect(ROUND, class(4, " rf-dashed")),
        Role::Other => rect(ROUND, class(6, "")),
        Role::Loss => {
            let (right, bottom, cut) = (left + w, top + h, PADDING.0 * 0.7);
            let (upper, lower) = ((left + cut, top), (right - cut, bottom));
            let points = [
                upper,
                (right - cut, top),
                (right, frame.middle.1),
                lower,
                (left + cut, bottom),
                (left, frame.middle.1),
            ];
            body.polygon(&points, &class(3, ""));
        }
        Role::Text => {}
    }
    let first = frame.middle.1 - (block.lines.len() as f64 - 1.0) * LINE / 2.0 + TITLE * CAPITAL / 2.0;
    for (i, line) in block.lines.iter().enumerate() {
        let style = if i == 0 {
            TextStyle::new(Anchor::Middle, TITLE).bold()
        } else {
            TextStyle::new(Anchor::Middle, TEXT)
        };
        body.text((frame.middle.0, first + i as f64 * LINE), style.within(ROOM), line);
    }
}

/// The path of an arrow and the position of its label.
struct Route {
    points: Vec<Point>,
    label: Point,
    anchor: Anchor,
}

impl Route {
    fn new(arrow: &Arrow, from: &Frame, to: &Frame, shift: f64) -> Self {
        if arrow.from == arrow.to {
            return Self::around(from);
        }
        let label = width(&arrow.label, TEXT).min(ROOM);
        let across = to.middle.0 - from.middle.0;
        let up = to.middle.1 - from.middle.1;
        match arrow.bend {
            Bend::HorizontalFirst if across != 0.0 && up != 0.0 => {
                let corner = (to.middle.0, from.middle.1);
                let start = (from.middle.0 + across.signum() * from.size.0 / 2.0, from.middle.1);
                let end = (to.middle.0, to.middle.1 - up.signum() * to.size.1 / 2.0);
                Self::of(vec![start, corner, end], 0.0, label)
            }
            Bend::VerticalFirst if across != 0.0 && up != 0.0 => {
                let corner = (from.middle.0, to.middle.1);
                let start = (from.middle.0, from.middle.1 + up.signum() * from.size.1 / 2.0);
                let end = (to.middle.0 - across.signum() * to.size.0 / 2.0, to.middle.1);
                Self::of(vec![start, corner, end], 0.0, label)
            }
            _ => {
                let length = across.hypot(up).max(f64::MIN_POSITIVE);
                let aside = (-up / length * shift, across / length * shift);
                // Positive shifts go to the right and down, whichever way the arrow points.
                let aside =
                    if across < 0.0 || (across == 0.0 && up > 0.0) { (-aside.0, -aside.1) } else { aside };
                let moved = |frame: &Frame| (frame.middle.0 + aside.0, frame.middle.1 + aside.1);
                let (a, b) = (moved(from), moved(to));
                Self::of(vec![from.edge(a, b), to.edge(b, a)], shift, label)
            }
        }
    }

    /// Places a label of width `label` next to the longest segment. Shifted arrows (right and down if `shift` is
    /// positive) have it on their outer side.
    fn of(points: Vec<Point>, shift: f64, label: f64) -> Self {
        let length = |pair: &[Point]| (pair[1].0 - pair[0].0).hypot(pair[1].1 - pair[0].1);
        let longest = points.windows(2).max_by(|a, b| length(a).total_cmp(&length(b))).expect("two points");
        let middle = ((longest[0].0 + longest[1].0) / 2.0, (longest[0].1 + longest[1].1) / 2.0);
        let level = (longest[1].1 - longest[0].1).abs() < (longest[1].0 - longest[0].0).abs() / 4.0;
        // A slightly sloping arrow comes closer to one end of the label.
        let rise = if level { (longest[1].1 - longest[0].1) / (longest[1].0 - longest[0].0) } else { 0.0 };
        let apart = ARROW_LABEL_GAP + rise.abs() * label / 2.0;
        let beside = middle.1 + TEXT * CAPITAL / 2.0;
        let (label, anchor) = match level {
            true if shift > 0.0 => ((middle.0, middle.1 + apart + TEXT * CAPITAL), Anchor::Middle),
            true => ((middle.0, middle.1 - apart), Anchor::Middle),
            false if shift < 0.0 => ((middle.0 - ARROW_LABEL_GAP, beside), Anchor::End),
            false => ((middle.0 + ARROW_LABEL_GAP, beside), Anchor::Start),
        };
        Self { points, label, anchor }
    }

    /// Routes an arrow from a block to itself, on its right.
    fn around(block: &Frame) -> Self {
        let (side, y) = (block.middle.0 + block.size.0 / 2.0, block.middle.1);
        let points = vec![
            (side, y - LOOP.1),
            (side + LOOP.0, y - LOOP.1),
            (side + LOOP.0, y + LOOP.1),
            (side, y + LOOP.1),
        ];
        let label = (side + LOOP.0 + ARROW_LABEL_GAP, y + TEXT * CAPITAL / 2.0);
        Self { points, label, anchor: Anchor::Start }
    }

    fn draw(mut self, body: &mut Body, arrow: &Arrow) {
        let last = self.points.len() - 1;
        let (before, tip) = (self.points[last - 1], self.points[last]);
        let length = (tip.0 - before.0).hypot(tip.1 - before.1);
        let mut class = "rf-arrow".to_owned();
        if arrow.dashed {
            class.push_str(" rf-dashed");
        }
        if arrow.shared {
            class.push_str(" rf-shared");
        }
        if length > 0.0 {
            let (dx, dy) = ((tip.0 - before.0) / length, (tip.1 - before.1) / length);
            let base = (tip.0 - dx * HEAD.0, tip.1 - dy * HEAD.0);
            self.points[last] = base;
            body.polyline(&self.points, &class);
            let side = (dy * HEAD.1, dx * HEAD.1);
            body.polygon(
                &[(base.0 - side.0, base.1 + side.1), tip, (base.0 + side.0, base.1 - side.1)],
                "rf-head",
            );
        }
        if !arrow.label.is_empty() {
            body.text(self.label, TextStyle::new(self.anchor, TEXT).halo().within(ROOM), &arrow.label);
        }
    }
}

impl Frame {
    /// Returns the point where the line from `inside` to `other` leaves the block.
    fn edge(&self, inside: Point, other: Point) -> Point {
        let (dx, dy) = (other.0 - inside.0, other.1 - inside.1);
        let part = |distance: f64, middle: f64, at: f64, half: f64| {
            if distance == 0.0 {
                return f64::INFINITY;
            }
            let edge = middle + distance.signum() * half;
            (edge - at) / distance
        };
        let x = part(dx, self.middle.0, inside.0, self.size.0 / 2.0);
        let y = part(dy, self.middle.1, inside.1, self.size.1 / 2.0);
        let part = x.min(y).clamp(0.0, 1.0);
        (inside.0 + part * dx, inside.1 + part * dy)
    }
}
