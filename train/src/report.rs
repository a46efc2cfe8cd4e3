//! The page of a run: what was made, how training went, what became of the channels. No script, nothing fetched; the curves are inline SVG.

use crate::distil::{Distilled, Options, Stage};
use crate::training::Epoch;
use bantam_tools::report::document;
use bantam_tools::report::plot::{Scale, WIDTH, axes, n, number, svg, whole};
use maud::{Markup, html};

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
        pre { "bantam-train " (command.join(" ")) }
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
    let epochs = &stage.epochs;
    let highest = epochs.iter().flat_map(|epoch| [epoch.loss, epoch.held_out]).fold(1e-9, f64::max);
    let x = Scale::new(1.0, epochs.len() as f64, 46.0, WIDTH - 10.0);
    let y = Scale::new(0.0, highest * 1.05, 180.0, 18.0);
    let place = |index: usize, loss: f64| (n(x.at(index as f64 + 1.0)), n(y.at(loss)));
    let points = |of: fn(&Epoch) -> f64| -> String {
        let places = epochs.iter().enumerate().map(|(index, epoch)| place(index, of(epoch)));
        places.map(|(x, y)| format!("{x},{y}")).collect::<Vec<_>>().join(" ")
    };
    let best = stage.best.checked_sub(1).and_then(|index| Some((index, epochs.get(index)?)));
    let content = html! {
        (axes(&x, &y, ["epoch", "loss"], |axis, tick| if axis == 1 { number(tick) } else { whole(tick) }))
        polyline.front points=(points(|epoch| epoch.loss)) {}
        polyline.dash points=(points(|epoch| epoch.held_out)) {}
        @if let Some((index, epoch)) = best {
            @let (x, y) = place(index, epoch.held_out);
            circle.chosen cx=(x) cy=(y) r="4" { title { "epoch " (stage.best) ": " (number(epoch.held_out)) } }
        }
    };
    let title = html! {
        "Mean loss of a row while training (line) and of the rows held out (dashed). The best of " (epochs.len()) " epochs is "
        (stage.best)
        @if let Some(share) = best.and_then(|(_, epoch)| epoch.accuracy) { ", with " (percent(Some(share))) " of the rows held out right" }
        "."
    };
    html! {
        h2 { "Training: " (stage.name) }
        div.plots { figure { figcaption { (title) } (svg(214.0, &format!("loss of {}", stage.name), &content)) } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_of_the_curve_stand_side_by_side() {
        let epochs = [2.0, 1.0].map(|loss| Epoch { epoch: 1, loss, held_out: loss, accuracy: Some(0.5) }).to_vec();
        let page = curve(&Stage { name: "student".into(), best: 2, epochs }).into_string();
        for (name, count) in [("svg", 1), ("polyline", 2), ("circle", 1)] {
            let (starts, ends) = (format!("<{name} "), format!("</{name}>"));
            assert_eq!([page.matches(&starts).count(), page.matches(&ends).count()], [count; 2], "{name}: {page}");
        }
        assert!(page.contains("The best of 2 epochs is 2, with 50.00 % of the rows held out right."), "{page}");
    }
}
