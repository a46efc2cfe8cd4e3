//! `Einsum`: sums of products written with letters, as reshapes around one product of matrices.

use super::super::attributes::refuse;
use super::super::lowering::Lowering;
use crate::graph::ops::ReduceKind;
use crate::graph::{Op, ValueId};
use crate::import::Reason;

/// One or two operands, each letter at most once in each.
pub(super) fn einsum(lowering: &mut Lowering<'_>) -> Result<(), Reason> {
    let equation = lowering.attributes.string("equation")?.unwrap_or_default();
    let equation: String = equation.chars().filter(|letter| !letter.is_whitespace()).collect();
    let refuse_it = |expected: &str| refuse("equation", equation.clone(), expected);
    let (left, given) = match equation.split_once("->") {
        Some((left, result)) => (left, Some(result)),
        None => (equation.as_str(), None),
    };
    let terms: Vec<Vec<char>> = left.split(',').map(|term| term.chars().collect()).collect();
    if !left
        .chars()
        .chain(given.unwrap_or_default().chars())
        .all(|letter| letter == ',' || letter.is_ascii_alphabetic())
    {
        return Err(refuse_it("only letters are supported"));
    }
    let repeated = |term: &[char]| (1..term.len()).any(|at| term[..at].contains(&term[at]));
    let result: Vec<char> = match given {
        Some(result) => result.chars().collect(),
        None => {
            // Every letter that appears once, in order.
            let mut letters: Vec<char> = terms.concat();
            letters.sort_unstable();
            let all = letters.clone();
            letters.retain(|letter| all.iter().filter(|&other| other == letter).count() == 1);
            letters
        }
    };
    if terms.iter().any(|term| repeated(term)) || repeated(&result) {
        return Err(refuse_it("diagonals are not supported"));
    }
    let mut operands = Vec::with_capacity(terms.len());
    for (index, term) in terms.iter().enumerate() {
        let value = lowering.input(index)?;
        if lowering.shape(value).len() != term.len() {
            return Err(refuse_it("each operand has as many letters as dimensions"));
        }
        let others: Vec<char> =
            terms.iter().enumerate().filter(|&(at, _)| at != index).flat_map(|(_, term)| term.clone()).collect();
        operands.push(sum_alone(lowering, value, term, |letter| result.contains(&letter) || others.contains(&letter))?);
    }
    if lowering.input_count() != terms.len() {
        return Err(refuse_it("one term per operand"));
    }
    let (value, letters) = match operands.as_slice() {
        [(value, letters)] => (*value, letters.clone()),
        [left, right] => product(lowering, left, right, &result)?,
        _ => return Err(refuse_it("one or two operands are supported")),
    };
    let order = positions(&result, &letters).ok_or_else(|| refuse_it("every letter of the result is in an operand"))?;
    let value = lowering.transpose(value, &order)?;
    lowering.set_output(0, value);
    Ok(())
}

/// Where each letter of `wanted` is in `letters`, if all are.
fn positions(wanted: &[char], letters: &[char]) -> Option<Vec<usize>> {
    wanted.iter().map(|letter| letters.iter().position(|other| other == letter)).collect()
}

/// Sums the axes whose letter nothing else needs.
fn sum_alone(
    lowering: &mut Lowering<'_>,
    value: ValueId,
    term: &[char],
    needed: impl Fn(char) -> bool,
) -> Result<(ValueId, Vec<char>), Reason> {
    let axes: Vec<usize> = (0..term.len()).filter(|&axis| !needed(term[axis])).collect();
    let letters: Vec<char> = term.iter().copied().filter(|&letter| needed(letter)).collect();
    if axes.is_empty() {
        return Ok((value, letters));
    }
    let shape = lowering.shape(value);
    let left: Vec<usize> = (0..term.len()).filter(|axis| !axes.contains(axis)).map(|axis| shape[axis]).collect();
    let sum = lowering.reduce(ReduceKind::Sum, &axes, value)?;
    Ok((lowering.reshape(sum, &left)?, letters))
}

/// Letters in both operands and the result count matrices, those in both but not the result are summed.
fn product(
    lowering: &mut Lowering<'_>,
    left: &(ValueId, Vec<char>),
    right: &(ValueId, Vec<char>),
    result: &[char],
) -> Result<(ValueId, Vec<char>), Reason> {
    let pick = |letters: &[char], keep: &dyn Fn(char) -> bool| -> Vec<char> {
        letters.iter().copied().filter(|&letter| keep(letter)).collect()
    };
    let batch = pick(&left.1, &|letter| right.1.contains(&letter) && result.contains(&letter));
    let summed = pick(&left.1, &|letter| right.1.contains(&letter) && !result.contains(&letter));
    let rows = pick(&left.1, &|letter| !right.1.contains(&letter));
    let columns = pick(&right.1, &|letter| !left.1.contains(&letter));
    let mut matrix = |(value, letters): &(ValueId, Vec<char>), inner: [&[char]; 2]| {
        let order = [batch.as_slice(), inner[0], inner[1]].concat();
        let permutation = positions(&order, letters).unwrap_or_default();
        let value = lowering.transpose(*value, &permutation)?;
        let shape = lowering.shape(value);
        let (counts, rest) = shape.split_at(batch.len());
        let (first, second) = rest.split_at(inner[0].len());
        let sizes: [usize; 2] = [first.iter().product(), second.iter().product()];
        let value = lowering.reshape(value, &[counts, &sizes].concat())?;
        Ok::<_, Reason>((value, counts.to_vec(), first.to_vec(), second.to_vec()))
    };
    let (a, counts, row_sizes, _) = matrix(left, [&rows, &summed])?;
    let (b, _, _, column_sizes) = matrix(right, [&summed, &columns])?;
    let value = lowering.emit(Op::MatMul, &[a, b])?;
    let value = lowering.reshape(value, &[counts, row_sizes, column_sizes].concat())?;
    Ok((value, [batch, rows, columns].concat()))
}
