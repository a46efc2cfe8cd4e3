//! A budget that nothing meets: what is missing, what there is, and what would have to give.

use super::{Goal, Point, front};
use crate::fit::Peak;
use std::fmt;

/// Why no choice meets the goal.
#[derive(Clone, Debug, PartialEq)]
pub struct Unmet {
    goal: Goal,
    points: Vec<Point>,
    peak: Option<Peak>,
}

impl Unmet {
    pub(super) const fn new(goal: Goal, points: Vec<Point>, peak: Option<Peak>) -> Self {
        Self { goal, points, peak }
    }

    /// The choices that nothing beats, smallest first.
    #[must_use]
    pub fn front(&self) -> Vec<&Point> {
        front(&self.points)
    }

    /// The smallest loss among those that fit the file, and the smallest file among those that lose little enough.
    fn advice(&self) -> Vec<String> {
        let mut advice = Vec::new();
        let smallest = self.points.iter().min_by_key(|point| point.file_bytes);
        if let (Some(flash), Some(smallest)) = (self.goal.limits.flash, smallest)
            && smallest.file_bytes > flash
        {
            advice.push(format!(
                "--flash {}: the smallest file found; --strip leaves out names, labels and the card",
                smallest.file_bytes
            ));
        }
        if let Some(most) = self.goal.max_drop {
            let fits = |point: &&Point| self.goal.is_within_memory(point);
            let fitting = self.points.iter().filter(fits).min_by(|a, b| a.quality.drop.total_cmp(&b.quality.drop));
            if let Some(point) = fitting.filter(|point| point.quality.drop > most) {
                advice.push(format!(
                    "--max-drop {}: what the best of the files that fit loses",
                    percent(point.quality.drop)
                ));
            }
            let held = || self.points.iter().filter(|point| point.quality.drop <= most);
            let file = held().map(|point| point.file_bytes).min();
            if let Some(bytes) = file.filter(|&bytes| self.goal.limits.flash.is_some_and(|flash| bytes > flash)) {
                advice.push(format!("--flash {bytes}: the smallest file within the drop allowed"));
            }
            let arena = held().map(|point| point.arena_bytes).min();
            let narrow =
                self.points.iter().any(|point| self.goal.limits.ram.is_some_and(|ram| point.arena_bytes <= ram));
            if let Some(bytes) = arena.filter(|&bytes| narrow && self.goal.limits.ram.is_some_and(|ram| bytes > ram)) {
                advice.push(format!("--ram {bytes}: the smallest arena within the drop allowed"));
            }
        }
        let least = |of: fn(&Point) -> u64| self.points.iter().map(of).min().unwrap_or(0);
        if let Some(ram) = self.goal.limits.ram.filter(|&ram| least(|point| point.arena_bytes as u64) > ram as u64) {
            let needed = least(|point| point.arena_bytes as u64);
            advice.push(format!(
                "--ram {needed}: activations are 8 bits wide whatever the weights are; {} bytes less ask for a smaller input or fewer channels \
                 where the arena is fullest",
                needed - ram as u64
            ));
        }
        if self.goal.macs.is_some_and(|macs| least(|point| point.macs) > macs) {
            advice.push(format!(
                "--macs {}: the width of weights changes no multiplication; fewer ask for another network",
                least(|point| point.macs)
            ));
        }
        advice
    }
}

/// What a choice is, in words.
fn widths(point: &Point) -> String {
    let counted = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {one}s")),
    };
    let narrow = counted(point.four_bit_layers.len(), "layer").map(|layers| format!("4-bit weights in {layers}"));
    let wide = counted(point.sixteen_bit_layers.len(), "operator");
    let wide = wide.map(|operators| format!("16-bit activations in {operators}"));
    let chosen: Vec<String> = narrow.into_iter().chain(wide).collect();
    match point.logit_error {
        _ if !chosen.is_empty() => chosen.join(", "),
        Some(_) => "all weights of 8 bits".into(),
        None if point.float_weight_bits == Some(16) => "float weights of 16 bits".into(),
        None => "weights as they are".into(),
    }
}

/// A share rounded up, so that what is advised suffices.
fn percent(share: f64) -> String {
    format!("{:.2}%", (share * 1e4).ceil() / 100.0)
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the model does not fit, and nothing was written")?;
        let Some(best) = self.points.iter().min_by_key(|point| point.file_bytes) else { return Ok(()) };
        if let Some(ram) = self.goal.limits.ram.filter(|&ram| best.arena_bytes > ram) {
            let missing = best.arena_bytes - ram;
            write!(f, "\n  ram: the arena needs {} bytes, {missing} more than the {ram} allowed", best.arena_bytes)?;
            if let Some(peak) = &self.peak {
                write!(f, "\n  {peak}")?;
            }
        }
        if let Some(macs) = self.goal.macs.filter(|&macs| best.macs > macs) {
            write!(
                f,
                "\n  macs: a run multiplies {} times, {} more than the {macs} allowed",
                best.macs,
                best.macs - macs
            )?;
        }
        if let Some(flash) = self.goal.limits.flash.filter(|&flash| best.file_bytes > flash) {
            let missing = best.file_bytes - flash;
            let how = if best.four_bit_layers.is_empty() { "" } else { " with 4-bit weights wherever they save any" };
            write!(
                f,
                "\n  flash: the file has {} bytes{how}, {missing} more than the {flash} allowed",
                best.file_bytes
            )?;
        } else if let Some(most) = self.goal.max_drop {
            let fits = |point: &&Point| self.goal.is_within_memory(point);
            let least = self.points.iter().filter(fits).map(|point| point.quality.drop).fold(f64::INFINITY, f64::min);
            if least > most && least.is_finite() {
                write!(f, "\n  max-drop: what fits loses {} at least, {} is allowed", percent(least), percent(most))?;
            }
        }
        write!(f, "\n  the best found, smaller ones first:")?;
        for point in self.front() {
            write!(f, "\n    {} bytes, ", point.file_bytes)?;
            if point.quality.score.is_finite() {
                write!(f, "drop {:.2} %, ", point.quality.drop * 100.0)?;
            } else if let Some(error) = point.logit_error {
                write!(f, "logits off by {:.2} % of their size, ", error.sqrt() * 100.0)?;
            }
            f.write_str(&widths(point))?;
        }
        let advice = self.advice();
        if !advice.is_empty() {
            write!(f, "\n  what would have to give:")?;
        }
        for line in advice {
            write!(f, "\n    {line}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Quality;
    use super::*;
    use crate::fit::Limits;

    fn point(file_bytes: usize, drop: f64, layers: usize) -> Point {
        let quality = Quality { score: 1.0 - drop, drop };
        let four_bit_layers = (0..layers).map(|layer| layer.to_string()).collect();
        Point {
            four_bit_layers,
            refined: false,
            sixteen_bit_layers: vec![],
            float_weight_bits: None,
            file_bytes,
            arena_bytes: 2048,
            macs: 1000,
            logit_error: None,
            quality,
        }
    }

    fn text(goal: Goal) -> String {
        Unmet::new(goal, vec![point(9000, 0.001, 0), point(6000, 0.012, 2), point(5000, 0.1, 3)], None).to_string()
    }

    #[test]
    fn each_limit_says_what_is_missing_and_what_would_do() {
        let limits = Limits { flash: Some(4096), ..Limits::default() };
        let flash = text(Goal { limits, ..Goal::default() });
        assert!(flash.contains("904 more than the 4096 allowed") && flash.contains("--flash 5000"), "{flash}");
        let limits = Limits { flash: Some(6500), ..Limits::default() };
        let both = text(Goal { limits, max_drop: Some(0.005), ..Goal::default() });
        for part in
            ["loses 1.20% at least, 0.50% is allowed", "--max-drop 1.20%", "--flash 9000", "4-bit weights in 2 layers"]
        {
            assert!(both.contains(part), "{part}: {both}");
        }
        let limits = Limits { ram: Some(1024), ..Limits::default() };
        let fixed = text(Goal { limits, macs: Some(10), ..Goal::default() });
        for part in ["1024 more than the 1024 allowed", "--ram 2048", "990 more than the 10 allowed", "--macs 1000"] {
            assert!(fixed.contains(part), "{part}: {fixed}");
        }
    }
}
