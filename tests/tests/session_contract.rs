//! What a session promises its caller: typed errors with exact operands, tables that link only what they name, state
//! that lives between runs.

use bantam::{Arena, Arithmetic, DataType, Model, Opcode, Operators, RunError, Session, SessionError, ops};
use bantam_tests::canary::CanaryArena;
use bantam_tests::models::{small_model, small_models};
use bantam_tests::random::Random;
use bantam_tests::run::{Values, random_inputs, run_many};

/// Everything `image_onnx` needs.
static IMAGE: Operators = ops![
    Onnx; Conv2d, DepthwiseConv2d, MaxPool2d, AveragePool2d, Reduce, Table, Clamp, Reshape, FullyConnected, Softmax
];
static WITHOUT_SOFTMAX: Operators =
    ops![Onnx; Conv2d, DepthwiseConv2d, MaxPool2d, AveragePool2d, Reduce, Table, Clamp, Reshape, FullyConnected];
static WITHOUT_ONNX: Operators = ops![
    Tflite; Conv2d, DepthwiseConv2d, MaxPool2d, AveragePool2d, Reduce, Table, Clamp, Reshape, FullyConnected, Softmax
];
static FLOAT: Operators = ops![Float; Binary];
static WITHOUT_FLOAT: Operators = ops![Onnx, Tflite; Binary];

#[test]
fn a_table_of_the_operators_needed_runs_like_the_table_of_all() {
    let file = small_model("image_onnx");
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let inputs = random_inputs(&model, &mut Random::new(1));
    let mut results = Vec::new();
    for operators in [&IMAGE, &ops::ALL] {
        let mut arena = CanaryArena::new(Session::arena_bytes(&model, operators));
        let mut session = Session::new(&model, arena.bytes_mut(), operators).expect("the arena fits");
        session.input_mut::<i8>(0).expect("8-bit").copy_from_slice(inputs[0].i8s());
        session.run().expect("a run");
        results.push(session.output::<i8>(0).expect("8-bit").to_vec());
    }
    assert_eq!(results[0], results[1]);
}

#[test]
fn a_missing_operator_or_arithmetic_is_named() {
    let file = small_model("image_onnx");
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let mut arena = CanaryArena::new(model.arena_bytes());
    let last = model.artifact().op_count() as u32 - 1;
    assert_eq!(
        Session::new(&model, arena.bytes_mut(), &WITHOUT_SOFTMAX).err(),
        Some(SessionError::OperatorNotLinked { op: last, opcode: Opcode::Softmax })
    );
    assert_eq!(
        Session::new(&model, arena.bytes_mut(), &WITHOUT_ONNX).err(),
        Some(SessionError::ArithmeticNotLinked { arithmetic: Arithmetic::Onnx })
    );
    // Floats are an arithmetic too.
    let file = small_model("state_float");
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    assert!(Session::new(&model, arena.bytes_mut(), &FLOAT).is_ok());
    let refused = Session::new(&model, arena.bytes_mut(), &WITHOUT_FLOAT).err();
    assert_eq!(refused, Some(SessionError::ArithmeticNotLinked { arithmetic: Arithmetic::Float }));
}

#[test]
fn an_arena_too_small_or_misaligned_is_refused_with_its_numbers() {
    for small in small_models() {
        let model = Model::parse(small.file.bytes()).expect("a valid artifact");
        let needed = Session::arena_bytes(&model, &ops::ALL);
        let given = needed - 1;
        let mut arena = CanaryArena::new(given);
        let refused = Session::new(&model, arena.bytes_mut(), &ops::ALL).err();
        assert_eq!(refused, Some(SessionError::ArenaTooSmall { needed, given }));
        let mut arena = CanaryArena::misaligned(needed, 8);
        let refused = Session::new(&model, arena.bytes_mut(), &ops::ALL).err();
        assert_eq!(refused, Some(SessionError::ArenaMisaligned { remainder: 8 }));
        assert!(arena.intact());
    }
    let mut arena = Arena::<48>::new();
    assert_eq!(arena.bytes_mut().as_ptr().addr() % 16, 0);
}

#[test]
fn wrong_types_and_indices_are_refused() {
    let file = small_model("mixed_onnx");
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let mut arena = CanaryArena::new(model.arena_bytes());
    let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL).expect("the arena fits");
    let wrong = |expected, given| Some(RunError::ElementType { expected, given });
    assert_eq!(session.input_mut::<i8>(0).err(), wrong(DataType::F32, DataType::I8));
    assert_eq!(session.input_mut::<i32>(1).err(), wrong(DataType::I8, DataType::I32));
    assert_eq!(session.output::<f32>(0).err(), wrong(DataType::I32, DataType::F32));
    assert_eq!(session.input_mut::<f32>(2).err(), Some(RunError::NoSuchTensor { index: 2 }));
    assert_eq!(session.output::<f32>(3).err(), Some(RunError::NoSuchTensor { index: 3 }));
    assert_eq!(session.input_mut::<f32>(0).map(|input| input.len()), Ok(12));
    assert_eq!(session.input_mut::<i8>(1).map(|input| input.len()), Ok(6));
    assert_eq!(session.output::<i32>(0).map(<[i32]>::len), Ok(2));
}

#[test]
fn a_run_gives_the_same_again_whatever_the_arena_held() {
    for small in small_models().iter().filter(|small| !small.name.starts_with("state")) {
        let model = Model::parse(small.file.bytes()).expect("a valid artifact");
        let mut random = Random::new(2);
        let (first, other) = (random_inputs(&model, &mut random), random_inputs(&model, &mut random));
        let results = run_many(&model, &[first.clone(), other, first]);
        assert_eq!(results[0], results[2], "{}", small.name);
    }
}

#[test]
fn state_lives_between_runs_and_is_reset() {
    for name in ["state_onnx", "state_tflite"] {
        let file = small_model(name);
        let model = Model::parse(file.bytes()).expect("a valid artifact");
        let mut arena = CanaryArena::new(model.arena_bytes());
        Random::new(3).fill(arena.bytes_mut());
        let mut session = Session::new(&model, arena.bytes_mut(), &ops::ALL).expect("the arena fits");
        for _ in 0..2 {
            // Steps of 1/2 around -4: sum = (0, 1, -1, 2), count = 10; x = 1 each time.
            let mut expected = [16i8, 18, 14, 20];
            for _ in 0..3 {
                session.input_mut::<i8>(0).expect("8-bit").fill(-2);
                session.run().expect("a run");
                // Each run adds 1 to the sum and 1 to the count: 4 steps.
                expected = expected.map(|value| value + 4);
                assert_eq!(session.output::<i8>(0).expect("8-bit"), expected, "{name}");
            }
            session.reset_state();
        }
        assert!(arena.intact());
    }
    let file = small_model("state_float");
    let model = Model::parse(file.bytes()).expect("a valid artifact");
    let ones = vec![Values::F32(vec![1.0; 4])];
    let results = run_many(&model, &[ones.clone(), ones]);
    assert_eq!(results[0][0].f32s(), [12.0, 13.0, 11.0, 12.5]);
    assert_eq!(results[1][0].f32s(), [14.0, 15.0, 13.0, 14.5]);
}
