//! What 32-bit integers are good for: positions of the best elements, reductions, remainders.

use bantam_format::ops::{BinaryKind, Epilogue, FloatBinary, Reduce, ReduceKind, TopK, Unary, UnaryKind, WordBinary};
use bantam_format::{Arithmetic, DataType, Opcode};
use bantam_tests::random::Random;
use bantam_tests::run::Values;
use bantam_tests::single::single;

/// Random models per property.
const CASES: u64 = 200;

fn top(shape: &[u32], x: Values, count: u32, select_least: bool) -> Vec<i32> {
    let rows = shape[..shape.len() - 1].iter().product::<u32>();
    let output = [rows, count];
    let attributes = TopK { count, select_least: u8::from(select_least), reserved: [0; 3] };
    let got = single(Arithmetic::Float, &[(shape, x)], (&output, DataType::I32), |builder, x, y| {
        builder.op(Opcode::TopK, x, y, &attributes);
    });
    got.i32s().to_vec()
}

#[test]
fn the_best_positions_are_those_of_a_stable_sort() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let (rows, classes) = (random.integer(1..4) as usize, random.integer(1..12) as usize);
        let count = random.integer(1..classes as i64 + 1) as usize;
        let shape = [rows as u32, classes as u32];
        // Few different values: many ties.
        let x: Vec<i32> = (0..rows * classes).map(|_| random.integer(-2..3) as i32).collect();
        for select_least in [false, true] {
            let expected: Vec<i32> = x
                .chunks_exact(classes)
                .flat_map(|row| {
                    let mut order: Vec<usize> = (0..classes).collect();
                    order.sort_by_key(|&index| if select_least { row[index] } else { -row[index] });
                    order[..count].iter().map(|&index| index as i32).collect::<Vec<_>>()
                })
                .collect();
            let forms = [
                Values::I32(x.clone()),
                Values::I8(x.iter().map(|&x| x as i8).collect()),
                Values::F32(x.iter().map(|&x| x as f32).collect()),
            ];
            for form in forms {
                assert_eq!(top(&shape, form, count as u32, select_least), expected, "seed {seed}");
            }
        }
    }
}

#[test]
fn nan_is_worse_than_every_number_and_zeros_are_equal() {
    let row = Values::F32(vec![f32::NAN, f32::NEG_INFINITY, -0.0, 0.0, f32::NAN, f32::INFINITY]);
    assert_eq!(top(&[6], row.clone(), 6, false), [5, 2, 3, 1, 0, 4]);
    assert_eq!(top(&[6], row, 6, true), [1, 2, 3, 5, 0, 4]);
}

#[test]
fn integers_are_reduced_with_wrapping() {
    for seed in 0..CASES {
        let mut random = Random::new(seed);
        let [outer, reduced, inner] = [0; 3].map(|_| random.integer(1..6) as usize);
        let x: Vec<i32> = (0..outer * reduced * inner).map(|_| random.bits() as i32).collect();
        for kind in [ReduceKind::Sum, ReduceKind::Max, ReduceKind::Min, ReduceKind::Product] {
            let attributes = Reduce {
                kind: kind.code(),
                first_axis: 1,
                axis_count: 1,
                reserved: 0,
                epilogue: Epilogue { bytes: [0; 8] },
            };
            let shape = [outer as u32, reduced as u32, inner as u32];
            let output = [outer as u32, inner as u32];
            let inputs = [(&shape[..], Values::I32(x.clone()))];
            let got = single(Arithmetic::Float, &inputs, (&output, DataType::I32), |builder, x, y| {
                builder.op(Opcode::Reduce, x, y, &attributes);
            });
            let expected: Vec<i32> = (0..outer * inner)
                .map(|index| {
                    let line =
                        (0..reduced).map(|r| i64::from(x[(index / inner * reduced + r) * inner + index % inner]));
                    match kind {
                        ReduceKind::Sum => line.sum::<i64>() as i32,
                        ReduceKind::Max => line.max().unwrap_or_default() as i32,
                        ReduceKind::Min => line.min().unwrap_or_default() as i32,
                        _ => line.fold(1i64, |product, x| i64::from((product * x) as i32)) as i32,
                    }
                })
                .collect();
            assert_eq!(got.i32s(), expected, "seed {seed} {kind:?}");
        }
    }
}

#[test]
fn remainders_have_the_sign_of_the_first() {
    let a = [7, -7, 7, -7, 0, 5, i32::MIN, i32::MIN, i32::MAX];
    let b = [3, 3, -3, -3, 5, 0, -1, 3, i32::MIN];
    let shape = [a.len() as u32];
    let attributes = WordBinary { kind: BinaryKind::Remainder.code(), reserved: [0; 3] };
    let inputs = [(&shape[..], Values::I32(a.to_vec())), (&shape[..], Values::I32(b.to_vec()))];
    let got = single(Arithmetic::Float, &inputs, (&shape, DataType::I32), |builder, x, y| {
        builder.op(Opcode::Binary, x, y, &attributes);
    });
    assert_eq!(got.i32s(), [1, -1, 1, -1, 0, 0, 0, -2, i32::MAX]);
    let (a, b) = ([5.5f32, -5.5, 1e10, -4.3], [2.0f32, 2.0, 3.0, 2.1]);
    let attributes = FloatBinary {
        kind: BinaryKind::Remainder.code(),
        reserved: [0; 3],
        clamp_min: f32::NEG_INFINITY,
        clamp_max: f32::INFINITY,
    };
    let inputs = [(&[4u32][..], Values::F32(a.to_vec())), (&[4u32][..], Values::F32(b.to_vec()))];
    let got = single(Arithmetic::Float, &inputs, (&[4], DataType::F32), |builder, x, y| {
        builder.op(Opcode::Binary, x, y, &attributes);
    });
    let expected: Vec<f32> = a.iter().zip(&b).map(|(a, b)| a % b).collect();
    assert_eq!(got.f32s(), expected);
}

#[test]
fn functions_of_angles_follow_their_definitions() {
    type Definition = fn(f64) -> f64;
    let cases: [(UnaryKind, Definition); 9] = [
        (UnaryKind::Tan, f64::tan),
        (UnaryKind::Asin, f64::asin),
        (UnaryKind::Acos, f64::acos),
        (UnaryKind::Atan, f64::atan),
        (UnaryKind::Sinh, f64::sinh),
        (UnaryKind::Cosh, f64::cosh),
        (UnaryKind::Asinh, f64::asinh),
        (UnaryKind::Acosh, f64::acosh),
        (UnaryKind::Atanh, f64::atanh),
    ];
    let x: Vec<f32> = (-24..=24).map(|step| step as f32 / 16.0).collect();
    let shape = [x.len() as u32];
    for (kind, definition) in cases {
        let inputs = [(&shape[..], Values::F32(x.clone()))];
        let got = single(Arithmetic::Float, &inputs, (&shape, DataType::F32), |builder, x, y| {
            builder.op(Opcode::Unary, x, y, &Unary { kind: kind.code(), reserved: [0; 3], p: 0.0, q: 0.0 });
        });
        for (&x, &got) in x.iter().zip(got.f32s()) {
            let expected = definition(f64::from(x)) as f32;
            let close = got == expected || (got - expected).abs() <= 1e-6 * expected.abs().max(1.0);
            assert!(close || (got.is_nan() && expected.is_nan()), "{kind:?}({x}) = {got}, not {expected}");
        }
    }
}
