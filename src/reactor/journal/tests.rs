//! Records at the limits of a word and of a block, written and read back.

use std::io;
use std::ops::Range;
use std::panic::Location;
use std::time::Duration;

use super::format::{
    ArrivalRecord, CallResult, EndReason, LENGTH_END, Parsed, Record, SLOT_END, parse,
};
use super::value::{Input, Value};
use super::{Journal, Operation, Recorder, SourceName, Subject, WriterSettings};

/// Records what `run` records, and returns the file and what it contains.
fn recorded(payloads: bool, run: impl FnOnce(&Recorder)) -> (Vec<u8>, Parsed) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("journal");
    let settings = WriterSettings {
        file: Some(path.clone()),
        on_failure: None,
        limit: usize::MAX,
        payloads,
    };
    match Journal::recording(settings, b"settings", false).unwrap() {
        Journal::Recording(recorder) => run(&recorder),
        Journal::Replaying(_) => unreachable!(),
    }
    let bytes = std::fs::read(&path).unwrap();
    let parsed = parse(&bytes).unwrap();
    assert_eq!(parsed.damage, None);
    (bytes, parsed)
}

fn register(recorder: &Recorder, number: u64, slot: usize, generation: u64) -> SourceName {
    let registered: io::Result<(u64, u64)> = Ok((slot as u64, generation));
    let place = Subject::Place(Location::caller());
    recorder.result(Operation::Register, place, &registered);
    recorder.name_of(number, slot)
}

/// Returns the reads and writes of a recording: the operation, its source, its length and its contents.
fn operations(bytes: &[u8], parsed: &Parsed) -> Vec<(Operation, u64, usize, Vec<u8>)> {
    let contents_of = |range: &Range<usize>| {
        let mut input = Input::new(&bytes[range.clone()]);
        let length = <io::Result<usize>>::decode(&mut input).unwrap().unwrap();
        let left = input.left();
        (length, input.take(left).unwrap().to_vec())
    };
    let calls = parsed.records.iter().filter_map(|record| match record {
        Record::Call {
            operation: Operation::Register,
            ..
        } => None,
        Record::Call {
            operation,
            subject,
            result,
        } => {
            let (length, contents) = match result {
                CallResult::Number(length) => (*length as usize, Vec::new()),
                CallResult::Bytes(range) => contents_of(range),
                CallResult::Contents(range) => (range.len(), bytes[range.clone()].to_vec()),
                other => panic!("{other:?}"),
            };
            Some((*operation, *subject, length, contents))
        }
        _ => None,
    });
    calls.collect()
}

const LENGTHS: [usize; 6] = [
    0,
    1,
    127,
    LENGTH_END as usize - 1,
    LENGTH_END as usize,
    1 << 20,
];

#[test]
fn lengths_and_slots_that_do_not_fit_into_a_word_are_recorded() {
    for payloads in [false, true] {
        let contents: Vec<u8> = (0..1 << 20).map(|index| index as u8).collect();
        let mut expected = Vec::new();
        let (bytes, parsed) = recorded(payloads, |recorder| {
            for (number, slot) in [0, 5, SLOT_END - 1, SLOT_END, 1 << 30]
                .into_iter()
                .enumerate()
            {
                let number = number as u64;
                let name = register(recorder, number, slot, 1);
                for length in LENGTHS {
                    let written = recorder.operation(Operation::Write, &name, Ok(length));
                    assert_eq!(written.unwrap(), length);
                    expected.push((Operation::Write, number, length, Vec::new()));
                    let read = recorder.read(&name, Ok(length), &contents, |length| *length);
                    assert_eq!(read.unwrap(), length);
                    let kept = if payloads { length } else { 0 };
                    let kept = contents[..kept].to_vec();
                    expected.push((Operation::Read, number, length, kept));
                }
            }
        });
        assert!(
            operations(&bytes, &parsed) == expected,
            "payloads: {payloads}"
        );
    }
}

#[test]
fn operations_that_would_block_are_recorded_with_their_sources() {
    let (_, parsed) = recorded(false, |recorder| {
        for (number, slot) in [3, SLOT_END].into_iter().enumerate() {
            let name = register(recorder, number as u64, slot, 1);
            for _ in 0..2 {
                let code = io::Error::from_raw_os_error(11);
                let error = recorder.operation::<usize>(Operation::Accept, &name, Err(code));
                assert_eq!(error.unwrap_err().raw_os_error(), Some(11));
                recorder.would_block(Operation::Read, &name);
            }
        }
    });
    let subjects = parsed.records.iter().filter_map(|record| match record {
        Record::Call {
            operation: Operation::Accept | Operation::Read,
            subject,
            ..
        } => Some(*subject),
        _ => None,
    });
    assert_eq!(subjects.collect::<Vec<_>>(), [0, 0, 0, 0, 1, 1, 1, 1]);
}

#[test]
fn an_event_of_a_closed_source_is_not_one_of_its_successor() {
    let (_, parsed) = recorded(false, |recorder| {
        register(recorder, 0, 7, 1);
        assert!(recorder.ready(7, 1, 3));
        register(recorder, 1, 7, 3);
        assert!(recorder.ready(7, 1, 3));
        assert!(recorder.ready(7, 3, 3));
        assert!(!recorder.ready(SLOT_END, 1, 3), "needs a longer record");
    });
    let arrivals = parsed.records.iter().filter_map(|record| match record {
        Record::Poll(poll) => Some(poll.arrivals.clone()),
        _ => None,
    });
    let expected = [
        vec![ArrivalRecord::Ready(0, 3)],
        vec![],
        vec![ArrivalRecord::Ready(1, 3)],
    ];
    assert_eq!(arrivals.collect::<Vec<_>>(), expected);
}

/// Blocks end at any record, and the clock is read again from zero.
#[test]
fn blocks_continue_each_other() {
    let text = "a label that is longer than a word";
    let count = 20_000;
    let (bytes, parsed) = recorded(false, |recorder| {
        let name = register(recorder, 0, 1, 1);
        for index in 0..count {
            recorder.now();
            recorder
                .operation(Operation::Write, &name, Ok(index % 100))
                .unwrap();
            if index % 7 == 0 {
                recorder.label(text, Location::caller());
            }
        }
    });
    let lengths: Vec<_> = operations(&bytes, &parsed)
        .into_iter()
        .map(|it| it.2)
        .collect();
    assert_eq!(
        lengths,
        (0..count).map(|index| index % 100).collect::<Vec<_>>()
    );
    let mut last = Duration::ZERO;
    let (mut readings, mut labels) = (0, 0);
    for record in &parsed.records {
        match record {
            Record::Clock(now) => {
                assert!(*now >= last);
                last = *now;
                readings += 1;
            }
            Record::Label { text: recorded, .. } => {
                assert_eq!(recorded, text);
                labels += 1;
            }
            _ => {}
        }
    }
    assert_eq!((readings, labels), (count, count.div_ceil(7)));
    assert_eq!(
        parsed.records.last(),
        Some(&Record::End(EndReason::LoopEnded))
    );
}
