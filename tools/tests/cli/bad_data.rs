//! Data that is refused: for calibration, for running, for scoring.

use super::arrays::{floats, images, integers, npy, npz};
use super::bench::Bench;

const SHRINK: &str = "shrink digits/model.onnx --calibrate";

#[test]
fn files_that_are_not_there_or_something_else() {
    let bench = Bench::with_digits();
    bench.refuses(&format!("{SHRINK} gone.npz"), &["cannot read 'gone.npz'", "No such file"]);
    bench.refuses(&format!("{SHRINK} digits/bantam.toml"), &["'digits/bantam.toml'", "ending in .npz or .npy"]);
    bench.write("text.npz", b"not an archive");
    bench.refuses(&format!("{SHRINK} text.npz"), &["'text.npz' is not a valid npz file"]);
    bench.write("text.npy", b"not an array, whatever the name says");
    bench.refuses("run digits.bantam --input text.npy", &["'text.npy' is not a valid npy file"]);
    bench.write("empty.npy", b"");
    bench.refuses("run digits.bantam --input empty.npy", &["'empty.npy' is not a valid npy file"]);
    bench.refuses("run digits.bantam --input digits", &["'digits'", "ending in .npz or .npy"]);
}

#[test]
fn arrays_that_are_not_there() {
    let bench = Bench::with_digits();
    let y = integers(&[2], &[0, 1]);
    bench.write("x.npz", &npz(&[("pixels", floats(&[2, 1, 8, 8], &images(2))), ("y", y)]));
    bench.refuses(&format!("{SHRINK} x.npz"), &["'x.npz' has no array 'x'", "'pixels', 'y'", "name the arrays"]);
    bench.write("x.npz", &npz(&[]));
    bench.refuses("run digits.bantam --input x.npz", &["'x.npz' has no array 'x'", "holds no arrays"]);
}

#[test]
fn shapes_that_do_not_fit() {
    let bench = Bench::with_digits();
    for shape in [&[2u64, 64][..], &[2, 1, 8, 9], &[8, 8], &[], &[2, 3, 8, 8]] {
        let elements = shape.iter().product::<u64>();
        bench.write("x.npy", &floats(shape, &vec![0.5; elements as usize]));
        let shown = format!("{shape:?}");
        let parts = ["'x.npy'", "array 'x'", shown.as_str(), "'image'", "[rows, 1, 8, 8]", "[rows, 8, 8, 1]"];
        bench.refuses(&format!("{SHRINK} x.npy"), &parts);
        bench.refuses("run digits.bantam --input x.npy", &parts);
    }
    bench.write("x.npz", &npz(&[("x", floats(&[0, 1, 8, 8], &[]))]));
    bench.refuses(&format!("{SHRINK} x.npz"), &["'x.npz' has no rows"]);
}

#[test]
fn values_that_are_no_numbers() {
    let bench = Bench::with_digits();
    for (value, name) in [(f32::NAN, "NaN"), (f32::INFINITY, "inf"), (f32::NEG_INFINITY, "-inf")] {
        let mut items = images(40);
        items[17 * 64 + 5] = value;
        bench.write("x.npz", &npz(&[("x", floats(&[40, 1, 8, 8], &items))]));
        let parts = ["'x.npz'", "array 'x'", "row 17", name];
        bench.refuses(&format!("{SHRINK} x.npz"), &parts);
        bench.refuses("run digits.bantam --input x.npz", &parts);
    }
}

#[test]
fn cut_archives() {
    let bench = Bench::with_digits();
    let bytes = bench.read("digits/calibration.npz");
    for part in 0..20 {
        bench.write("cut.npz", &bytes[..bytes.len() * part / 20]);
        bench.refuses(&format!("{SHRINK} cut.npz"), &["'cut.npz' is not a valid npz file"]);
    }
    let array = floats(&[4, 1, 8, 8], &images(4));
    for length in [0, 1, 6, 9, 10, 11, 64, 127, 128, 129, array.len() - 1] {
        bench.write("cut.npy", &array[..length]);
        bench.refuses("run digits.bantam --input cut.npy", &["'cut.npy' is not a valid npy file"]);
    }
}

#[test]
fn damaged_archives_never_panic() {
    let bench = Bench::with_digits();
    let bytes = npz(&[("x", floats(&[2, 1, 8, 8], &images(2)))]);
    for position in (0..bytes.len()).step_by(11) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        bench.write("x.npz", &damaged);
        let ran = bench.bantam("run digits.bantam --input x.npz");
        if ran.code != Some(0) {
            assert!(ran.error(1).contains("'x.npz'"));
        }
    }
}

#[test]
fn arrays_that_claim_more_than_there_is() {
    let bench = Bench::with_digits();
    for shape in [&[1u64 << 40, 1, 8, 8][..], &[1 << 40], &[1 << 32, 1 << 32, 1 << 32], &[u64::MAX], &[3, 1, 8, 8]] {
        bench.write("x.npz", &npz(&[("x", npy("<f4", false, shape, &[0; 512]))]));
        bench.refuses(&format!("{SHRINK} x.npz"), &["'x.npz'", "array 'x'", "shape"]);
        bench.write("x.npy", &npy("<f4", false, shape, &[0; 512]));
        bench.refuses("run digits.bantam --input x.npy", &["'x.npy'", "shape"]);
    }
}

#[test]
fn kinds_of_arrays_that_are_not_read() {
    let bench = Bench::with_digits();
    let bytes = [0; 2 * 64 * 16];
    bench.write("x.npy", &npy("<f4", true, &[2, 1, 8, 8], &bytes[..512]));
    bench.refuses("run digits.bantam --input x.npy", &["'x.npy'", "Fortran order", "np.ascontiguousarray"]);
    for descr in ["<U1", "|S4", "<c8", "<f2", ">f4x", "|O", "<M8[s]"] {
        bench.write("x.npy", &npy(descr, false, &[2, 1, 8, 8], &bytes));
        bench.refuses("run digits.bantam --input x.npy", &["'x.npy'"]);
    }
    bench.write("x.npy", &npy("<U1", false, &[2, 1, 8, 8], &bytes));
    bench.refuses("run digits.bantam --input x.npy", &["elements of type '<U1'", "x.astype(np.float32)"]);
}

#[test]
fn labels_that_are_no_classes() {
    let bench = Bench::with_digits();
    let x = || ("x", floats(&[3, 1, 8, 8], &images(3)));
    bench.write("x.npz", &npz(&[x()]));
    bench.refuses("eval digits.bantam --data x.npz", &["'x.npz' has no labels", "array 'y'"]);
    for (labels, parts) in [
        (integers(&[3], &[1, -1, 2]), &["label -1 in row 1", "one whole number from 0"][..]),
        (floats(&[3], &[1.0, 2.0, 0.5]), &["label 0.5 in row 2"]),
        (floats(&[3], &[f32::NAN, 2.0, 0.5]), &["label NaN in row 0"]),
        (integers(&[3], &[1, 2, 10]), &["label 10 in row 2", "10 apart (0 to 9)"]),
        (integers(&[2], &[1, 2]), &["array 'y' has shape [2]", "3 rows"]),
        (integers(&[4], &[1, 2, 3, 4]), &["array 'y' has shape [4]", "3 rows"]),
        (integers(&[3, 10], &[0; 30]), &["array 'y' has shape [3, 10]", "np.argmax(y, 1)"]),
    ] {
        bench.write("x.npz", &npz(&[x(), ("y", labels)]));
        let parts = [parts, &["'x.npz'"]].concat();
        bench.refuses("eval digits.bantam --data x.npz", &parts);
        bench.refuses("eval digits/model.onnx --data x.npz", &parts);
        bench.refuses("shrink digits --eval x.npz", &parts);
    }
}

#[test]
fn calibration_rows_that_are_all_the_same_are_pointed_out() {
    let bench = Bench::with_digits();
    bench.write("x.npz", &npz(&[("x", floats(&[40, 1, 8, 8], &images(1).repeat(40)))]));
    let notes = bench.bantam(&format!("{SHRINK} x.npz -o a.bantam")).stderr;
    assert!(notes.contains("all 40 rows of 'x.npz' are the same"), "{notes}");
    bench.write("x.npz", &npz(&[("x", floats(&[40, 1, 8, 8], &images(40)))]));
    assert_eq!(bench.bantam(&format!("{SHRINK} x.npz -o a.bantam")).stderr, "");
}
