//! SPEC.md says what the code does: its tables are compared with the rules, the codes and the records.

use bantam_format::ops::{
    Accumulation, ArgMax, BinaryKind, Concat, Conv2d, DepthwiseConv2d, Epilogue, FloatBinary, FloatClamp, FloatSoftmax,
    FullyConnected, Gather, IntegerBinary, IntegerClamp, IntegerEpilogue, IntegerSoftmax, L2Normalize, MatMul,
    Negation, Normalize, Pad, PadMode, Pool2d, QuantizeParameters, Reduce, ReduceKind, Rescale, Resize, ResizeTap,
    StridedCopy, Table, TopK, Unary, UnaryKind, WeightType, WideBinary, WideClamp, WideEpilogue, WideFunction,
    WideSoftmax, WideTable, Window, WordBinary,
};
use bantam_format::{
    Arithmetic, DataType, Header, ImageChannels, ImageFilter, ImageFit, IoRecord, IoRole, LoadError, OpRecord, Opcode,
    PreprocessingKind, PreprocessingRecord, SectionEntry, SectionKind, SourceLayout, StateRecord, TensorKind,
    TensorRecord,
};
use bantam_tests::parts::Record;
use std::fmt::Debug;

const SPECIFICATION: &str = include_str!("../../runtime/SPEC.md");

/// The rows of the first table under a heading, without its head.
fn table(heading: &str) -> Vec<Vec<String>> {
    let is_heading = |line: &&str| line.starts_with('#') && line.trim_start_matches('#').trim() == heading;
    let lines = SPECIFICATION.lines().skip_while(|line| !is_heading(line)).skip(1);
    let lines = lines.take_while(|line| !line.starts_with('#'));
    let rows = lines.skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let cells = |row: &str| row.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    let rows: Vec<Vec<String>> = rows.skip(2).map(cells).collect();
    assert!(!rows.is_empty(), "no table under {heading}");
    rows
}

#[test]
fn every_reject_rule_is_listed_with_its_number_name_and_text() {
    let listed = table("Reject rules");
    let rules: Vec<Vec<String>> = LoadError::RULES
        .iter()
        .map(|&(rule, name, text)| vec![rule.0.to_string(), name.to_owned(), text.to_owned()])
        .collect();
    assert_eq!(listed, rules);
}

macro_rules! codes {
    ($($heading:literal $kind:ty;)*) => {$(
        let listed: Vec<(String, String)> =
            table($heading).into_iter().map(|row| (row[0].clone(), row[1].clone())).collect();
        let known: Vec<(String, String)> =
            <$kind>::ALL.iter().map(|kind| (kind.code().to_string(), kind.name().to_owned())).collect();
        assert_eq!(listed, known, "{}", $heading);
    )*};
}

#[test]
fn every_code_is_listed_with_its_name() {
    codes! {
        "Section kinds" SectionKind;
        "Data types" DataType;
        "Tensor kinds" TensorKind;
        "Weight types" WeightType;
        "Io roles" IoRole;
        "Source layouts" SourceLayout;
        "Arithmetic codes" Arithmetic;
        "Preprocessing kinds" PreprocessingKind;
        "Image fits" ImageFit;
        "Image filters" ImageFilter;
        "Image channels" ImageChannels;
        "Opcodes" Opcode;
        "Reduce kinds" ReduceKind;
        "Binary kinds" BinaryKind;
        "Unary kinds" UnaryKind;
        "Pad modes" PadMode;
        "Wide functions" WideFunction;
        "Negations" Negation;
    }
}

#[test]
fn codes_read_back_and_unknown_ones_do_not() {
    for code in 0..=u8::MAX {
        assert!(Opcode::from_code(code).is_none_or(|opcode| opcode.code() == code));
        assert!(DataType::from_code(code).is_none_or(|data_type| data_type.code() == code));
    }
    for &opcode in Opcode::ALL {
        assert_eq!(Opcode::from_code(opcode.code()), Some(opcode));
    }
}

#[test]
fn required_sections_and_sizes_of_types_are_listed() {
    for (row, kind) in table("Section kinds").iter().zip(SectionKind::ALL) {
        assert_eq!(row[2] == "yes", kind.is_required(), "{kind:?}");
    }
    for (row, data_type) in table("Data types").iter().zip(DataType::ALL) {
        assert_eq!(row[2], data_type.bytes().to_string());
    }
}

/// Names of the fields of a record, from its pretty debug output: those of nested records are indented further.
fn fields(record: &impl Debug) -> Vec<String> {
    let text = format!("{record:#?}");
    let own = text.lines().filter_map(|line| line.strip_prefix("    "));
    let own = own.filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase()));
    own.filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
}

/// The table of a record lists its fields in order and without gaps, and its heading tells its size.
fn listed<R: Record + Debug>(name: &str) {
    let rows = table(&format!("{name} ({} bytes)", R::BYTES));
    let mut at = 0;
    for row in &rows {
        assert_eq!(row[0], at.to_string(), "{name}: {row:?}");
        at += row[1].parse::<usize>().expect("a size");
    }
    assert_eq!(at, R::BYTES, "{name}");
    let names: Vec<String> = rows.into_iter().map(|row| row[2].clone()).collect();
    assert_eq!(names, fields(&R::decode(&vec![0; R::BYTES])), "{name}");
}

#[test]
fn every_record_is_listed_with_its_fields_and_offsets() {
    listed::<Header>("Header");
    listed::<SectionEntry>("SectionEntry");
    listed::<TensorRecord>("TensorRecord");
    listed::<OpRecord>("OpRecord");
    listed::<IoRecord>("IoRecord");
    listed::<StateRecord>("StateRecord");
    listed::<PreprocessingRecord>("PreprocessingRecord");
    listed::<Window>("Window");
    listed::<IntegerEpilogue>("Epilogue");
    listed::<Accumulation>("Accumulation");
    listed::<Conv2d>("Conv2d");
    listed::<DepthwiseConv2d>("DepthwiseConv2d");
    listed::<FullyConnected>("FullyConnected");
    listed::<Pool2d>("Pool2d");
    listed::<Reduce>("Reduce");
    listed::<IntegerBinary>("IntegerBinary");
    listed::<FloatBinary>("FloatBinary");
    listed::<Table>("Table");
    listed::<Unary>("Unary");
    listed::<IntegerClamp>("IntegerClamp");
    listed::<FloatClamp>("FloatClamp");
    listed::<IntegerSoftmax>("IntegerSoftmax");
    listed::<FloatSoftmax>("FloatSoftmax");
    listed::<ArgMax>("ArgMax");
    listed::<QuantizeParameters>("QuantizeParameters");
    listed::<WordBinary>("WordBinary");
    listed::<StridedCopy>("StridedCopy");
    listed::<Concat>("Concat");
    listed::<Pad>("Pad");
    listed::<Gather>("Gather");
    listed::<MatMul>("MatMul");
    listed::<Resize>("Resize");
    listed::<ResizeTap>("ResizeTap");
    listed::<Normalize>("Normalize");
    listed::<L2Normalize>("L2Normalize");
    listed::<TopK>("TopK");
    listed::<WideEpilogue>("WideEpilogue");
    listed::<WideBinary>("WideBinary");
    listed::<WideTable>("WideTable");
    listed::<WideClamp>("WideClamp");
    listed::<WideSoftmax>("WideSoftmax");
    listed::<Rescale>("Rescale");
    assert_eq!(Epilogue::BYTES, IntegerEpilogue::BYTES);
}

#[test]
fn links_within_the_specification_lead_somewhere() {
    let anchors: Vec<String> = SPECIFICATION
        .lines()
        .filter(|line| line.starts_with('#'))
        .map(|line| line.trim_start_matches('#').trim().to_lowercase().replace(' ', "-"))
        .collect();
    for link in SPECIFICATION.split("](#").skip(1) {
        let target = link.split(')').next().expect("a target");
        assert!(anchors.iter().any(|anchor| anchor == target), "{target}");
    }
}
