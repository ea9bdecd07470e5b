//! Runs random inputs of a target, without a fuzzer and with any compiler.
//!
//!     cargo run --example random -- TARGET [FIRST [COUNT]]

use arbitrary::{Arbitrary, Unstructured};
use nodeloop_fuzz::{
    first_difference, formats, model, program::Program, recordings, remote, sockets, subject,
    worlds,
};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let target = arguments.next().unwrap_or_default();
    let mut numbers = arguments.map(|it| it.parse().expect("a number"));
    let first: u64 = numbers.next().unwrap_or(1);
    let count: u64 = numbers.next().unwrap_or(10_000);
    for seed in first..first + count {
        let bytes = bytes_of(seed);
        let input = Unstructured::new(&bytes);
        println!("{seed}"); // the last line names the input that fails
        match target.as_str() {
            "model" => compare(&Program::arbitrary_take_rest(input).expect("an input")),
            "sockets" => {
                sockets::run(&sockets::Script::arbitrary_take_rest(input).expect("an input"))
            }
            "formats" => {
                formats::check(&formats::Input::arbitrary_take_rest(input).expect("an input"))
            }
            "worlds" => worlds::run(&worlds::Input::arbitrary_take_rest(input).expect("an input")),
            "remote" => remote::run(&remote::Script::arbitrary_take_rest(input).expect("an input")),
            "recordings" => recordings::check(&changed_recording(seed, &bytes)),
            _ => panic!("the target {target:?} does not exist"),
        }
    }
}

fn compare(program: &Program) {
    if let Some(difference) = first_difference(&model::run(program), &subject::run(program)) {
        panic!("{program:#?}\n{difference}");
    }
}

/// Changes an input of the corpus in up to eight places.
fn changed_recording(seed: u64, random: &[u8]) -> Vec<u8> {
    let corpus = std::fs::read_dir("corpus/recordings").expect("run it in the folder `fuzz`");
    let mut inputs: Vec<_> = corpus.map(|it| it.expect("an input").path()).collect();
    inputs.sort();
    let path = &inputs[seed as usize % inputs.len()];
    let mut input = std::fs::read(path).expect("an input");
    let changes = 1 + usize::from(random[0]) % 8;
    for change in random[1..].chunks_exact(6).take(changes) {
        let place = u32::from_le_bytes([change[0], change[1], change[2], change[3]]) as usize;
        let at = place % input.len();
        match change[4] % 4 {
            0 => input[at] = change[5],
            1 => input[at] ^= 1 << (change[5] % 8),
            2 => input[at] = input[at].wrapping_add(1),
            _ => _ = input.remove(at),
        }
    }
    input
}

/// SplitMix64.
fn bytes_of(seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let length = 50 + next() % 1000;
    let words = std::iter::repeat_with(|| next().to_le_bytes());
    words.flatten().take(length as usize).collect()
}
