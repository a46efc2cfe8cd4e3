//! The page of a run: what was made, how training went, what became of the channels. No script, nothing fetched; the curves are inline SVG.

use crate::distil::{Distilled, Options, Stage};
use bantam_tools::report::document;
use maud::{Markup, html};
use std::fmt::Write;

/// Width and height of a curve, in its own units.
const PLOT: [f64; 2] = [560.0, 180.0];
/// Room for numbers beside and below a curve.
const MARGIN: [f64; 2] = [56.0, 24.0];

/// The page.
#[must_use]
pub fn page(options: &Options, made: &Distilled) -> String {
    let title = format!("{}: what training did", options.folder.name);
    let command: Vec<String> = std::env::args().skip(1).collect();
    let body = html! {
        p.soft {
            "Trained on " (made.rows[0]) " rows, the best epoch told by " (made.rows[1]) " others, scored on " (made.rows[2]) "."
        }
        (standings(made))
        @for stage in &made.stages { (curve(stage)) }
        (groups(made))
        h2 { "Where it comes from" }
        p { code { "bantam-train " (command.join(" ")) } }
        p.soft { "Seed " (options.schedule.seed) ", bantam " (env!("CARGO_PKG_VERSION")) "." }
    };
    document(&title, &body)
}

fn percent(share: Option<f64>) -> String {
    share.map_or_else(String::new, |share| format!("{:.2} %", share * 100.0))
}

fn standings(made: &Distilled) -> Markup {
    html! {
        h2 { "Teacher and student" }
        div.scroll {
            table {
                tr { th { "" } th { "right" } th { "as the teacher" } th { "multiply-accumulates" } th { "bytes" } }
                @for standing in &made.standings {
                    tr {
                        td { (standing.name) }
                        td { (percent(standing.accuracy)) }
                        td { (percent(standing.agreement)) }
                        td { (standing.macs) }
                        td { @if let Some(bytes) = standing.bytes { (bytes) } }
                    }
                }
            }
        }
    }
}

fn groups(made: &Distilled) -> Markup {
    html! {
        @if !made.groups.is_empty() {
            h2 { "Channels" }
            p.soft { "How much the logits change, as a share of their power, were half of one group taken away and nothing else." }
            div.scroll {
                table {
                    tr { th { "made by" } th { "before" } th { "after" } th { "change without half" } }
                    @for group in &made.groups {
                        tr {
                            td { (group.layers.join(", ")) }
                            td { (group.before) }
                            td { (group.after) }
                            td { (percent(Some(group.sensitivity))) }
                        }
                    }
                }
            }
        }
    }
}

/// Loss against epochs: of the rows trained on and of those held out.
fn curve(stage: &Stage) -> Markup {
    let highest = stage.epochs.iter().flat_map(|epoch| [epoch.loss, epoch.held_out]).fold(1e-9, f64::max);
    let line = |of: fn(&crate::training::Epoch) -> f64| {
        let mut points = String::new();
        for (index, epoch) in stage.epochs.iter().enumerate() {
            let x = MARGIN[0] + PLOT[0] * index as f64 / (stage.epochs.len().max(2) - 1) as f64;
            let y = PLOT[1] * (1.0 - of(epoch) / highest) + 8.0;
            // Writing to a string does not fail.
            let _ = write!(points, "{x:.1},{y:.1} ");
        }
        points
    };
    let (width, height) = (PLOT[0] + MARGIN[0] + 8.0, PLOT[1] + MARGIN[1] + 8.0);
    let last = stage.epochs.last().map_or(0, |epoch| epoch.epoch);
    let accuracy = stage.best.checked_sub(1).and_then(|best| stage.epochs.get(best)).and_then(|best| best.accuracy);
    // Elements of SVG are not void: each has its end.
    html! {
        h2 { "Training: " (stage.name) }
        p.soft {
            "Mean loss of a row while training (solid) and of the rows held out (dashed). The best of " (stage.epochs.len())
            " epochs is " (stage.best)
            @if accuracy.is_some() { ", with " (percent(accuracy)) " of the rows held out right" }
            "."
        }
        figure {
            svg viewBox=(format!("0 0 {width} {height}")) role="img" aria-label={ "Loss of " (stage.name) } {
                path d=(format!("M{0} 8V{1}H{2}", MARGIN[0], PLOT[1] + 8.0, MARGIN[0] + PLOT[0])) fill="none" stroke="currentColor" stroke-opacity="0.4" {}
                polyline points=(line(|epoch| epoch.loss)) fill="none" stroke="currentColor" stroke-width="1.5" {}
                polyline points=(line(|epoch| epoch.held_out)) fill="none" stroke="currentColor" stroke-width="1.5" stroke-dasharray="5 4" {}
                text x=(MARGIN[0] - 6.0) y="16" text-anchor="end" font-size="12" fill="currentColor" { (format!("{highest:.3}")) }
                text x=(MARGIN[0] - 6.0) y=(PLOT[1] + 8.0) text-anchor="end" font-size="12" fill="currentColor" { "0" }
                text x=(MARGIN[0] + PLOT[0]) y=(PLOT[1] + 24.0) text-anchor="end" font-size="12" fill="currentColor" { "epoch " (last) }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Epoch;

    #[test]
    fn elements_of_the_curve_stand_side_by_side() {
        let epochs = [2.0, 1.0].map(|loss| Epoch { epoch: 1, loss, held_out: loss, accuracy: Some(0.5) }).to_vec();
        let page = curve(&Stage { name: "student".into(), best: 2, epochs }).into_string();
        for (name, count) in [("path", 1), ("polyline", 2), ("text", 3)] {
            let (starts, ends) = (format!("<{name} "), format!("</{name}>"));
            assert_eq!([page.matches(&starts).count(), page.matches(&ends).count()], [count; 2], "{name}: {page}");
        }
    }
}
