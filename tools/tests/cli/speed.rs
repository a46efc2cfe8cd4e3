//! `bantam bench`: what it tells, not how long it is.

use crate::bench::Bench;

#[test]
fn bench_tells_times_of_runs_of_ops_and_of_loading() {
    let bench = Bench::with_digits();
    let told = bench.bantam("bench digits.bantam --samples 1 --profile --json").json();
    let number = |key: &str| told[key].as_f64().unwrap_or_else(|| panic!("no {key} in {told}"));
    for key in ["median_ms", "p10_ms", "p90_ms", "ready_ms", "parse_ms", "pack_ms", "copy_ms"] {
        assert!(number(key) > 0.0, "{key}");
    }
    assert_eq!(told["file_bytes"], bench.read("digits.bantam").len());
    let ops = told["ops"].as_array().unwrap();
    let macs: u64 = ops.iter().map(|op| op["macs"].as_u64().unwrap()).sum();
    assert_eq!(told["macs"], macs);
    assert!(bench.bantam("bench digits.bantam --samples 1").done().contains("to check the file"));
}
