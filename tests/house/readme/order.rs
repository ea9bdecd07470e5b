use nodeloop::{prelude::*, test::Test};

#[nodeloop::test]
#[should_panic] // the README shows the message
async fn reports_before_it_saves(t: Test) {
    let log = t.log();
    set_timeout(Duration::from_secs(3600), log.callback("retry")); // virtual: nothing waits
    set_immediate(log.callback("report"));
    queue_microtask(log.callback("save"));
    next_tick(log.callback("validate"));
    t.until_idle().await;
    log.assert_order(["validate", "report", "save", "retry"]);
}
