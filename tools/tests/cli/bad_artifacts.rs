//! Artifacts that are refused.

use super::bench::Bench;

#[test]
fn files_that_are_no_artifacts() {
    let bench = Bench::new();
    for command in ["inspect a.bantam", "run a.bantam --input digits/evaluation.npz", "eval a.bantam --data digits"] {
        std::fs::remove_file(bench.path("a.bantam")).ok();
        bench.refuses(command, &["cannot read 'a.bantam'", "No such file"]);
        bench.write("a.bantam", b"");
        bench.refuses(command, &["'a.bantam' is not a valid .bantam file", "rule 1", "copy it again"]);
        bench.write("a.bantam", &bench.read("digits/model.onnx"));
        bench.refuses(command, &["'a.bantam' is not a valid .bantam file: this is not a .bantam file", "rule 2"]);
    }
}

#[test]
fn cut_files() {
    let bench = Bench::with_digits();
    let bytes = bench.read("digits.bantam");
    for part in 0..30 {
        bench.write("cut.bantam", &bytes[..bytes.len() * part / 30]);
        let command =
            ["inspect cut.bantam", "run cut.bantam --input digits/evaluation.npz", "eval cut.bantam --data digits"];
        bench.refuses(command[part % 3], &["'cut.bantam' is not a valid .bantam file", "was cut off", "rule "]);
    }
}

#[test]
fn flipped_bits_and_noise() {
    let bench = Bench::with_digits();
    let bytes = bench.read("digits.bantam");
    for position in (0..bytes.len()).step_by(bytes.len() / 60) {
        let mut damaged = bytes.clone();
        damaged[position] ^= 1 << (position % 8);
        bench.write("bad.bantam", &damaged);
        let command = ["inspect bad.bantam --verify", "eval bad.bantam --data digits"][position % 2];
        bench.refuses(command, &["'bad.bantam' is not a valid .bantam file", "rule "]);
    }
    let mut state = 1u32;
    for length in [48usize, 64, 1000, 5000] {
        let mut noise = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        };
        let bytes: Vec<u8> = (0..length).map(|_| noise()).collect();
        bench.write("bad.bantam", &bytes);
        bench.refuses("inspect bad.bantam --json", &["'bad.bantam' is not a valid .bantam file"]);
        bench.write("bad.bantam", &[&b"BNTM"[..], &bytes].concat());
        bench.refuses("inspect bad.bantam", &["'bad.bantam' is not a valid .bantam file"]);
    }
}
