//! `bantam run`.

use super::arrays::{floats, images, npy, npz};
use super::bench::Bench;
use super::networks::{append, axes, edit};
use bantam_tools::data::read_arrays;
use bantam_tools::tensor::{Data, Tensor};
use snapbox::{assert_data_eq, file};

/// Scale and zero point of the digits model's input.
fn input_parameters(bench: &Bench) -> (f64, f64) {
    let value = bench.bantam("inspect digits.bantam --json").json();
    let input = &value["inputs"][0];
    (input["scale"].as_f64().unwrap(), input["zero_point"].as_f64().unwrap())
}

fn outputs(bench: &Bench, input: &str, options: &str) -> Tensor {
    bench.bantam(&format!("run digits.bantam --input {input} -o {input}.out.npy {options}")).done();
    read_arrays(&bench.path(&format!("{input}.out.npy"))).unwrap().swap_remove(0).1
}

#[test]
fn answers_are_printed_with_labels() {
    let bench = Bench::with_digits();
    let text = bench.bantam("run digits.bantam --input digits/evaluation.npz").done();
    assert_data_eq!(text, file!["snapshots/run-labels.txt"]);
    let text = bench.bantam("run digits.bantam --input digits/evaluation.npz --raw").done();
    assert_data_eq!(text, file!["snapshots/run-raw.txt"]);
    bench.bantam("shrink digits --strip -o bare.bantam").done();
    let text = bench.bantam("run bare.bantam --input digits/evaluation.npz").done();
    assert_data_eq!(text, file!["snapshots/run-unlabelled.txt"]);
    bench.write("eleven.npy", &floats(&[11, 1, 8, 8], &images(11)));
    let text = bench.bantam("run digits.bantam --input eleven.npy").done();
    assert!(text.ends_with("  … and 1 more row; --output FILE writes all\n"), "{text}");
}

#[test]
fn every_type_and_order_of_the_same_images_gives_the_same() {
    let bench = Bench::with_digits();
    let (rows, items) = (20, images(20));
    let shape = [20, 1, 8, 8];
    bench.write("float.npy", &floats(&shape, &items));
    let bytes: Vec<u8> = items.iter().map(|&item| item as u8).collect();
    bench.write("unsigned.npy", &npy("|u1", false, &shape, &bytes));
    let doubles: Vec<u8> = items.iter().flat_map(|&item| f64::from(item).to_le_bytes()).collect();
    bench.write("double.npy", &npy("<f8", false, &shape, &doubles));
    let words: Vec<u8> = items.iter().flat_map(|&item| (item as i16).to_le_bytes()).collect();
    bench.write("word.npy", &npy("<i2", false, &shape, &words));
    let (scale, zero_point) = input_parameters(&bench);
    let quantize = |item: f32| ((f64::from(item) / scale).round_ties_even() + zero_point).clamp(-128.0, 127.0) as i8;
    let signed: Vec<u8> = items.iter().map(|&item| quantize(item).cast_unsigned()).collect();
    bench.write("signed.npy", &npy("|i1", false, &shape, &signed));
    bench.write("last.npy", &floats(&[20, 8, 8, 1], &items));
    bench.write("named.npz", &npz(&[("image", floats(&shape, &items))]));

    let expected = outputs(&bench, "float.npy", "");
    assert_eq!(expected.shape(), [rows, 10]);
    for input in ["unsigned.npy", "double.npy", "word.npy", "signed.npy", "last.npy", "named.npz"] {
        assert_eq!(outputs(&bench, input, ""), expected, "{input}");
    }
    bench.write("row.npy", &floats(&[1, 8, 8], &items[..64]));
    assert_eq!(outputs(&bench, "row.npy", "").as_f32().unwrap(), &expected.as_f32().unwrap()[..10]);
}

#[test]
fn signed_bytes_are_not_quantised_again() {
    let bench = Bench::with_digits();
    let image: Vec<u8> = (0..64u8).map(|index| index.wrapping_mul(4)).collect();
    bench.write("signed.npy", &npy("|i1", false, &[1, 1, 8, 8], &image));
    let (scale, zero_point) = input_parameters(&bench);
    let real = |&byte: &u8| ((f64::from(byte.cast_signed()) - zero_point) * scale) as f32;
    bench.write("float.npy", &floats(&[1, 1, 8, 8], &image.iter().map(real).collect::<Vec<_>>()));
    assert_eq!(outputs(&bench, "signed.npy", "--raw"), outputs(&bench, "float.npy", "--raw"));
}

#[test]
fn raw_outputs_are_the_integers_behind_the_real_ones() {
    let bench = Bench::with_digits();
    bench.write("x.npy", &floats(&[5, 1, 8, 8], &images(5)));
    let real = outputs(&bench, "x.npy", "");
    let raw = outputs(&bench, "x.npy", "--raw");
    let Data::I8(integers) = raw.data() else { panic!("{:?}", raw.data_type()) };
    let expected: Vec<f32> = integers.iter().map(|&q| (f32::from(q) + 128.0) / 256.0).collect();
    assert_eq!(real.as_f32().unwrap(), expected);
    assert_eq!(&bench.read("x.npy.out.npy")[..6], b"\x93NUMPY");
}

#[test]
fn the_answer_says_what_was_written() {
    let bench = Bench::with_digits();
    bench.write("x.npy", &floats(&[1, 1, 8, 8], &images(1)));
    let text = bench.bantam("run digits.bantam --input x.npy --raw --output new/y.npy").done();
    assert_eq!(text, "1 row, int8 of shape [1, 10], written to new/y.npy\n");
}

#[test]
fn float_artifacts_take_every_type() {
    let bench = Bench::new();
    bench.bantam("shrink digits --float -o digits.bantam").done();
    let items = images(3);
    bench.write("float.npy", &floats(&[3, 1, 8, 8], &items));
    let bytes: Vec<u8> = items.iter().map(|&item| item as u8).collect();
    for descr in ["|u1", "|i1"] {
        bench.write("bytes.npy", &npy(descr, false, &[3, 8, 8, 1], &bytes));
        assert_eq!(outputs(&bench, "bytes.npy", ""), outputs(&bench, "float.npy", "--raw"), "{descr}");
    }
}

#[test]
fn all_outputs_are_printed_as_text_and_as_json() {
    let bench = Bench::new();
    edit(&bench, "digits/model.onnx", "two.onnx", |graph| {
        let first = graph.output.clone();
        append(graph, "ReduceMean", &["image"], &[1, 1, 1, 1], vec![axes(&[1, 2, 3])]);
        graph.output.splice(0..0, first);
    });
    bench.bantam("shrink two.onnx --float -o two.bantam").done();
    bench.write("x.npy", &floats(&[2, 1, 8, 8], &[[1.0; 64], [3.0; 64]].concat()));
    let text = bench.bantam("run two.bantam --input x.npy").done();
    assert!(text.contains("output probabilities, [10] per row\n"), "{text}");
    assert!(text.contains("output appended_ReduceMean, [1, 1, 1] per row\n"), "{text}");
    let value = bench.bantam("run two.bantam --input x.npy --json").json();
    assert_eq!((&value["rows"], value["outputs"].as_array().unwrap().len()), (&2.into(), 2));
    assert_eq!(value["outputs"][0]["values"][1].as_array().unwrap().len(), 10);
    let expected = serde_json::json!({
        "name": "appended_ReduceMean", "type": "float32", "shape": [1, 1, 1], "values": [[1.0], [3.0]],
    });
    assert_eq!(value["outputs"][1], expected);
}
