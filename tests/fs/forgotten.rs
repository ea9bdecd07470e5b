//! Operations whose promise nobody awaits: an error ends the run, as in Node.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use crate::common::limit::limit;
use crate::fs_kit::tempdir;
use nodeloop::fs::{self, File};
use nodeloop::{EventLoop, RunError, set_timeout};

type Log = Rc<RefCell<Vec<&'static str>>>;

/// `320-forgotten-write.js`.
#[test]
fn a_forgotten_operation_that_fails_ends_the_run() {
    let _limit = limit();
    let log = Log::default();
    let seen = log.clone();
    let mut event_loop = EventLoop::builder().build().unwrap();
    let line = line!() + 10;
    let result = event_loop.run_script(move || {
        let (on_exit, never) = (log.clone(), log.clone());
        nodeloop::on_exit(move |code| {
            assert_eq!(code, 1);
            on_exit.borrow_mut().push("exit 1");
        });
        set_timeout(Duration::from_secs(3), move || {
            never.borrow_mut().push("never")
        });
        fs::write("/missing/directory/file", "text");
        log.borrow_mut().push("main");
    });
    match result {
        Err(RunError::Unhandled { reason, location }) => {
            assert!(
                reason.text().contains("/missing/directory/file"),
                "{reason}"
            );
            assert_eq!((location.file(), location.line()), (file!(), line));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(*seen.borrow(), ["main", "exit 1"]);
}

/// Every function of the family, also the methods of a file and of an entry.
#[test]
fn every_forgotten_operation_is_reported() {
    let _limit = limit();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let reports = seen.clone();
    let mut event_loop = EventLoop::builder().build().unwrap();
    let directory = tempdir();
    let root = directory.path().to_owned();
    let result = event_loop.run(async move {
        nodeloop::on_unhandled_rejection(move |rejection| {
            reports.borrow_mut().push(rejection.location().line());
        });
        let missing = || root.join("missing").join("file");
        let first = line!() + 1;
        fs::read(missing());
        fs::read_to_string(missing());
        fs::copy(missing(), missing());
        fs::create_dir(missing());
        fs::remove_file(missing());
        fs::remove_dir(missing());
        fs::remove_dir_all(missing());
        fs::rename(missing(), missing());
        fs::metadata(missing());
        fs::symlink_metadata(missing());
        fs::canonicalize(missing());
        fs::hard_link(missing(), missing());
        fs::read_link(missing());
        fs::read_dir(missing());
        fs::DirBuilder::new().create(missing());
        File::open(missing());
        File::create(missing());
        File::create_new(missing());
        File::options().open(missing());
        nodeloop::net::lookup_host("no port");
        nodeloop::try_spawn_blocking(|| Err::<(), _>("no luck"));
        let lines = first..line!();
        #[cfg(unix)] // a file that is opened to be read reports the error of a write elsewhere
        let lines = {
            std::fs::write(root.join("read-only"), "x").unwrap();
            let file = File::open(root.join("read-only")).await.unwrap();
            let line = line!() + 1;
            file.write_all_at("read only", 0);
            lines.chain([line])
        };
        lines.collect::<Vec<u32>>()
    });
    let mut seen = seen.take();
    seen.sort_unstable();
    assert_eq!(result.unwrap(), seen);
}

/// What is handled or converted is not reported.
#[test]
fn an_operation_can_fail_on_purpose() {
    let _limit = limit();
    let result = EventLoop::builder().build().unwrap().run(async {
        fs::remove_file("/missing/file").untracked().detach();
        fs::remove_file("/missing/file").mark_handled();
        fs::remove_file("/missing/file").await.unwrap_err();
    });
    result.unwrap();
}
