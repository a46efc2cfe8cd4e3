//! What must be apart for one order of execution: which distances between bodies are forbidden, and how much memory
//! there must be at least.

use super::values::{Relation, Values};

/// Distances between the starts of two bodies that would destroy a value: from `from` to `to`, both exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Forbidden {
    /// The body the distance is counted from.
    pub other: usize,
    pub from: i64,
    pub to: i64,
    /// A single distance in between that is allowed.
    pub hole: Option<i64>,
}

impl Forbidden {
    /// Where `distance` is forbidden, the next one that is not.
    pub fn next_allowed(&self, distance: i64) -> Option<i64> {
        if distance <= self.from || self.to <= distance {
            return None;
        }
        match self.hole {
            Some(hole) if hole == distance => None,
            Some(hole) if hole > distance => Some(hole),
            _ => Some(self.to),
        }
    }
}

/// The placement problem of one order.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    /// Bytes of each body.
    pub bodies: Vec<usize>,
    /// For each body what is forbidden relative to the others.
    pub forbidden: Vec<Vec<Forbidden>>,
    /// The relations of which use can be made, at most one for each op.
    pub relations: Vec<Relation>,
    /// First and last time at which any byte of a body is in use.
    pub spans: Vec<(usize, usize)>,
    /// No placement needs less.
    pub lower_bound: usize,
}

impl Memory {
    /// The problem of executing the ops in `order`. Where an op could reuse either of two inputs, `late` chooses the
    /// later one.
    pub fn of(values: &Values, order: &[usize], late: bool) -> Self {
        let mut position = vec![0; order.len()];
        for (time, &op) in order.iter().enumerate() {
            position[op] = time + 1;
        }
        let end = order.len() + 1;
        let times: Vec<(usize, usize)> = values
            .segments
            .iter()
            .map(|segment| {
                let first = segment.producer.map_or(0, |op| position[op]);
                let last = segment.readers.iter().map(|&op| position[op]).max().unwrap_or(first);
                (first, if segment.stays { end } else { last })
            })
            .collect();
        let dies = &|relation: &Relation| {
            let inside = values.segments.iter().zip(&times).filter(|(s, _)| s.place.overlaps(&relation.input));
            inside.map(|(_, time)| time.1).max() == Some(position[relation.op])
        };
        let choose = |candidates: &Vec<Relation>| {
            let mut usable = candidates.iter().filter(|relation| dies(relation)).copied();
            if late { usable.next_back() } else { usable.next() }
        };
        let relations: Vec<Relation> = values.relations.iter().filter_map(choose).collect();
        let mut memory = Self {
            bodies: values.bodies.clone(),
            forbidden: vec![vec![]; values.bodies.len()],
            relations,
            spans: vec![(usize::MAX, 0); values.bodies.len()],
            lower_bound: lower_bound(values, order, &times, dies),
        };
        for (segment, &(first, last)) in values.segments.iter().zip(&times) {
            let span = &mut memory.spans[segment.place.body];
            *span = (span.0.min(first), span.1.max(last));
        }
        memory.separate(values, &times, &position);
        memory
    }

    /// Collects the forbidden distances.
    fn separate(&mut self, values: &Values, times: &[(usize, usize)], position: &[usize]) {
        for relation in self.relations.clone() {
            if let Some((from, to)) = relation.forbidden() {
                let shift = relation.input.offset as i64 - relation.output.offset as i64;
                let hole = relation.in_place().then_some(shift);
                self.forbid([relation.output.body, relation.input.body], from + shift, to + shift, hole);
            }
        }
        for (a, one) in values.segments.iter().enumerate() {
            for (b, two) in values.segments.iter().enumerate().take(a) {
                let apart = times[a].1 < times[b].0 || times[b].1 < times[a].0;
                if apart || one.place.body == two.place.body {
                    continue;
                }
                // The input's dying bytes and the output's new ones are kept apart by the relation.
                let related = self.relations.iter().any(|relation| {
                    let time = position[relation.op];
                    let is = |input: usize, output: usize| {
                        times[input].1 == time
                            && values.segments[output].producer == Some(relation.op)
                            && values.segments[input].place.overlaps(&relation.input)
                    };
                    is(a, b) || is(b, a)
                });
                if !related {
                    let shift = two.place.offset as i64 - one.place.offset as i64;
                    let bodies = [one.place.body, two.place.body];
                    self.forbid(bodies, shift - one.place.bytes as i64, shift + two.place.bytes as i64, None);
                }
            }
        }
    }

    /// Forbids distances from the second body to the first.
    fn forbid(&mut self, [body, other]: [usize; 2], from: i64, to: i64, hole: Option<i64>) {
        self.forbidden[body].push(Forbidden { other, from, to, hole });
        self.forbidden[other].push(Forbidden { other: body, from: -to, to: -from, hole: hole.map(|hole| -hole) });
    }

    /// The end of the last body.
    pub fn extent(&self, offsets: &[usize]) -> usize {
        self.bodies.iter().zip(offsets).map(|(bytes, offset)| bytes + offset).max().unwrap_or(0)
    }

    /// Whether a body may start at `offset`, given where others are.
    pub fn allows(&self, body: usize, offset: usize, at: impl Fn(usize) -> Option<usize>) -> bool {
        self.forbidden[body].iter().all(|forbidden| {
            let Some(other) = at(forbidden.other) else { return true };
            forbidden.next_allowed(offset as i64 - other as i64).is_none()
        })
    }
}

/// The most bytes that are in use at once, each op sharing as much with its inputs as it can.
fn lower_bound(values: &Values, order: &[usize], times: &[(usize, usize)], dies: &dyn Fn(&Relation) -> bool) -> usize {
    let in_use = |time: usize| -> usize {
        let live = times.iter().enumerate().filter(|(_, (first, last))| (*first..=*last).contains(&time));
        live.map(|(segment, _)| values.bytes(segment)).sum()
    };
    let of_op = |(index, &op): (usize, &usize)| {
        let saving =
            values.relations[op].iter().filter(|&relation| dies(relation)).map(Relation::saving).max().unwrap_or(0);
        in_use(index + 1).saturating_sub(saving)
    };
    let ends = [in_use(0), in_use(order.len() + 1)];
    order.iter().enumerate().map(of_op).chain(ends).max().unwrap_or(0)
}
