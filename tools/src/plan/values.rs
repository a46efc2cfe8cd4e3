//! What the ops of a program write and read, whatever their order: the bytes that must be kept, and which outputs may
//! reach into which inputs.

use super::rigid::Place;
use super::tensor;
use crate::lower::Program;
use bantam_format::overlap::Overlap;
use bantam_format::writer::OpDescription;
use bantam_format::{IoRole, TensorKind, ops};

/// Bytes that are written together and needed for the same time, at a fixed place of a body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Segment {
    pub place: Place,
    /// The op that writes it; none where the caller does.
    pub producer: Option<usize>,
    /// The ops that read it.
    pub readers: Vec<usize>,
    /// Whether the caller reads it after the run.
    pub stays: bool,
}

/// How the output of an op may lie relative to an input that nothing needs any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Relation {
    pub op: usize,
    pub input: Place,
    pub output: Place,
    pub overlap: Overlap,
}

impl Relation {
    /// The distances `output - input` in bytes that are forbidden, both ends exclusive: none where all are allowed.
    pub fn forbidden(&self) -> Option<(i64, i64)> {
        match self.overlap {
            Overlap::Moved => None,
            Overlap::Banded { rows, .. } => Some((-(rows.distance_up() as i64), rows.distance_down() as i64)),
            Overlap::Disjoint => Some((-(self.output.bytes as i64), self.input.bytes as i64)),
        }
    }

    /// Whether the output may be exactly where the input is, though that lies between the forbidden distances.
    pub fn in_place(&self) -> bool {
        matches!(self.overlap, Overlap::Banded { in_place: true, .. })
    }

    /// The most bytes that input and output can share.
    pub fn saving(&self) -> usize {
        let (input, output) = (self.input.bytes, self.output.bytes);
        let Some((up, down)) = self.forbidden() else { return input.min(output) };
        let (up, down) = ((-up).max(0) as usize, down.max(0) as usize);
        let spans = [output.max(up + input), input.max(down + output), input + output];
        let least = if self.in_place() { input.max(output) } else { spans.into_iter().min().unwrap_or(0) };
        input + output - least.min(input + output)
    }
}

/// Everything about a program that does not depend on the order of its ops.
#[derive(Clone, Debug)]
pub(super) struct Values {
    pub segments: Vec<Segment>,
    /// Bytes of each body.
    pub bodies: Vec<usize>,
    /// Of each op, in the order of its inputs.
    pub relations: Vec<Vec<Relation>>,
    /// Segments each op reads.
    pub reads: Vec<Vec<usize>>,
    /// Segments each op writes.
    pub writes: Vec<Vec<usize>>,
    /// Pairs of ops that keep their order, as one writes state that the other uses.
    pub ordered: Vec<[usize; 2]>,
}

impl Values {
    /// `in_place` allows depthwise convolutions to overwrite their inputs channel by channel.
    pub fn of(program: &Program, places: &[Option<Place>], bodies: Vec<usize>, in_place: bool) -> Self {
        let description = &program.description;
        let count = description.ops.len();
        let place = |tensor: u16| places[usize::from(tensor)];
        let mut segments = segments(program, places);
        let (mut reads, mut writes) = (vec![vec![]; count], vec![vec![]; count]);
        for (index, segment) in segments.iter_mut().enumerate() {
            let touches = |tensor: &u16| place(*tensor).is_some_and(|place| place.overlaps(&segment.place));
            for (number, op) in description.ops.iter().enumerate() {
                if op.inputs.iter().any(touches) {
                    segment.readers.push(number);
                    reads[number].push(index);
                }
            }
            if let Some(producer) = segment.producer {
                writes[producer].push(index);
            }
            let mut outputs = description.io.iter().filter(|port| port.role == IoRole::Output.code());
            segment.stays = outputs.any(|port| place(port.tensor).is_some_and(|place| place.overlaps(&segment.place)));
        }
        let relations = (0..count).map(|op| relations(program, places, op, in_place)).collect();
        Self { segments, bodies, relations, reads, writes, ordered: ordered(program) }
    }

    /// Bytes of a segment.
    pub fn bytes(&self, segment: usize) -> usize {
        self.segments[segment].place.bytes
    }
}

/// The ops around each one that writes state: what uses the same state stays before or behind it.
fn ordered(program: &Program) -> Vec<[usize; 2]> {
    let description = &program.description;
    let is_state = |tensor: &u16| description.tensors[usize::from(*tensor)].kind == TensorKind::State;
    let mut pairs = Vec::new();
    for (writer, op) in description.ops.iter().enumerate() {
        for state in op.outputs.iter().filter(|output| is_state(output)) {
            let uses =
                |(_, other): &(usize, &OpDescription)| other.inputs.iter().chain(&other.outputs).any(|t| t == state);
            let users = description.ops.iter().enumerate().filter(uses).filter(|(user, _)| *user != writer);
            pairs.extend(users.map(|(user, _)| [user.min(writer), user.max(writer)]));
        }
    }
    pairs
}

/// What is written, cut where a tensor of the same body starts or ends.
fn segments(program: &Program, places: &[Option<Place>]) -> Vec<Segment> {
    let description = &program.description;
    let mut written: Vec<(Place, Option<usize>)> = Vec::new();
    for port in description.io.iter().filter(|port| port.role == IoRole::Input.code()) {
        written.extend(places[usize::from(port.tensor)].map(|place| (place, None)));
    }
    for (number, op) in description.ops.iter().enumerate() {
        written.extend(places[usize::from(op.outputs[0])].map(|place| (place, Some(number))));
    }
    let mut segments: Vec<Segment> = Vec::new();
    for (whole, producer) in written {
        let inside = places.iter().flatten().filter(|place| place.overlaps(&whole));
        let end = whole.offset + whole.bytes;
        let mut cuts: Vec<usize> = inside
            .flat_map(|place| [place.offset, place.offset + place.bytes])
            .map(|cut| cut.clamp(whole.offset, end))
            .collect();
        cuts.sort_unstable();
        cuts.dedup();
        for cut in cuts.windows(2) {
            let place = Place { body: whole.body, offset: cut[0], bytes: cut[1] - cut[0] };
            // The same input given twice is one value.
            if !segments.iter().any(|segment| segment.place == place) {
                segments.push(Segment { place, producer, readers: vec![], stays: false });
            }
        }
    }
    segments
}

/// The inputs that an op's output may overlap, if they are not needed later.
fn relations(program: &Program, places: &[Option<Place>], number: usize, in_place: bool) -> Vec<Relation> {
    let op = &program.description.ops[number];
    let Some(output) = places[usize::from(op.outputs[0])] else { return vec![] };
    let to = tensor(program, op.outputs[0]);
    let relation = |(position, &input): (usize, &u16)| {
        let place = places[usize::from(input)]?;
        let overlap = match ops::overlap(op.opcode, &op.attributes, position, &tensor(program, input), &to) {
            Overlap::Banded { rows, in_place: allowed } => Overlap::Banded { rows, in_place: allowed && in_place },
            other => other,
        };
        let mut others = op.inputs.iter().enumerate().filter(|(other, _)| *other != position);
        let alone = others.all(|(_, &other)| places[usize::from(other)].is_none_or(|other| !other.overlaps(&place)));
        let relation = Relation { op: number, input: place, output, overlap };
        (overlap != Overlap::Disjoint && alone && place.body != output.body).then_some(relation)
    };
    op.inputs.iter().enumerate().filter_map(relation).collect()
}
