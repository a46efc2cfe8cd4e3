//! The report: one page that tells what was done to a model and what that cost. It needs nothing beside itself: plots are inline SVG, there is
//! no script, and nothing is fetched.

mod charts;
pub mod plot;

use crate::cost::Prediction;
use crate::files::sha256;
use crate::shrink::{Shrunk, Slices};
use bantam_format::{MAJOR_VERSION, MINOR_VERSION};
use charts::{accuracy_against_bytes, confusion, groups, memory, reliability};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use plot::{Bar, bars, figure, histogram, number};
use serde::Serialize;
use std::path::Path;

const STYLE: &str = include_str!("style.css");

/// A file of data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DataSource {
    /// Where it was.
    pub path: String,
    /// SHA-256 of the file; none where it cannot be read any more.
    pub sha256: Option<String>,
}

impl DataSource {
    /// The file at this path.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let bytes = std::fs::read(path).ok();
        Self { path: path.display().to_string(), sha256: bytes.map(|bytes| sha256(&bytes)) }
    }
}

/// What the page tells beside what was made.
#[derive(Clone, Debug)]
pub struct Context {
    /// Name of the model.
    pub name: String,
    /// The source file.
    pub source: String,
    /// Names of the classes.
    pub labels: Vec<String>,
    /// Calibration and evaluation data, where there are any.
    pub data: [Option<DataSource>; 2],
    /// The arithmetic.
    pub arithmetic: String,
    /// The seed.
    pub seed: u64,
    /// The microcontroller it is for, and what it takes there.
    pub target: Option<(String, Prediction)>,
    /// The arguments of the command.
    pub command: Vec<String>,
}

/// The page.
#[must_use]
pub fn page(shrunk: &Shrunk, context: &Context) -> String {
    let title = format!("{}: what shrinking did", context.name);
    let body = html! {
        p.soft { (context.source) " to " (context.arithmetic) }
        (summary(shrunk, context))
        (trade(shrunk))
        (answers(shrunk, context))
        (confidence(shrunk))
        (layers(shrunk))
        (distributions(shrunk))
        (device(shrunk))
        (origin(shrunk, context))
    };
    document(&title, &body)
}

/// A page of this look under a title: nothing is fetched, there is no script.
#[must_use]
pub fn document(title: &str, body: &Markup) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                // No icon is asked for.
                link rel="icon" href="data:,";
                title { (title) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                (body)
            }
        }
    };
    page.into_string()
}

fn percent(share: f64) -> String {
    format!("{:.2} %", share * 100.0)
}

fn points(share: f64) -> String {
    format!("{:+.2} points", share * 100.0)
}

fn card(name: &str, value: &str, note: &str) -> Markup {
    html! { div.card { span.soft { (name) } b { (value) } span.soft { (note) } } }
}

fn summary(shrunk: &Shrunk, context: &Context) -> Markup {
    let model = shrunk.artifact.model();
    let bytes = shrunk.artifact.bytes().len();
    html! {
        div.cards {
            @if let Some(score) = &shrunk.score {
                @if let (Some(before), Some(after)) = (score.float_top1, score.top1) {
                    @let range = score.top1_interval.map(|i| format!(", 95 % sure: {:.1} to {:.1} %", i.low * 100.0, i.high * 100.0));
                    (card("accuracy", &percent(after), &format!("from {}{}", percent(before), range.unwrap_or_default())))
                    @let range = score.change_interval.map(|i| format!("95 % sure: {:+.1} to {:+.1} on other rows", i.low * 100.0, i.high * 100.0));
                    (card("change", &points(after - before), &range.unwrap_or_default()))
                }
                @if let Some(agreement) = score.agreement {
                    (card("agreement", &percent(agreement), &format!("of {} rows get the same answer", score.rows)))
                }
                @if let (Some(before), Some(after)) = (score.float_mae, score.mae) {
                    (card("mean absolute error", &number(after), &format!("{} before", number(before))))
                }
            }
            (card("file", &format!("{bytes} bytes"), &format!("{} of the original", percent(bytes as f64 / shrunk.source_bytes as f64))))
            (card("arena", &format!("{} bytes", model.arena_bytes()), "all the memory a run needs"))
            (card("work", &model.artifact().macs().to_string(), "multiply-accumulates per run"))
            @if let Some((name, cost)) = &context.target {
                @if let Some(instructions) = cost.compiled_instructions() {
                    (card("instructions", &instructions.to_string(), &format!("per run, compiled for a {name}, give or take {:.1} %", 100.0 * cost.error)))
                }
            }
        }
        @for note in &shrunk.notes { p { (note) } }
    }
}

fn trade(shrunk: &Shrunk) -> Markup {
    let errors = shrunk.score.as_ref().is_some_and(|score| score.mae.is_some());
    html! {
        h2 { (if errors { "Error" } else { "Accuracy" }) " against bytes" }
        div.plots {
            (accuracy_against_bytes(shrunk))
            @if !shrunk.sensitivities.is_empty() {
                @let list: Vec<Bar> = shrunk.sensitivities.iter().map(|layer| {
                    Bar { name: layer.layer.clone(), value: layer.loss, shown: number(layer.loss), mark: None, range: None }
                }).collect();
                @let title = "Growth of the logits' error when one layer alone has 4-bit weights, in parts of their power; in the order in which layers are narrowed";
                (figure("plot-sensitivity", title, &bars("sensitivity of layers", 0.0, &list)))
            }
        }
        @if let Some(baselines) = &shrunk.baselines {
            p {
                "The most frequent class alone gets " (percent(baselines.majority)) " of the rows right"
                @if let Some(linear) = baselines.linear {
                    ", a line through the inputs (logistic regression, fitted on " (baselines.fitted_on) ") " (percent(linear))
                }
                "."
            }
        }
        @if !shrunk.point.sixteen_bit_layers.is_empty() {
            p { "16-bit activations: " (shrunk.point.sixteen_bit_layers.join(", ")) }
        }
        @if shrunk.point.float_weight_bits == Some(16) {
            p { "The weights of layers that are computed in floats have 16 bits." }
        } @else if shrunk.point.four_bit_layers.is_empty() {
            p { "All weights have 8 bits or keep the type they had." }
        } @else {
            p { "4-bit weights: " (shrunk.point.four_bit_layers.join(", ")) }
        }
    }
}

fn answers(shrunk: &Shrunk, context: &Context) -> Markup {
    let details = &shrunk.details;
    if details.confusion.len() != 2 {
        return html! {};
    }
    html! {
        h2 { "Right and wrong answers" }
        div.plots {
            (figure("plot-confusion-before", "Before: rows by right class (down) and class chosen (across)", &confusion("confusion before", &details.confusion[0], &context.labels)))
            (figure("plot-confusion-after", "After", &confusion("confusion after", &details.confusion[1], &context.labels)))
            (figure("plot-classes", "Accuracy by class: the bar is after, the stroke before, the thin line 95 % sure", &groups("accuracy by class", &details.classes)))
        }
        (group_table("class", &details.classes))
        @for Slices { column, groups: slices } in &details.slices {
            h2 { "Accuracy by " (column) }
            @let title = "The bar is after, the stroke before, the thin line 95 % sure";
            div.plots { (figure(&format!("plot-slice-{}", identifier(column)), title, &groups(&format!("accuracy by {column}"), slices))) }
            (group_table(column, slices))
        }
    }
}

/// A name as part of an identifier of the page.
fn identifier(name: &str) -> String {
    name.chars().map(|c| if c.is_alphanumeric() { c } else { '-' }).collect()
}

fn group_table(name: &str, groups: &[crate::shrink::Group]) -> Markup {
    html! {
        table {
            tr { th { (name) } th { "rows" } th { "before" } th { "after" } th { "gap" } }
            @for group in groups {
                tr { td { (group.name) } td { (group.rows) } td { (percent(group.float_top1)) } td { (percent(group.top1)) } td { (format!("{:+.2}", group.gap * 100.0)) } }
            }
        }
    }
}

fn confidence(shrunk: &Shrunk) -> Markup {
    let Some(fitted) = &shrunk.temperature else { return html! {} };
    html! {
        h2 { "Is it as sure as it is right?" }
        p {
            "Expected calibration error " (percent(fitted.before.expected_calibration_error)) "; with the logits divided by a temperature of "
            (format!("{:.3}", fitted.temperature)) ", fitted on " (fitted.rows[0]) " rows and measured on " (fitted.rows[1]) " others, "
            (percent(fitted.after.expected_calibration_error)) ". "
            @if shrunk.temperature_stored { "The temperature is in the artifact, in the softmax's own factor: it takes no time at all." }
            @else { "The temperature is not in the artifact: " code { "--temperature" } " stores it." }
        }
        div.plots {
            (figure("plot-reliability-before", "Without temperature: accuracy by confidence", &reliability("reliability before", &fitted.before)))
            (figure("plot-reliability-after", "With temperature", &reliability("reliability after", &fitted.after)))
        }
    }
}

fn layers(shrunk: &Shrunk) -> Markup {
    let list: Vec<Bar> = shrunk
        .layers
        .iter()
        .filter_map(|layer| {
            let decibels = layer.signal_to_noise_db?;
            let shown = format!("{decibels:.1} dB");
            Some(Bar { name: layer.name.clone(), value: decibels, shown, mark: None, range: None })
        })
        .collect();
    html! {
        @if !list.is_empty() {
            h2 { "Error by layer" }
            @let title = "Signal to noise of each layer beside the float network, in order: longer is better, 6 dB are one bit";
            div.plots { (figure("plot-layer-error", title, &bars("signal to noise by layer", 0.0, &list))) }
        }
    }
}

fn distributions(shrunk: &Shrunk) -> Markup {
    let details = &shrunk.details;
    html! {
        @if details.ops.iter().any(|op| op.weights.is_some()) {
            h2 { "Weights" }
            div.plots.small {
                @for (index, op) in details.ops.iter().enumerate() {
                    @if let Some(weights) = &op.weights {
                        @let title = format!("{}, {} bits", op.name, op.weight_bits.unwrap_or(8));
                        (figure(&format!("plot-weights-{index}"), &title, &histogram(&title, &weights.counts, [weights.low, weights.high], None)))
                    }
                }
            }
        }
        @if details.ops.iter().any(|op| op.activations.is_some()) {
            h2 { "Activations" }
            p.soft {
                "Over the " (if shrunk.calibration_rows > 0 { "calibration" } else { "sample" }) " data; heights are roots of counts."
                @if details.ops.iter().any(|op| op.activations.as_ref().is_some_and(|bars| bars.range.is_some())) {
                    " The grey part is the range that integers hold."
                }
            }
            div.plots.small {
                @for (index, op) in details.ops.iter().enumerate() {
                    @if let Some(activations) = &op.activations {
                        (figure(&format!("plot-activations-{index}"), &op.name, &histogram(&op.name, &activations.counts, [activations.low, activations.high], activations.range)))
                    }
                }
            }
        }
    }
}

fn device(shrunk: &Shrunk) -> Markup {
    let details = &shrunk.details;
    let list = |value: &dyn Fn(&crate::shrink::OpDetails) -> f64| -> Vec<Bar> {
        let ops = details.ops.iter().filter(|op| value(op) > 0.0);
        ops.map(|op| Bar {
            name: op.name.clone(),
            value: value(op),
            shown: format!("{}", value(op)),
            mark: None,
            range: None,
        })
        .collect()
    };
    html! {
        h2 { "On the device" }
        div.plots {
            (figure("plot-memory", "What lies where in the arena (up), during which op (across)", &memory(details, shrunk.artifact.model().arena_bytes())))
            (figure("plot-macs", "Multiply-accumulates by op", &bars("multiply-accumulates by op", 0.0, &list(&|op| op.macs as f64))))
            @if details.ops.iter().any(|op| op.bytes > 0) {
                (figure("plot-bytes", "Bytes of weights, biases and multipliers by op", &bars("bytes by op", 0.0, &list(&|op| op.bytes as f64))))
            }
        }
    }
}

fn origin(shrunk: &Shrunk, context: &Context) -> Markup {
    let data = |source: &Option<DataSource>, rows: usize| match source {
        Some(source) => {
            html! { (source.path) ", " (rows) " rows" @if let Some(digest) = &source.sha256 { ", SHA-256 " (digest) } }
        }
        None => html! { "none" },
    };
    let scored = shrunk.score.as_ref().map_or(0, |score| score.rows);
    html! {
        h2 { "Where this comes from" }
        table.facts {
            tr { th { "source" } td { (context.source) ", " (shrunk.source_bytes) " bytes, SHA-256 " (shrunk.source_sha256) } }
            tr { th { "calibration" } td { (data(&context.data[0], shrunk.calibration_rows)) } }
            tr { th { "evaluation" } td { (data(&context.data[1], scored)) } }
            tr { th { "seed" } td { (context.seed) } }
            tr { th { "made with" } td { "bantam " (env!("CARGO_PKG_VERSION")) ", file format " (MAJOR_VERSION) "." (MINOR_VERSION) } }
        }
        pre { (context.command.join(" ")) }
    }
}
