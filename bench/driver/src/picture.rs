//! The pictures of a scaling run.

use crate::report::{Outcome, Row};
use crate::rival::Contender;
use bench_protocol::{Cell, Result, Work};
use refrain_plot::{Axis, Chart, Figure};

/// Charts per row of a picture.
const COLUMNS: usize = 3;
/// A chart with fewer sizes, or fewer numbers of threads, would show no more than its table.
const SIZES: usize = 2;
const THREADS: usize = 3;

/// How to draw the results of a group.
pub(crate) struct ChartSpec {
    /// The picture that its charts belong to, as the suffix of its file name.
    pub(crate) picture: &'static str,
    /// The picture's title.
    pub(crate) title: String,
    /// What is constant in the group.
    pub(crate) held: String,
    pub(crate) x_axis: XAxis,
}

/// The horizontal axis of a chart.
pub(crate) enum XAxis {
    /// A size of the job. There is a chart for each cell and measure, with a line for each contender.
    Size(Size),
    /// Threads, in one chart: the speedup over one thread. There is a line for each job.
    Threads,
}

pub(crate) struct Size {
    pub(crate) axis: Axis,
    pub(crate) of: fn(&Work) -> usize,
    pub(crate) measures: Vec<Measure>,
}

/// The quantity that a chart shows. Each is a flat line if the cost is proportional to the work.
#[derive(Clone, Copy)]
pub(crate) enum Measure {
    /// Time per step of a sequence.
    Step,
    /// Time per token.
    Token,
    /// Floating-point operations of the matrix products per second.
    Speed,
}

impl Measure {
    fn label(self) -> &'static str {
        match self {
            Self::Step => "µs per step of a sequence",
            Self::Token => "µs a token",
            Self::Speed => "GFLOP/s",
        }
    }

    fn of(self, work: &Work, seconds: f64) -> Option<f64> {
        Some(match self {
            Self::Step | Self::Token => 1e6 * seconds / work.steps()? as f64,
            Self::Speed => work.flops()? / seconds / 1e9,
        })
    }
}

/// The results of a group.
pub(crate) struct Measured {
    pub(crate) chart: ChartSpec,
    pub(crate) contenders: Vec<Contender>,
    pub(crate) rows: Vec<Row>,
}

/// A picture to be written.
pub(crate) struct Picture {
    /// The suffix of its file name.
    pub(crate) part: &'static str,
    pub(crate) title: String,
    pub(crate) svg: String,
}

/// Draws the pictures of a run's groups. Groups with nothing to compare are skipped.
pub(crate) fn pictures(groups: &[Measured]) -> Result<Vec<Picture>> {
    let mut pictures: Vec<(&ChartSpec, Vec<Chart>)> = Vec::new();
    let peak = groups.iter().flat_map(|group| &group.rows).filter_map(Row::peak).reduce(f64::max);
    for group in groups {
        let charts = group.charts(peak);
        match pictures.iter_mut().find(|(chart, _)| chart.picture == group.chart.picture) {
            Some((_, all)) => all.extend(charts),
            None => pictures.push((&group.chart, charts)),
        }
    }
    let drawn = pictures.into_iter().filter(|(_, charts)| !charts.is_empty()).map(|(chart, charts)| {
        let columns = COLUMNS.min(charts.len());
        let figure = charts.into_iter().fold(Figure::new(&chart.title).columns(columns), Figure::add);
        Ok(Picture { part: chart.picture, title: chart.title.clone(), svg: figure.to_svg()? })
    });
    drawn.collect()
}

impl Measured {
    fn charts(&self, peak: Option<f64>) -> Vec<Chart> {
        let size = match &self.chart.x_axis {
            XAxis::Size(size) => size,
            XAxis::Threads => return self.threads().into_iter().collect(),
        };
        let mut cells: Vec<Cell> = self.rows.iter().filter_map(|row| row.timed.job.work.cell()).collect();
        cells.dedup();
        let charts = cells.iter().flat_map(|&cell| size.measures.iter().map(move |&measure| (cell, measure)));
        charts.filter_map(|(cell, measure)| self.of_cell(cell, size, measure, peak)).collect()
    }

    fn of_cell(&self, cell: Cell, size: &Size, measure: Measure, peak: Option<f64>) -> Option<Chart> {
        let title = format!("{}, {}", cell.name().to_uppercase(), self.chart.held);
        let chart = Chart::new(title).x(size.axis.clone()).y(Axis::new(measure.label()).log());
        let lines = self.contenders.iter().enumerate().map(|(i, contender)| {
            let rows = self.rows.iter().filter(|row| row.timed.job.work.cell() == Some(cell));
            let point = |row: &Row| {
                let work = &row.timed.job.work;
                Some(((size.of)(work) as f64, measure.of(work, row.outcomes[i].seconds()?)?))
            };
            (name(contender), rows.filter_map(point).collect())
        });
        let chart = with_lines(chart, lines, SIZES)?;
        Some(match (measure, peak) {
            (Measure::Speed, Some(peak)) => chart.reference("peak", peak / 1e9),
            _ => chart,
        })
    }

    fn threads(&self) -> Option<Chart> {
        let x = Axis::new("threads").log2();
        let chart = Chart::new(self.chart.held.as_str()).x(x).y(Axis::new("speedup over one thread").log2());
        let lines = self.rows.iter().filter_map(|row| {
            let job = &row.timed.job;
            let Work::Layer(layer) = &job.work else { return None };
            let point = |(contender, outcome): (&Contender, &Outcome)| {
                Some((contender.threads.unwrap_or(job.threads), outcome.seconds()?))
            };
            let mut points: Vec<_> = self.contenders.iter().zip(&row.outcomes).filter_map(point).collect();
            points.sort_by_key(|&(threads, _)| threads);
            let alone = points.first().filter(|point| point.0 == 1)?.1;
            let points = points.into_iter().map(|(threads, seconds)| (threads as f64, alone / seconds));
            Some((format!("{} units", layer.units), points.collect()))
        });
        with_lines(chart, lines, THREADS)
    }
}

/// Returns the chart with these lines, if one of them has at least this many points.
fn with_lines(
    chart: Chart,
    lines: impl Iterator<Item = (String, Vec<(f64, f64)>)>,
    least: usize,
) -> Option<Chart> {
    let lines: Vec<_> = lines.filter(|(_, points)| !points.is_empty()).collect();
    let enough = lines.iter().any(|(_, points)| points.len() >= least);
    enough.then(|| lines.into_iter().fold(chart, |chart, (name, points)| chart.line(name, points)))
}

/// Returns a contender's name for use outside a table.
fn name(contender: &Contender) -> String {
    match contender.threads {
        Some(_) => format!("Refrain {}", contender.title),
        None => contender.title.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jobs::{Group, TimedJob};
    use crate::rival::ALL;
    use crate::scaling::groups;

    /// Invented speeds of the contenders, in operations per second, and the machine's peak.
    const SPEEDS: [f64; 3] = [4e10, 2e10, 1e10];
    const PEAK: f64 = 1e11;
    /// Positions are written to a tenth of a pixel.
    const PIXEL: f64 = 0.3;

    fn contender(key: &str) -> Contender {
        let rival = ALL.iter().find(|rival| rival.key == key).unwrap();
        Contender::new(rival, Vec::new(), String::new(), String::new())
    }

    /// Invents a run whose cost is proportional to the work, on a machine with this many cores.
    fn invented(cores: usize) -> Vec<Measured> {
        let measured = |group: Group| {
            let refrain = contender("refrain");
            let contenders = if group.thread_counts.is_empty() {
                vec![refrain, contender("one-thread"), contender("torch")]
            } else {
                std::iter::once(refrain.clone())
                    .chain(group.thread_counts.iter().map(|&n| refrain.on(n)))
                    .collect()
            };
            let row = |timed: TimedJob| {
                let outcome = |(i, contender): (usize, &Contender)| {
                    let speed = match group.thread_counts.len() {
                        0 => SPEEDS[i],
                        _ => SPEEDS[0] * contender.threads.unwrap_or(timed.job.threads) as f64,
                    };
                    let seconds = vec![timed.job.work.flops().unwrap() / speed];
                    Outcome::Timed { seconds, memory: None, peak: (i == 0).then_some(PEAK) }
                };
                let outcomes = contenders.iter().enumerate().map(outcome).collect();
                Row { timed, outcomes }
            };
            let rows = group.jobs.into_iter().map(row).collect();
            Measured { chart: group.chart.unwrap(), contenders, rows }
        };
        groups(2, cores).into_iter().map(measured).collect()
    }

    fn svg(part: &str, groups: &[Measured]) -> Option<String> {
        pictures(groups).unwrap().into_iter().find(|picture| picture.part == part).map(|picture| picture.svg)
    }

    /// Returns the heights of the points of each line.
    fn heights(svg: &str) -> Vec<Vec<&str>> {
        let lines =
            svg.lines().filter_map(|line| line.strip_prefix("<polyline points=\"")?.split('"').next());
        lines
            .map(|line| line.split(' ').map(|point| point.split(',').next_back().unwrap()).collect())
            .collect()
    }

    #[test]
    fn a_cost_proportional_to_the_work_is_flat() {
        let groups = invented(2);
        let layer = svg("layer", &groups).unwrap();
        // Three sizes, three cells, three contenders: units change the work per step, the others do not.
        let lines = heights(&layer);
        assert_eq!(lines.iter().map(Vec::len).collect::<Vec<_>>(), [[6; 9], [9; 9], [7; 9]].concat());
        for line in &lines {
            assert!(line.iter().all(|height| *height == line[0]), "{line:?}");
        }
        assert_eq!(layer.matches(">peak</text>").count(), 3);
        let model = svg("model", &groups).unwrap();
        let flat = |line: &Vec<&str>| line.iter().all(|height| *height == line[0]);
        assert_eq!(
            heights(&model).iter().map(flat).collect::<Vec<_>>(),
            [[false; 3], [true; 3], [true; 3]].concat()
        );
    }

    #[test]
    fn a_measure_matches_its_label() {
        let work = groups(2, 2).remove(0).jobs.swap_remove(0).job.work;
        let (steps, flops) = (64.0 * 8.0, 64.0 * 8.0 * 4.0 * 256.0 * 512.0 * 6.0);
        assert_eq!(Measure::Step.of(&work, 0.25), Some(0.25 / steps * 1e6));
        assert_eq!(Measure::Speed.of(&work, 0.25), Some(flops / 0.25 / 1e9));
        assert_eq!(Measure::Speed.of(&Work::Program, 0.25), None);
    }

    #[test]
    fn threads_are_drawn_from_three_thread_counts() {
        assert!(svg("threads", &invented(1)).is_none() && svg("threads", &invented(2)).is_none());
        let drawn = svg("threads", &invented(4)).unwrap();
        assert_eq!(heights(&drawn).iter().map(Vec::len).collect::<Vec<_>>(), [3; 3]);
        // A speedup of two is halfway between one and four.
        let height = |at: usize| heights(&drawn)[0][at].parse::<f64>().unwrap();
        assert!((height(0) - 2.0 * height(1) + height(2)).abs() < PIXEL, "{drawn}");
    }

    #[test]
    fn untimed_jobs_have_no_line_and_one_size_has_no_chart() {
        let mut groups = invented(2);
        groups.truncate(1);
        for row in &mut groups[0].rows {
            row.outcomes[2] = Outcome::Unsupported(String::new());
        }
        let layer = svg("layer", &groups).unwrap();
        assert_eq!((heights(&layer).len(), layer.contains("PyTorch")), (6, false));
        groups[0].rows.truncate(1);
        assert!(pictures(&groups).unwrap().is_empty());
    }
}
