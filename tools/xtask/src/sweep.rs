//! `cargo xtask bench sweep`: how cost grows with multiply-accumulates, on this machine, in a page of its browser, and on an
//! emulated Cortex-M4F.
//!
//! A line per kind of layer, `cost = overhead + work / rate`, by least squares of relative errors; drawn as a plot.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use plotters::prelude::*;
use serde_json::{Value, json};

use crate::bench;
use crate::context::Context;
use crate::mcu::{self, Board, thousands};
use crate::process::Run;
use crate::setup::Need;
use crate::web;

/// The board, and the multiply-accumulates of one SMLAD.
const BOARD: &str = "cortex-m4f";
const SMLAD: f64 = 2.0;

/// The multiply-accumulates in a cycle that vector kernels can reach on this machine, by the name of the backend or of the
/// page's build: two instructions of 16, 32 or 64, and of 8 or 16 in a page.
const PEAKS: [(&str, f64); 6] =
    [("avx2", 32.0), ("avx-vnni", 64.0), ("avx512-vnni", 128.0), ("simd128", 16.0), ("fused", 16.0), ("relaxed", 32.0)];

/// How often this machine measures each layer, and how many samples it takes then.
const ROUNDS: usize = 5;
const SAMPLES: &str = "9";

/// The colors of kinds in plots.
const COLORS: [RGBColor; 4] =
    [RGBColor(0, 84, 166), RGBColor(196, 32, 48), RGBColor(214, 122, 0), RGBColor(24, 128, 72)];

/// The plots, in the tree.
const PLOTS: &str = "docs";

/// A layer: its file's name, its multiply-accumulates, its kind.
type Layer<'a> = [&'a str; 3];

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
    /// The unit of costs: one, and many.
    units: [&'static str; 2],
    series: Vec<Series>,
    peak: Option<Peak>,
    plot: &'static str,
}

/// What the best instruction can do.
struct Peak {
    /// Multiply-accumulates in a unit of cost.
    rate: f64,
    /// Where that comes from.
    reason: String,
}

/// Measures, fits, draws, and prints a table.
pub fn run(context: &mut Context, as_json: bool) -> Result<bool> {
    let folder = context.target.join("sweep");
    let list = Run::new(context.checked_program("convolution-sweep")?).arg(&folder).output()?;
    let layers: Vec<Layer<'_>> = list
        .lines()
        .map(|line| line.splitn(3, ' ').collect::<Vec<_>>().try_into().ok().context("a line of three parts"))
        .collect::<Result<_>>()?;
    let (host, clock) = host(context, &folder, &layers)?;
    let mut machines = vec![host];
    machines.extend(page(context, &folder, &layers, clock)?);
    machines.extend(board(context, &folder, &layers)?);
    fs::create_dir_all(context.root.join(PLOTS))?;
    for machine in &machines {
        let file = context.root.join(PLOTS).join(machine.plot);
        draw(machine, &file).with_context(|| format!("drawing {}", file.display()))?;
    }
    if as_json {
        println!("{:#}", Value::Array(machines.iter().map(to_json).collect()));
    } else {
        print(&machines);
    }
    Ok(true)
}

/// Nanoseconds on this machine, and its clock in gigahertz.
fn host(context: &Context, folder: &Path, layers: &[Layer<'_>]) -> Result<(Machine, Option<f64>)> {
    let bantam = bench::command(context)?;
    let mut costs = vec![f64::MAX; layers.len()];
    let (mut backend, mut clock) = (String::new(), None::<f64>);
    for _ in 0..ROUNDS {
        for ([name, ..], cost) in layers.iter().zip(&mut costs) {
            let bench = Run::new(&bantam).args(["bench", "--json", "--samples", SAMPLES]);
            let told = bench.arg(folder.join(format!("{name}.bantam"))).json()?;
            // Of so few samples the least one. What else runs on the machine only adds, and not the same to all.
            let least = told["p10_ms"].as_f64().context("`bantam bench` tells no p10_ms")?;
            *cost = cost.min(least * 1e6);
            clock = clock.into_iter().chain(told["clock_ghz"].as_f64()).reduce(f64::max);
            told["backend"].as_str().unwrap_or_default().clone_into(&mut backend);
        }
    }
    let name = format!("{}, {backend}", processor());
    let (series, peak) = (group(layers, &costs)?, vector_peak(&backend, clock));
    Ok((Machine { name, units: ["ns", "ns"], series, peak, plot: "cost-host.svg" }, clock))
}

/// The name of this machine's processor, where the system tells it.
fn processor() -> String {
    let told = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    name.map_or("this machine", |(_, name)| name).to_owned()
}

fn vector_peak(name: &str, clock: Option<f64>) -> Option<Peak> {
    let (_, in_cycle) = PEAKS.iter().find(|(known, _)| *known == name)?;
    let clock = clock?;
    Some(Peak { rate: in_cycle * clock, reason: format!("{in_cycle} a cycle at {clock:.2} GHz") })
}

/// Nanoseconds in a page on this machine; `None` where something is missing.
fn page(context: &mut Context, folder: &Path, layers: &[Layer<'_>], clock: Option<f64>) -> Result<Option<Machine>> {
    if lacks(context, "a page", &[Need::Target(web::TARGET), Need::Node, Need::NodeModules, Need::Chromium]) {
        return Ok(None);
    }
    web::package(context)?;
    let names = layers.iter().map(|[name, ..]| name);
    let told = web::node(context).arg("bench/sweep.mjs").arg(folder).args(names).json()?;
    let costs: Vec<f64> = told["nanoseconds"].as_array().into_iter().flatten().filter_map(Value::as_f64).collect();
    let [build, version] = ["build", "version"].map(|key| told[key].as_str().unwrap_or_default());
    let name = format!("{}, {build} in Chromium {}", processor(), version.split('.').next().unwrap_or_default());
    let (series, peak) = (group(layers, &costs)?, vector_peak(build, clock));
    Ok(Some(Machine { name, units: ["ns", "ns"], series, peak, plot: "cost-page.svg" }))
}

/// Instructions on the board; `None` where something is missing.
fn board(context: &Context, folder: &Path, layers: &[Layer<'_>]) -> Result<Option<Machine>> {
    let board = Board::find(BOARD).context("no such board")?;
    if lacks(context, BOARD, &[Need::Target(board.target), Need::Qemu]) {
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
    Ok(Some(Machine {
        name: "Cortex-M4F, emulated".to_owned(),
        units: ["instruction", "instructions"],
        series: group(layers, &costs)?,
        peak: Some(Peak { rate: SMLAD, reason: "SMLAD".to_owned() }),
        plot: "cost-m4f.svg",
    }))
}

/// Whether a machine lacks something, which is told.
fn lacks(context: &Context, machine: &str, needs: &[Need]) -> bool {
    let missing = needs.iter().find_map(|need| need.missing(context));
    missing.inspect(|missing| eprintln!("skipped: {machine}: {missing}; see `cargo xtask setup`")).is_some()
}

/// Layers and what they cost, by kind.
fn group(layers: &[Layer<'_>], costs: &[f64]) -> Result<Vec<Series>> {
    if layers.len() != costs.len() {
        bail!("{} layers were run, {} measured", layers.len(), costs.len());
    }
    let mut series: Vec<Series> = Vec::new();
    for ([_, macs, kind], &cost) in layers.iter().zip(costs) {
        let point = [macs.parse()?, cost];
        match series.iter_mut().find(|series| series.kind == *kind) {
            Some(series) => series.points.push(point),
            None => series.push(Series { kind: (*kind).to_owned(), points: vec![point] }),
        }
    }
    Ok(series)
}

/// Multiply-accumulates beyond the overhead in a unit of cost, and their share of the peak in percent, where that is known.
fn rate(machine: &Machine, line: &Line) -> (f64, Option<f64>) {
    let rate = 1.0 / line.per_mac;
    (rate, machine.peak.as_ref().map(|peak| 100.0 * rate / peak.rate))
}

/// A number of units that no digit behind the point tells more about.
fn whole(number: f64) -> String {
    let sign = if number <= -0.5 { "-" } else { "" };
    format!("{sign}{}", thousands(number.abs().round() as u64))
}

fn print(machines: &[Machine]) {
    println!("| machine | layer | MACs | overhead | MACs beyond it | share of the peak | largest error of the line |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    for machine in machines {
        let [unit, units] = machine.units;
        for Series { kind, points } in &machine.series {
            let line = Line::through(points);
            let macs = |point: Option<&[f64; 2]>| whole(point.map_or(0.0, |point| point[0]));
            let (rate, share) = rate(machine, &line);
            println!(
                "| {} | {kind} | {} to {} | {} {units} | {rate:.2} per {unit} | {} | {:.0} % |",
                machine.name,
                macs(points.first()),
                macs(points.last()),
                whole(line.overhead),
                share.map_or("?".to_owned(), |share| format!("{share:.0} %")),
                100.0 * line.error
            );
        }
    }
    println!();
    for Machine { name, peak, plot, units: [unit, _], .. } in machines {
        match peak {
            Some(Peak { rate, reason }) => println!("{name}: {PLOTS}/{plot}; peak: {rate:.1} per {unit}, {reason}"),
            None => println!("{name}: {PLOTS}/{plot}; no peak known"),
        }
    }
}

fn to_json(machine: &Machine) -> Value {
    let rows = machine.series.iter().map(|Series { kind, points }| {
        let line = Line::through(points);
        let (rate, share) = rate(machine, &line);
        json!({
            "layer": kind, "overhead": line.overhead, "macs_per_unit": rate, "peak_percent": share, "error": line.error,
            "points": points,
        })
    });
    json!({ "machine": machine.name, "unit": machine.units[0], "rows": rows.collect::<Vec<_>>() })
}

/// Draws points, lines and the peak on logarithmic axes, on which a straight line with an overhead bends at its foot.
fn draw(machine: &Machine, file: &Path) -> Result<()> {
    let points = || machine.series.iter().flat_map(|series| &series.points);
    let span = |axis: usize| {
        points().map(|point| point[axis]).fold((f64::MAX, 0.0_f64), |(low, high), it| (it.min(low), it.max(high)))
    };
    let (left, right) = span(0);
    let (low, high) = span(1);
    let [unit, units] = machine.units;
    let area = SVGBackend::new(file, (820, 520)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("8-bit layers of growing size: {}", machine.name), ("sans-serif", 20))
        .margin(14)
        .x_label_area_size(44)
        .y_label_area_size(92)
        // Room for the legend above the points.
        .build_cartesian_2d((left / 1.5..right * 1.5).log_scale(), (low / 2.0..high * 12.0).log_scale())?;
    let number = |value: &f64| if *value < 1.0 { format!("{value}") } else { whole(*value) };
    chart
        .configure_mesh()
        .x_desc("multiply-accumulates (MACs) of the layer")
        .y_desc(format!("{units} of a run"))
        .axis_desc_style(("sans-serif", 15))
        .label_style(("sans-serif", 13))
        .x_label_formatter(&number)
        .y_label_formatter(&number)
        .light_line_style(WHITE)
        .draw()?;
    let curve = |[from, to]: [f64; 2], cost: &dyn Fn(f64) -> f64| {
        let steps = (0..=40).map(|step| from * (to / from).powf(f64::from(step) / 40.0));
        steps.map(|macs| (macs, cost(macs))).collect::<Vec<_>>()
    };
    for (Series { kind, points }, color) in machine.series.iter().zip(COLORS.iter().cycle()) {
        let line = Line::through(points);
        let (rate, share) = rate(machine, &line);
        let share = share.map_or(String::new(), |share| format!(", {share:.0} % of the peak"));
        let label = format!("{kind}: {} {units} + MACs at {rate:.2} per {unit}{share}", whole(line.overhead));
        let ends = [points.first(), points.last()].map(|point| point.map_or(left, |point| point[0]));
        chart
            .draw_series(LineSeries::new(curve(ends, &|macs| line.overhead + line.per_mac * macs), *color))?
            .label(label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], color.stroke_width(2)));
        chart.draw_series(points.iter().map(|&[macs, cost]| Circle::new((macs, cost), 3, color.filled())))?;
    }
    if let Some(Peak { rate, reason }) = &machine.peak {
        // From where it rises into the picture.
        let ends = [left.max(low / 2.0 * rate), right];
        chart
            .draw_series(DashedLineSeries::new(curve(ends, &|macs| macs / rate), 5, 4, BLACK.mix(0.5).into()))?
            .label(format!("peak: MACs at {rate:.1} per {unit} ({reason}), no overhead"))
            .legend(|(x, y)| PathElement::new([(x, y), (x + 18, y)], BLACK.mix(0.5)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .label_font(("sans-serif", 13))
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
