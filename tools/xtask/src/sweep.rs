//! `cargo xtask bench sweep`: how cost grows with multiply-accumulates, on this machine and on an emulated Cortex-M4F.
//!
//! A line per kind of layer, `cost = overhead + work / rate`, by least squares of relative errors; drawn as a plot.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use plotters::prelude::*;
use serde_json::{Value, json};

use crate::bench;
use crate::context::Context;
use crate::mcu::{self, Board};
use crate::process::Run;

/// The board, and the multiply-accumulates of one SMLAD.
const BOARD: &str = "cortex-m4f";
const SMLAD: f64 = 2.0;

/// The multiply-accumulates in a cycle that vector kernels can reach on this machine, by the name of the backend: two
/// instructions of 16, 32 or 64.
const PEAKS: [(&str, f64); 3] = [("avx2", 32.0), ("avx-vnni", 64.0), ("avx512-vnni", 128.0)];

/// The plots, in the tree.
const PLOTS: &str = "docs";

/// Layers of one kind on one machine: multiply-accumulates, and what a run costs.
struct Series {
    kind: String,
    points: Vec<[f64; 2]>,
}

/// A line: the cost of no work at all, and that of one multiply-accumulate.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Line {
    overhead: f64,
    per_mac: f64,
    /// The largest relative error.
    error: f64,
}

impl Line {
    /// The line through points with the least sum of squared relative errors.
    fn through(points: &[[f64; 2]]) -> Self {
        // Weighted by 1 / y^2: the normal equations of a and b in a + b x = y.
        let sum = |of: fn(f64, f64) -> f64| points.iter().map(|&[x, y]| of(x, y) / (y * y)).sum::<f64>();
        let [one, x, y, xx, xy] = [sum(|_, _| 1.0), sum(|x, _| x), sum(|_, y| y), sum(|x, _| x * x), sum(|x, y| x * y)];
        let determinant = one * xx - x * x;
        let overhead = (xx * y - x * xy) / determinant;
        let per_mac = (one * xy - x * y) / determinant;
        let error = |&[x, y]: &[f64; 2]| ((overhead + per_mac * x) / y - 1.0).abs();
        Self { overhead, per_mac, error: points.iter().map(error).fold(0.0, f64::max) }
    }
}

/// A machine that layers were measured on.
struct Machine {
    name: String,
    /// The unit of costs.
    unit: &'static str,
    series: Vec<Series>,
    /// Multiply-accumulates that the best instruction does in a unit of cost, where that is known.
    peak: Option<f64>,
    plot: &'static str,
}

/// Measures, fits, draws, and prints a table.
pub fn run(context: &Context, as_json: bool) -> Result<bool> {
    let folder = context.target.join("sweep");
    let list = Run::new(context.checked_program("convolution-sweep")?).arg(&folder).output()?;
    let layers: Vec<[&str; 3]> = list
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().try_into().ok().context("a line of three words"))
        .collect::<Result<_>>()?;
    let mut machines = vec![host(context, &folder, &layers)?];
    match board(context, &folder, &layers)? {
        Some(board) => machines.push(board),
        None => eprintln!("skipped: {BOARD}: no qemu-system-arm, or no {BOARD} target; see `cargo xtask setup`"),
    }
    fs::create_dir_all(context.root.join(PLOTS))?;
    for machine in &machines {
        let file = context.root.join(PLOTS).join(machine.plot);
        draw(machine, &file).with_context(|| format!("drawing {}", file.display()))?;
    }
    if as_json {
        println!("{:#}", Value::Array(machines.iter().map(to_json).collect()));
    } else {
        machines.iter().for_each(print);
    }
    Ok(true)
}

/// Nanoseconds on this machine.
fn host(context: &Context, folder: &Path, layers: &[[&str; 3]]) -> Result<Machine> {
    let bantam = bench::command(context)?;
    let mut costs = Vec::new();
    let mut last = Value::Null;
    for [_, _, name] in layers {
        let file = folder.join(format!("{name}.bantam"));
        last = Run::new(&bantam).args(["bench", "--json"]).arg(file).json()?;
        // What else runs on the machine only adds, and not the same to all.
        costs.push(last["p10_ms"].as_f64().context("`bantam bench` tells no p10_ms")? * 1e6);
    }
    let backend = last["backend"].as_str().unwrap_or_default();
    let per_cycle = PEAKS.iter().find(|(name, _)| *name == backend).map(|(_, peak)| *peak);
    let clock = last["clock_ghz"].as_f64();
    let name = match clock {
        Some(clock) => format!("this machine, {backend}, {clock:.2} GHz"),
        None => format!("this machine, {backend}"),
    };
    let peak = per_cycle.zip(clock).map(|(per_cycle, clock)| per_cycle * clock);
    Ok(Machine { name, unit: "ns", series: group(layers, &costs)?, peak, plot: "cost-host.svg" })
}

/// Instructions on the board; `None` where the emulator is missing.
fn board(context: &Context, folder: &Path, layers: &[[&str; 3]]) -> Result<Option<Machine>> {
    let board = Board::find(BOARD).context("no such board")?;
    let needs = [crate::setup::Need::Target(board.target), crate::setup::Need::Qemu];
    if needs.iter().any(|need| need.missing(context).is_some()) {
        return Ok(None);
    }
    let (program, image) = mcu::cases(context, board)?;
    let machine = board.machine(program);
    // It compares every output with the host's, and ends with a failure where one differs.
    let text = machine.run(&image, folder)?;
    let mut costs = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix("op ")) {
        let ticks = line.split_whitespace().nth(2).context("a line of three numbers")?;
        costs.push(ticks.parse::<f64>()? * machine.tick);
    }
    let series = group(layers, &costs)?;
    Ok(Some(Machine { name: BOARD.to_owned(), unit: "instructions", series, peak: Some(SMLAD), plot: "cost-m4f.svg" }))
}

/// Layers and what they cost, by kind.
fn group(layers: &[[&str; 3]], costs: &[f64]) -> Result<Vec<Series>> {
    if layers.len() != costs.len() {
        bail!("{} layers were run, {} measured", layers.len(), costs.len());
    }
    let mut series: Vec<Series> = Vec::new();
    for ([kind, macs, _], &cost) in layers.iter().zip(costs) {
        let point = [macs.parse()?, cost];
        match series.iter_mut().find(|series| series.kind == *kind) {
            Some(series) => series.points.push(point),
            None => series.push(Series { kind: (*kind).to_owned(), points: vec![point] }),
        }
    }
    Ok(series)
}

fn print(machine: &Machine) {
    let Machine { name, unit, series, peak, plot } = machine;
    println!("{name}: {PLOTS}/{plot}\n");
    println!("| layer | MACs | overhead, {unit} | MACs per unit | share of the peak | largest error of the line |");
    println!("|---|--:|--:|--:|--:|--:|");
    for Series { kind, points } in series {
        let line = Line::through(points);
        let macs = |point: Option<&[f64; 2]>| point.map_or(0.0, |point| point[0]);
        let share = peak.map_or("?".to_owned(), |peak| format!("{:.0} %", 100.0 / line.per_mac / peak));
        println!(
            "| {kind} | {} to {} | {:.0} | {:.2} | {share} | {:.0} % |",
            macs(points.first()),
            macs(points.last()),
            line.overhead,
            1.0 / line.per_mac,
            100.0 * line.error
        );
    }
    println!();
}

fn to_json(machine: &Machine) -> Value {
    let rows = machine.series.iter().map(|Series { kind, points }| {
        let Line { overhead, per_mac, error } = Line::through(points);
        let share = machine.peak.map(|peak| 1.0 / per_mac / peak);
        json!({
            "layer": kind, "overhead": overhead, "macs_per_unit": 1.0 / per_mac, "peak_share": share, "error": error,
            "points": points,
        })
    });
    json!({ "machine": machine.name, "unit": machine.unit, "rows": rows.collect::<Vec<_>>() })
}

/// Draws points and lines on logarithmic axes, on which a straight line with an overhead bends at its foot.
fn draw(machine: &Machine, file: &Path) -> Result<()> {
    let points = || machine.series.iter().flat_map(|series| &series.points);
    let span = |axis: usize| {
        let (low, high) =
            points().map(|point| point[axis]).fold((f64::MAX, 0.0), |(low, high), it| (it.min(low), it.max(high)));
        low / 1.5..high * 1.5
    };
    let area = SVGBackend::new(file, (760, 460)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(&machine.name, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(80)
        .build_cartesian_2d(span(0).log_scale(), span(1).log_scale())?;
    let number = |value: &f64| if *value < 1.0 { format!("{value}") } else { format!("{value:.0}") };
    chart
        .configure_mesh()
        .x_desc("multiply-accumulates")
        .y_desc(machine.unit)
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .light_line_style(WHITE)
        .draw()?;
    for (index, Series { kind, points }) in machine.series.iter().enumerate() {
        let color = Palette99::pick(index).to_rgba();
        let line = Line::through(points);
        let ends = [points.first(), points.last()].map(|point| point.map_or(1.0, |point| point[0].ln()));
        let steps = (0..=40).map(|step| (ends[0] + (ends[1] - ends[0]) * f64::from(step) / 40.0).exp());
        chart
            .draw_series(LineSeries::new(steps.map(|macs| (macs, line.overhead + line.per_mac * macs)), color))?
            .label(kind)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color));
        chart.draw_series(points.iter().map(|&[macs, cost]| Circle::new((macs, cost), 3, color.filled())))?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(WHITE)
        .border_style(BLACK.mix(0.3))
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Line;

    #[test]
    fn a_line_is_found_whatever_the_size_of_its_points() {
        let points: Vec<[f64; 2]> = [1.0, 10.0, 1000.0, 100_000.0].map(|x| [x, 50.0 + 0.25 * x]).to_vec();
        let line = Line::through(&points);
        assert!((line.overhead - 50.0).abs() < 1e-6 && (line.per_mac - 0.25).abs() < 1e-9 && line.error < 1e-9);
    }
}
