//! What a host does not have on Windows: pipes and child processes.

use std::io::ErrorKind;

use nodeloop::io::pipe;
use nodeloop::process::Command;
use nodeloop::test::{SimulatedChild, World};

use crate::common::limit::limit;

#[test]
fn pipes_and_children_are_refused_with_advice() {
    let _limit = limit();
    let world = World::new();
    world
        .host("h")
        .on_spawn(|_| Ok(SimulatedChild::new().exit(0)));
    world.host("h").run(async || {
        let refused = [
            pipe::pipe().unwrap_err(),
            Command::new("cmd").spawn().unwrap_err(),
        ];
        for error in refused {
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            let advice = "test this part outside of the world";
            assert!(error.to_string().contains(advice), "{error}");
        }
    });
    world.run();
}
