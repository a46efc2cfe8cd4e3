//! The plots that are made for one part of the report.

use super::plot::{Bar, Scale, WIDTH, axes, bars, figure, line, n, rect, shortened, svg, text, whole};
use crate::confidence::Reliability;
use crate::search::front;
use crate::shrink::{Details, Group, Shrunk};
use maud::{Markup, html};

/// Units that a letter and a line of text take.
const LETTER: f64 = 6.0;
const LINE: f64 = 11.0;

/// Every choice tried as a point, the front as a line, the float model and the baselines beside them.
pub fn accuracy_against_bytes(shrunk: &Shrunk) -> Markup {
    let judged = shrunk.tried.iter().filter(|point| point.quality.score.is_finite());
    let points: Vec<_> = judged.cloned().collect();
    if points.is_empty() {
        return html! { p { "Without evaluation data there is no accuracy to show." } };
    }
    let float = shrunk.score.as_ref().and_then(|score| score.float_top1.or(score.float_mae));
    let baseline = shrunk.baselines.as_ref().and_then(|baselines| baselines.linear);
    let scores = || points.iter().map(|point| point.quality.score).chain(float);
    let (low, high) = scores().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(x), high.max(x)));
    let room = ((high - low) * 0.15).max(0.005);
    let most = points.iter().map(|point| point.file_bytes).max().unwrap_or(1);
    let least = points.iter().map(|point| point.file_bytes).min().unwrap_or(0);
    let x = Scale::new(least as f64 * 0.92, most as f64 * 1.05, 46.0, WIDTH - 10.0);
    let y = Scale::new(low - room, high + room, 180.0, 18.0);
    let line_points: Vec<String> = front(&points)
        .iter()
        .map(|point| format!("{},{}", n(x.at(point.file_bytes as f64)), n(y.at(point.quality.score))))
        .collect();
    let errors = shrunk.score.as_ref().is_some_and(|score| score.mae.is_some());
    let shown = |axis: usize, tick: f64| match axis {
        1 if errors => super::plot::number(tick),
        1 => format!("{:.1} %", tick * 100.0),
        _ => format!("{tick}"),
    };
    let content = html! {
        (axes(&x, &y, ["bytes of the file", if errors { "error" } else { "accuracy" }], shown))
        @if let Some(float) = float {
            (line("dash", [x.at(least as f64 * 0.92), y.at(float), WIDTH - 10.0, y.at(float)]))
            (text(WIDTH - 12.0, y.at(float) - 3.0, "end", "float model"))
        }
        @if let Some(baseline) = baseline.filter(|&share| share > low - room && share < high + room) {
            (line("dash", [46.0, y.at(baseline), WIDTH - 10.0, y.at(baseline)]))
            (text(WIDTH - 12.0, y.at(baseline) - 3.0, "end", "a line"))
        }
        polyline.front points=(line_points.join(" ")) {}
        @for point in &points {
            @let chosen = *point == shrunk.point;
            circle class=(if chosen { "chosen" } else { "dot" }) cx=(n(x.at(point.file_bytes as f64))) cy=(n(y.at(point.quality.score))) r=(if chosen { "5" } else { "3" }) {
                title { (point.file_bytes) " bytes, " (shown(1, point.quality.score)) ", " (point.four_bit_layers.len()) " layers of 4 bits"
                    @if !point.sixteen_bit_layers.is_empty() { ", " (point.sixteen_bit_layers.len()) " operators of 16" }
                }
            }
        }
    };
    html! {
        (figure("plot-accuracy-bytes", "Each point is a choice of widths that was tried; the large one was taken, the line joins those that nothing beats", &svg(214.0, "accuracy against bytes", &content)))
    }
}

/// A grid of counts; what is right lies on the diagonal.
pub fn confusion(label: &str, table: &[Vec<usize>], labels: &[String]) -> Markup {
    let classes = table.len().max(1);
    let (left, top) = (44.0, 16.0);
    let size = ((WIDTH - left - 4.0) / classes as f64).min(36.0);
    let name = |class: usize| shortened(&labels.get(class).cloned().unwrap_or_else(|| class.to_string()), 7);
    let named = size >= 9.0;
    let content = html! {
        @for (right, row) in table.iter().enumerate() {
            @let most = row.iter().sum::<usize>().max(1) as f64;
            @let y = top + size * right as f64;
            @if named { (text(left - 4.0, y + size / 2.0 + 3.5, "end", &name(right))) }
            @for (chosen, &count) in row.iter().enumerate() {
                @let x = left + size * chosen as f64;
                @if count > 0 {
                    rect class=(if right == chosen { "cell" } else { "wrong" }) x=(n(x)) y=(n(y)) width=(n(size - 1.0)) height=(n(size - 1.0))
                        opacity=(format!("{:.2}", 0.15 + 0.85 * (count as f64 / most).sqrt())) {
                        title { (name(right)) " taken for " (name(chosen)) ": " (count) }
                    }
                    @if size >= 22.0 {
                        // Light on what is dark.
                        @let class = if count as f64 > most * 0.3 { "light" } else { "" };
                        text class=(class) x=(n(x + size / 2.0 - 0.5)) y=(n(y + size / 2.0 + 3.0)) text-anchor="middle" { (count) }
                    }
                }
            }
            @if named && size >= 22.0 { (text(left + size * (right as f64 + 0.5), top - 5.0, "middle", &shortened(&name(right), 5))) }
        }
    };
    svg(top + size * classes as f64 + 4.0, label, &content)
}

/// Accuracy of groups of rows.
pub fn groups(label: &str, groups: &[Group]) -> Markup {
    let list: Vec<Bar> = groups
        .iter()
        .map(|group| Bar {
            name: group.name.clone(),
            value: group.top1,
            shown: format!("{:.1} %", group.top1 * 100.0),
            mark: Some(group.float_top1),
            range: Some([group.interval.low, group.interval.high]),
        })
        .collect();
    bars(label, 0.0, &list)
}

/// Accuracy by confidence, beside the diagonal on which they are equal.
pub fn reliability(label: &str, reliability: &Reliability) -> Markup {
    let x = Scale::new(0.0, 1.0, 46.0, WIDTH - 20.0);
    let y = Scale::new(0.0, 1.0, 200.0, 18.0);
    let content = html! {
        (axes(&x, &y, ["confidence", "accuracy"], |_, tick| format!("{:.0} %", tick * 100.0)))
        (line("dash", [x.at(0.0), y.at(0.0), x.at(1.0), y.at(1.0)]))
        @for bin in &reliability.bins {
            (line("mark", [x.at(bin.confidence), y.at(bin.confidence), x.at(bin.confidence), y.at(bin.accuracy)]))
            circle.dot cx=(n(x.at(bin.confidence))) cy=(n(y.at(bin.accuracy))) r="3.5" {
                title { (bin.rows) " rows: " (format!("{:.1} % sure, {:.1} % right", bin.confidence * 100.0, bin.accuracy * 100.0)) }
            }
        }
    };
    svg(234.0, label, &content)
}

/// Tensors of the arena: addresses upwards, ops to the right.
pub fn memory(details: &Details, arena: usize) -> Markup {
    let ops = details.occupancy.len().max(1);
    let x = Scale::new(0.0, ops as f64, 46.0, WIDTH - 10.0);
    let y = Scale::new(0.0, arena.max(1) as f64, 180.0, 18.0);
    let names = names_in_blocks(details, &x, &y);
    let content = html! {
        (axes(&x, &y, ["op", "bytes"], |_, tick| whole(tick)))
        @for block in &details.memory {
            @let (left, right) = (x.at(block.ops[0] as f64), x.at(block.ops[1] as f64 + 1.0));
            @let (bottom, top) = (y.at(block.offset as f64), y.at((block.offset + block.bytes) as f64));
            (rect("block", [left, top, right - left, bottom - top], &format!("{}: {} bytes at {}, ops {} to {}", block.name, block.bytes, block.offset, block.ops[0], block.ops[1])))
        }
        @for (at, name) in &names { (text(at[0], at[1], "middle", name)) }
    };
    svg(214.0, "memory timeline", &content)
}

/// Names of tensors that have room in their blocks and beside the others, larger ones first, and where they stand.
fn names_in_blocks(details: &Details, x: &Scale, y: &Scale) -> Vec<([f64; 2], String)> {
    let mut blocks: Vec<_> = details.memory.iter().collect();
    blocks.sort_by_key(|block| std::cmp::Reverse(block.bytes));
    let mut names: Vec<([f64; 2], String)> = Vec::new();
    for block in blocks {
        let (left, right) = (x.at(block.ops[0] as f64), x.at(block.ops[1] as f64 + 1.0));
        let (bottom, top) = (y.at(block.offset as f64), y.at((block.offset + block.bytes) as f64));
        let characters = ((right - left) / LETTER) as usize;
        if characters < 5 || bottom - top < LINE {
            continue;
        }
        let name = shortened(&block.name, characters);
        let at = [f64::midpoint(left, right), f64::midpoint(top, bottom) + 3.5];
        let width = |name: &str| LETTER * name.chars().count() as f64;
        let apart = |(other, known): &([f64; 2], String)| {
            (at[0] - other[0]).abs() > (width(&name) + width(known)) / 2.0 || (at[1] - other[1]).abs() > LINE
        };
        if names.iter().all(apart) {
            names.push((at, name));
        }
    }
    names
}
