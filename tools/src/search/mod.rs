//! Which layers keep 8-bit weights and which take 4, and which activations need 16 bits: the search under a budget.
//!
//! [`sensitivity`] tells what each layer costs alone. Layers are taken to 4 bits in the order of loss per byte saved, those that are
//! narrow by nature ([`Tier`]) last; every choice is quantised anew as a whole, written and scored, so that what is
//! chosen is what was measured. Then single layers go back where the budget leaves room, or change places where it is missed. Where what
//! fits loses too much, activations take 16 bits in the order of what that gains per element ([`gains`]). Layers that read such keep 8-bit
//! weights, others may have 4. Nothing is drawn at random: the same input gives the same choice.

mod front;
mod gains;
mod sensitivity;
mod unmet;

pub use front::front;
pub use sensitivity::{Sensitivity, Tier};
pub use unmet::Unmet;

use crate::fit::Limits;
use crate::graph::{NodeId, ValueId};
use crate::lower::Program;
use crate::quantize::WeightBits;
use crate::quantize::layers::Layer;
use crate::shrink::{Quantizer, ShrinkError, Widths};
use crate::subject::ArtifactFile;
use bantam::Model;
use bantam_format::Op;
use bantam_format::ops::WeightType;
use gains::Gain;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Choices tried one layer at a time; with more layers, several are taken at once.
const MOST_STEPS: usize = 24;
/// Choices that a picture of the front needs.
const SHOWN_POINTS: usize = 8;
/// Pairs of layers that may change places.
const MOST_SWAPS: usize = 8;

/// What is asked of the result.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Goal {
    /// Memory of the target.
    pub limits: Limits,
    /// Most multiply-accumulates of a run.
    pub macs: Option<u64>,
    /// Largest loss of accuracy, as a share of 1.
    pub max_drop: Option<f64>,
}

/// How good a choice is.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Accuracy, agreement with the float model where there are no labels, or mean absolute error.
    pub score: f64,
    /// What is lost: accuracy, agreement, or the growth of the error in parts of the float model's.
    pub drop: f64,
}

impl Quality {
    /// Of what nothing is measured.
    pub const UNKNOWN: Self = Self { score: f64::NAN, drop: 0.0 };
}

/// A choice that was tried.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Point {
    /// Names of the layers with 4-bit weights.
    pub four_bit_layers: Vec<String>,
    /// Whether these were rounded anew by what the layers give (the objective of AdaRound).
    pub refined: bool,
    /// Names of the operators with 16-bit activations.
    pub sixteen_bit_layers: Vec<String>,
    /// Bits of the weights of layers that are computed in floats: 16 where all have so few, else 32; none without such layers.
    pub float_weight_bits: Option<usize>,
    /// Size of the artifact.
    pub file_bytes: usize,
    /// Memory of a run.
    pub arena_bytes: usize,
    /// Multiply-accumulates of a run.
    pub macs: u64,
    /// Mean squared change of the logits in parts of their power; none for programs that are not quantised here.
    pub logit_error: Option<f64>,
    /// Measured on the evaluation data, or as agreement on the calibration data where there is none.
    pub quality: Quality,
}

/// Makes and judges artifacts.
pub struct Judge<'a> {
    /// Plans and writes a program, with all that belongs into the file.
    pub assemble: &'a dyn Fn(Program) -> Result<ArtifactFile, ShrinkError>,
    /// Scores it.
    pub quality: &'a dyn Fn(&ArtifactFile) -> Result<Quality, ShrinkError>,
    /// Is told what is being done.
    pub step: &'a dyn Fn(&str),
}

/// What the search found.
#[derive(Debug)]
pub struct Found<'a> {
    /// The artifact.
    pub artifact: ArtifactFile,
    /// The network with 16-bit activations, where it is made of that.
    pub widened: Option<Quantizer<'a>>,
    /// Its layers with weights.
    pub layers: BTreeMap<ValueId, Layer>,
    /// The choice it is.
    pub chosen: Point,
    /// Every choice tried, in order.
    pub tried: Vec<Point>,
    /// What each layer costs alone.
    pub sensitivities: Vec<Sensitivity>,
}

/// Writes and scores a program that leaves nothing to choose but how its float weights are stored: `narrow`, where there is one, is the
/// same with weights of 16 bits. It is taken where the file has to be smaller, or where only a largest drop is given and it
/// keeps that.
///
/// # Errors
/// [`ShrinkError::Unmet`] where neither meets the goal; what writing and scoring may refuse.
pub fn fixed(
    program: Program,
    narrow: Option<Program>,
    goal: Goal,
    judge: &Judge<'_>,
    explore: bool,
) -> Result<Found<'static>, ShrinkError> {
    let attempt = |program: Program| -> Result<(ArtifactFile, Point), ShrinkError> {
        let artifact = (judge.assemble)(program)?;
        let point = Point::of(&artifact, None, (judge.quality)(&artifact)?);
        Ok((artifact, point))
    };
    let mut made = vec![attempt(program)?];
    let smallest = goal.max_drop.is_some() && goal.limits.flash.is_none();
    if let Some(narrow) = narrow.filter(|_| explore || smallest || !goal.is_met_by(&made[0].1)) {
        made.push(attempt(narrow)?);
    }
    let tried: Vec<Point> = made.iter().map(|(_, point)| point.clone()).collect();
    let mut met = (0..tried.len()).filter(|&index| goal.is_met_by(&tried[index]));
    let chosen = if smallest { met.min_by_key(|&index| tried[index].file_bytes) } else { met.next() };
    let Some(chosen) = chosen else {
        let peak = made.last().map(|(artifact, _)| crate::fit::peak(&artifact.model()));
        return Err(ShrinkError::Unmet(Box::new(Unmet::new(goal, tried, peak))));
    };
    let (artifact, point) = made.swap_remove(chosen);
    Ok(Found { artifact, widened: None, layers: BTreeMap::new(), chosen: point, tried, sensitivities: vec![] })
}

impl Point {
    /// Of an artifact whose weights have 8 bits or floats, and its activations too.
    fn of(artifact: &ArtifactFile, logit_error: Option<f64>, quality: Quality) -> Self {
        let (model, file_bytes) = (artifact.model(), artifact.bytes().len());
        let (arena_bytes, macs) = (model.arena_bytes(), model.artifact().macs());
        let float_weight_bits = float_weight_bits(&model);
        Self {
            four_bit_layers: vec![],
            refined: false,
            sixteen_bit_layers: vec![],
            float_weight_bits,
            file_bytes,
            arena_bytes,
            macs,
            logit_error,
            quality,
        }
    }
}

/// Bits of the weights of float ops, those of the widest.
fn float_weight_bits(model: &Model<'_>) -> Option<usize> {
    let bits = |op: Op<'_>| match op.accumulation()?.weight_type() {
        WeightType::F32 => Some(32),
        WeightType::F16 => Some(16),
        _ => None,
    };
    model.artifact().ops().filter_map(bits).max()
}

impl Point {
    /// What is lost: measured on data, or else the error of the logits.
    #[must_use]
    pub fn loss(&self) -> f64 {
        if self.quality.score.is_finite() { self.quality.drop } else { self.logit_error.unwrap_or(0.0) }
    }
}

impl Goal {
    /// Whether the width of weights is not what stands in the way.
    fn is_within_fixed_limits(&self, point: &Point) -> bool {
        self.limits.ram.is_none_or(|ram| point.arena_bytes <= ram) && self.macs.is_none_or(|macs| point.macs <= macs)
    }

    fn fits(&self, point: &Point) -> bool {
        self.limits.flash.is_none_or(|flash| point.file_bytes <= flash)
    }

    /// Whether a choice loses no more than allowed.
    fn holds(&self, point: &Point) -> bool {
        self.max_drop.is_none_or(|most| point.quality.drop <= most + 1e-12)
    }

    /// Whether all but the largest drop is kept.
    pub(crate) fn is_within_memory(&self, point: &Point) -> bool {
        self.is_within_fixed_limits(point) && self.fits(point)
    }

    fn is_met_by(&self, point: &Point) -> bool {
        self.is_within_memory(point) && self.holds(point)
    }
}

/// The widths of weights and activations.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Choice {
    /// Layers with 4-bit weights.
    four: BTreeSet<ValueId>,
    /// Whether these are rounded anew by what the layers give.
    refined: bool,
    /// Operators with 16-bit activations.
    wide: BTreeSet<NodeId>,
}

/// What a choice is made of.
struct Made<'a> {
    artifact: ArtifactFile,
    layers: BTreeMap<ValueId, Layer>,
    /// The network with 16-bit activations.
    widened: Option<Quantizer<'a>>,
}

struct Search<'s, 'a> {
    quantizer: &'s Quantizer<'a>,
    judge: &'s Judge<'s>,
    goal: Goal,
    sensitivities: Vec<Sensitivity>,
    /// The first has 8 bits throughout.
    tried: Vec<(Choice, Point)>,
    /// The choices tried, made.
    made: Vec<Made<'a>>,
}

/// Finds the most accurate artifact that fits, or, where only a largest drop is given, the smallest one within it. With neither, all
/// layers keep 8 bits. Where what fits loses more than the largest drop, activations get 16. `explore` also tries what a picture of the
/// front needs.
///
/// # Errors
/// [`ShrinkError::Unmet`] where nothing meets the goal; what quantising, writing and scoring may refuse.
pub fn search<'a>(
    quantizer: &Quantizer<'a>,
    goal: Goal,
    judge: &Judge<'_>,
    explore: bool,
) -> Result<Found<'a>, ShrinkError> {
    let mut search = Search { quantizer, judge, goal, sensitivities: vec![], tried: vec![], made: vec![] };
    (judge.step)("quantising");
    let first = search.attempt(&Choice::default())?;
    let needs_narrow = goal.limits.flash.is_some_and(|flash| search.tried[first].1.file_bytes > flash);
    let narrows = explore || needs_narrow || goal.max_drop.is_some();
    if narrows {
        (judge.step)("measuring layers");
        let int8 = &search.made[first].layers;
        search.sensitivities = sensitivity::measure(quantizer, int8, search.tried[first].1.logit_error.unwrap_or(0.0))?;
    }
    let chosen = search.choose(first)?;
    let chosen = search.refine(chosen)?;
    if explore {
        search.explore()?;
    }
    let Search { sensitivities, tried, mut made, .. } = search;
    let Made { artifact, layers, widened } = made.swap_remove(chosen);
    let tried: Vec<Point> = tried.into_iter().map(|(_, point)| point).collect();
    Ok(Found { artifact, widened, layers, chosen: tried[chosen].clone(), tried, sensitivities })
}

impl Search<'_, '_> {
    /// The index of the choice that meets the goal best.
    fn choose(&mut self, first: usize) -> Result<usize, ShrinkError> {
        if !self.goal.is_within_fixed_limits(&self.tried[first].1) {
            // How small the file could be is told as well.
            self.fitted(Choice::default())?;
            return Err(self.unmet());
        }
        match self.goal.limits.flash {
            Some(_) if !self.fits(first) => self.fit(first),
            None if self.goal.max_drop.is_some() => self.smallest(first),
            _ if self.holds(first) => Ok(first),
            _ => self.widen(first),
        }
    }

    fn unmet(&self) -> ShrinkError {
        let points = self.tried.iter().map(|(_, point)| point.clone()).collect();
        let peak = self.made.first().map(|made| crate::fit::peak(&made.artifact.model()));
        ShrinkError::Unmet(Box::new(Unmet::new(self.goal, points, peak)))
    }

    fn fits(&self, index: usize) -> bool {
        self.goal.fits(&self.tried[index].1)
    }

    fn holds(&self, index: usize) -> bool {
        self.goal.holds(&self.tried[index].1)
    }

    fn is_met_by(&self, index: usize) -> bool {
        self.goal.is_met_by(&self.tried[index].1)
    }

    /// Quantises, writes and scores a choice, once.
    fn attempt(&mut self, choice: &Choice) -> Result<usize, ShrinkError> {
        if let Some(index) = self.tried.iter().position(|(known, _)| known == choice) {
            return Ok(index);
        }
        if !self.tried.is_empty() {
            (self.judge.step)(&format!("searching: {} choices tried", self.tried.len()));
        }
        let widened = if choice.wide.is_empty() { None } else { Some(self.quantizer.widened(&choice.wide)?) };
        let quantizer = widened.as_ref().unwrap_or(self.quantizer);
        let widths: Widths = choice.four.iter().map(|&value| (value, WeightBits::Four)).collect();
        let layers = if choice.refined { quantizer.refined_layers(&widths)? } else { quantizer.layers(&widths)? };
        let program = quantizer.program(&layers)?;
        let logit_error = quantizer.error(&program);
        let artifact = (self.judge.assemble)(program)?;
        let quality = (self.judge.quality)(&artifact)?;
        let graph = &self.quantizer.graph;
        let point = Point {
            four_bit_layers: choice.four.iter().map(|&value| graph.value(value).name.clone()).collect(),
            refined: choice.refined,
            sixteen_bit_layers: choice.wide.iter().filter_map(|&id| Some(graph.node(id)?.name.clone())).collect(),
            ..Point::of(&artifact, Some(logit_error), quality)
        };
        self.tried.push((choice.clone(), point));
        self.made.push(Made { artifact, layers, widened });
        Ok(self.tried.len() - 1)
    }

    /// The choice with its narrow weights rounded anew, where it keeps the goal and its logits come nearer to the float network's.
    fn refine(&mut self, index: usize) -> Result<usize, ShrinkError> {
        let choice = &self.tried[index].0;
        if choice.four.is_empty() || choice.refined {
            return Ok(index);
        }
        (self.judge.step)("rounding 4-bit weights anew");
        let other = self.attempt(&Choice { refined: true, ..choice.clone() })?;
        let [old, new] = [index, other].map(|index| &self.tried[index].1);
        Ok(if new.logit_error < old.logit_error && self.goal.is_met_by(new) { other } else { index })
    }

    /// 16-bit activations where they gain most, until little enough is lost; then none that are not needed beside the others, and 8-bit
    /// weights where there is room.
    fn widen(&mut self, from: usize) -> Result<usize, ShrinkError> {
        if !self.quantizer.options.may_widen || !self.goal.is_within_memory(&self.tried[from].1) {
            return Err(self.unmet());
        }
        (self.judge.step)("measuring 16-bit activations");
        let gains = gains::measure(self.quantizer, &self.made[0].layers)?;
        let mut taken: Vec<&[Gain]> = vec![];
        let (mut found, mut last) = (None, None);
        for group in gains.chunks(gains.len().div_ceil(MOST_STEPS).max(1)) {
            taken.push(group);
            match self.attempt_wide(from, &taken)? {
                Some(index) if self.is_met_by(index) => {
                    found = Some(index);
                    break;
                }
                Some(index) if self.goal.is_within_memory(&self.tried[index].1) => last = Some(index),
                // Too large, or of neighbours that have no form together.
                _ => drop(taken.pop()),
            }
        }
        if let (None, Some(last)) = (found, last) {
            found = Some(self.refine(last)?).filter(|&index| self.is_met_by(index));
        }
        let mut best = found.ok_or_else(|| self.unmet())?;
        // Without the last one the goal was not met.
        for at in (0..taken.len() - 1).rev() {
            let mut fewer = taken.clone();
            fewer.remove(at);
            if let Some(index) = self.attempt_wide(from, &fewer)?.filter(|&index| self.is_met_by(index)) {
                (best, taken) = (index, fewer);
            }
        }
        self.restored(best)
    }

    /// A choice with more 16-bit activations. Layers that read such keep 8-bit weights; where the file is too large then, others get 4-bit
    /// ones in their place. None where the lowering has no form of it.
    fn attempt_wide(&mut self, from: usize, gains: &[&[Gain]]) -> Result<Option<usize>, ShrinkError> {
        let wide: BTreeSet<NodeId> = gains.iter().copied().flatten().flat_map(|gain| &gain.nodes).copied().collect();
        let mut choice = Choice { wide, refined: false, ..self.tried[from].0.clone() };
        choice.four.retain(|&value| !self.reads_wide(&choice.wide, value));
        match self.fitted(choice) {
            Err(ShrinkError::Lower { .. }) => Ok(None),
            index => index.map(Some),
        }
    }

    /// Whether the layer that makes a value reads 16-bit activations, beside which weights have 8 bits.
    fn reads_wide(&self, wide: &BTreeSet<NodeId>, value: ValueId) -> bool {
        self.quantizer.graph.producer(value).is_some_and(|node| wide.contains(&node))
    }

    /// The layers that may still be narrowed, in their order, with the bytes that it saves.
    fn narrowable(&self, choice: &Choice) -> Vec<(ValueId, usize)> {
        let open =
            |layer: &&Sensitivity| !choice.four.contains(&layer.value) && !self.reads_wide(&choice.wide, layer.value);
        self.sensitivities.iter().filter(open).map(|layer| (layer.value, layer.bytes_saved)).collect()
    }

    /// The choice, with 4-bit weights in more layers until the file is small enough or there are no more.
    fn fitted(&mut self, mut choice: Choice) -> Result<usize, ShrinkError> {
        let mut rest = self.narrowable(&choice).into_iter();
        loop {
            let index = self.attempt(&choice)?;
            let Some(flash) = self.goal.limits.flash else { return Ok(index) };
            // Sections end at multiples of 16, so the sum may be a little off.
            let excess = self.tried[index].1.file_bytes.saturating_sub(flash);
            let (mut saved, known) = (0, choice.four.len());
            while saved < excess
                && let Some((value, bytes)) = rest.next()
            {
                choice.four.insert(value);
                saved += bytes;
            }
            if choice.four.len() == known {
                return Ok(index);
            }
        }
    }

    /// The most accurate choice that fits the file.
    fn fit(&mut self, first: usize) -> Result<usize, ShrinkError> {
        let found = self.fitted(self.tried[first].0.clone())?;
        if !self.fits(found) {
            return Err(self.unmet());
        }
        let best = self.restored(found)?;
        if self.holds(best) {
            return Ok(best);
        }
        let best = self.refine(best)?;
        if self.holds(best) {
            return Ok(best);
        }
        match self.swapped(best)? {
            Some(other) => Ok(other),
            None => self.widen(best),
        }
    }

    /// The choice with layers back at 8 bits, what costs most first, where there is room in the file.
    fn restored(&mut self, mut best: usize) -> Result<usize, ShrinkError> {
        let Some(flash) = self.goal.limits.flash else { return Ok(best) };
        let four = &self.tried[best].0.four;
        let mut costly: Vec<Sensitivity> =
            self.sensitivities.iter().filter(|layer| four.contains(&layer.value)).cloned().collect();
        costly.sort_by(|a, b| b.loss.total_cmp(&a.loss));
        for layer in costly {
            let mut choice = self.tried[best].0.clone();
            choice.four.remove(&layer.value);
            if self.tried[best].1.file_bytes + layer.bytes_saved > flash {
                continue;
            }
            let other = self.attempt(&choice)?;
            let nearer = self.tried[other].1.logit_error <= self.tried[best].1.logit_error;
            if self.fits(other) && nearer && (self.holds(other) || !self.holds(best)) {
                best = other;
            }
        }
        Ok(best)
    }

    /// A choice within the largest drop, by letting two layers change places.
    fn swapped(&mut self, from: usize) -> Result<Option<usize>, ShrinkError> {
        let Some(flash) = self.goal.limits.flash else { return Ok(None) };
        let (four, bytes) = (self.tried[from].0.four.clone(), self.tried[from].1.file_bytes);
        let mut pairs = Vec::new();
        for out in self.sensitivities.iter().filter(|layer| four.contains(&layer.value)) {
            for into in self.sensitivities.iter().filter(|layer| !four.contains(&layer.value)) {
                if bytes + out.bytes_saved <= flash + into.bytes_saved {
                    pairs.push((into.loss - out.loss, out.value, into.value));
                }
            }
        }
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (_, out, into) in pairs.into_iter().take(MOST_SWAPS) {
            let mut four = four.clone();
            four.remove(&out);
            four.insert(into);
            let index = self.attempt(&Choice { four, ..Choice::default() })?;
            if self.fits(index) && self.holds(index) {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }

    /// The smallest choice within the largest drop: layers that cost too much are passed over.
    fn smallest(&mut self, first: usize) -> Result<usize, ShrinkError> {
        let mut best = if self.holds(first) { first } else { self.widen(first)? };
        let order: Vec<ValueId> = self.narrowable(&self.tried[best].0).into_iter().map(|(value, _)| value).collect();
        let mut pending: Vec<Vec<ValueId>> =
            order.chunks(order.len().div_ceil(MOST_STEPS).max(1)).map(<[ValueId]>::to_vec).rev().collect();
        while let Some(group) = pending.pop() {
            let mut choice = self.tried[best].0.clone();
            choice.four.extend(&group);
            let index = self.attempt(&choice)?;
            if self.holds(index) {
                best = index;
            } else if group.len() > 1 {
                pending.extend(group.iter().rev().map(|&value| vec![value]));
            }
        }
        Ok(best)
    }

    /// Choices on the way from all at 8 bits to all at 4.
    fn explore(&mut self) -> Result<(), ShrinkError> {
        let all = self.sensitivities.len();
        let steps = all.min(SHOWN_POINTS);
        for step in 1..=steps {
            let four = self.sensitivities.iter().take(all * step / steps).map(|layer| layer.value).collect();
            self.attempt(&Choice { four, ..Choice::default() })?;
        }
        Ok(())
    }
}
