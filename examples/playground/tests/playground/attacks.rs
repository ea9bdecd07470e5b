//! Programs that want more than a program may have.

use std::time::Duration;

use serde_json::json;

use super::Playground;
use super::limit::limit_of;

/// Runs several programs, three at a time, and calls `check` with each.
fn each(programs: &[&str], check: impl Fn(&str, super::Run) + Sync) {
    let playground = Playground::start();
    for some in programs.chunks(3) {
        std::thread::scope(|scope| {
            for program in some {
                scope.spawn(|| check(program, playground.run(program)));
            }
        });
    }
}

#[test]
fn an_endless_program_is_stopped_and_its_beginning_is_replayed() {
    let _limit = limit_of(
        Duration::from_secs(400),
        "each program runs for two seconds of the processor",
    );
    let endless = [
        "console.log('begun'); while (true) {}",
        "console.log('begun'); queueMicrotask(() => { while (1); });",
        "console.log('begun'); (function again() { queueMicrotask(again); })();",
        "console.log('begun'); (function again() { process.nextTick(again); })();",
        "console.log('begun'); (function again() { setImmediate(again); })();",
        "console.log('begun'); (async () => { for (;;) await 0; })();",
        "console.log('begun'); setInterval(() => {}, 1);",
        "console.log('begun'); for (;;) setTimeout(() => {}, 0);",
        "console.log('begun'); /^(a+)+$/.test('a'.repeat(40) + 'b');",
        "console.log('begun'); function f() { try { f(); } finally { f(); } } f();",
        "console.log('begun'); process.on('exit', () => { for (;;); });",
        "console.log('begun'); process.on('uncaughtException', () => { for (;;); }); throw 1;",
    ];
    each(&endless, |program, run| {
        assert_eq!(run.stopped(), Some("time"), "{program}: {}", run.message());
        assert!(run.message().contains("endless loop"), "{}", run.message());
        assert_eq!(run.text(1), "begun\n", "{program}");
        assert!(run.events().iter().any(|event| event["text"] == "begun"));
    });
}

#[test]
fn a_program_on_real_time_is_stopped_while_it_waits_and_while_it_blocks() {
    let _limit = limit_of(
        Duration::from_secs(120),
        "each program runs for ten seconds",
    );
    let playground = Playground::start();
    let slow = [
        "setTimeout(() => {}, 1e6); console.log('begun');",
        "console.log('begun'); nodeHost.blockFor(1e9);",
        "console.log('begun'); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1e9);",
    ];
    std::thread::scope(|scope| {
        for program in slow {
            let playground = &playground;
            scope.spawn(move || {
                let run = playground.run_with(program, &[("virtualTime", json!(false))]);
                assert_eq!(run.stopped(), Some("time"), "{program}: {}", run.message());
                assert_eq!(run.text(1), "begun\n", "{program}");
            });
        }
    });
}

#[test]
fn a_program_in_a_function_of_the_engine_that_looks_at_no_time_is_killed() {
    let _limit = limit_of(
        Duration::from_secs(200),
        "it runs for six seconds of the processor",
    );
    let playground = Playground::start();
    let run = playground
        .run("const [text, part] = ['a'.repeat(2e7), 'a'.repeat(1e7) + 'b']; text.indexOf(part);");
    assert_eq!(run.stopped(), Some("killed"), "{}", run.message());
    // The system ends it, or the server does first on a busy machine.
    assert!(
        run.message().contains("nothing to replay"),
        "{}",
        run.message()
    );
    assert_eq!(playground.run("console.log('next')").text(1), "next\n");
}

#[test]
fn a_program_without_memory_is_ended_with_a_message() {
    let _limit = limit_of(Duration::from_secs(120), "64 MiB are filled several times");
    let hungry = [
        "const all = []; for (;;) all.push(new Array(10000).fill(1));",
        "const all = []; for (;;) all.push(new ArrayBuffer(1e7));",
        "const all = []; for (;;) all.push(new SharedArrayBuffer(1e7));",
        "const all = []; for (;;) all.push(Buffer.alloc(1e6));",
        "const all = []; for (;;) all.push('x'.repeat(1e6));",
        "new Array(5e6).fill(0).map(Math.random).sort();",
    ];
    each(&hungry, |program, run| {
        assert_eq!(run.stopped(), Some("memory"), "{program}: {}", run.text(2));
        assert!(run.message().contains("64 MiB"), "{}", run.message());
    });
}

#[test]
fn deep_recursion_is_an_error_of_the_program() {
    let _limit = limit_of(
        Duration::from_secs(120),
        "the stack is filled several times",
    );
    let nested_source = format!("{}1{}", "[".repeat(30_000), "]".repeat(30_000));
    let deep = [
        "function f() { f(); } f();",
        "JSON.parse('['.repeat(1e6));",
        "const text = 'eval(text)'; eval(text);",
        "let all = {}; for (let at = 0; at < 1e5; at += 1) all = { all }; \
         require('util').inspect(all, { depth: Infinity });",
        "const f = () => [1, 2].forEach(f); f();",
        &nested_source,
    ];
    each(&deep, |program, run| {
        let head: String = program.chars().take(60).collect();
        assert_eq!((run.exit_code(), run.stopped()), (1, None), "{head}");
        let error = run.text(2);
        assert!(error.contains("Maximum call stack size"), "{head}: {error}");
    });
    let caught = Playground::start();
    let caught = caught.run("function f() { f(); } try { f(); } catch { console.log('caught'); }");
    assert_eq!(
        (caught.text(1).as_str(), caught.exit_code()),
        ("caught\n", 0)
    );
}

#[test]
fn output_is_bounded() {
    let _limit = limit_of(Duration::from_secs(60), "256 KiB are printed");
    let loud = [
        "for (;;) console.log('a line'.repeat(50));",
        "console.log('x'.repeat(1e6));",
        "process.stderr.write('x'.repeat(300000));",
        "setInterval(() => process.stdout.write('x'.repeat(1000)), 1);",
    ];
    each(&loud, |program, run| {
        assert_eq!(
            run.stopped(),
            Some("output"),
            "{program}: {}",
            run.message()
        );
        assert_eq!(
            run.text(1).len() + run.text(2).len(),
            256 * 1024,
            "{program}"
        );
    });
}

#[test]
fn a_program_has_no_files_no_network_and_no_environment() {
    let _limit = limit_of(Duration::from_secs(60), "many programs are run");
    let playground = Playground::start();
    let refused = [
        "require('fs').readFileSync('/etc/passwd')",
        "require('node:fs/promises')",
        "require('net')",
        "require('http')",
        "require('child_process').execSync('id')",
        "require('worker_threads')",
        "process.getBuiltinModule('fs')",
        "require('module').createRequire('/')('fs')",
        "process.chdir('/')",
    ];
    for program in refused {
        let run = playground.run(program);
        let error = run.text(2);
        assert!(error.contains("ERR_ACCESS_DENIED"), "{program}: {error}");
        assert!(error.contains("playground"), "{program}: {error}");
        assert_eq!(run.exit_code(), 1, "{program}");
    }
    let not_there = [
        "require('/etc/passwd')",
        "require('./program.json')",
        "require.resolve('/etc/passwd')",
        "import('/etc/passwd').catch((error) => { throw error; })",
        "import('file:///etc/passwd').catch((error) => { throw error; })",
    ];
    for program in not_there {
        let error = playground.run(program).text(2);
        assert!(error.contains("Cannot find module"), "{program}: {error}");
        assert!(!error.contains("root:"), "{program}: {error}");
    }
    let module = [("module", json!(true))];
    let error = playground
        .run_with("import '/etc/passwd';", &module)
        .text(2);
    assert!(error.contains("Cannot find module"), "{error}");
    for program in ["process.kill(process.pid)", "process.kill(1)"] {
        assert!(playground.run(program).text(2).contains("process.kill()"));
    }
    let facts = "console.log(process.env, process.argv, process.cwd(), process.execPath, \
                 require('os').hostname(), require('os').homedir(), require.main.filename)";
    assert_eq!(
        playground.run(facts).text(1),
        "{} [ '/usr/local/bin/node', '/playground/program.js' ] /playground /usr/local/bin/node \
         localhost / /playground/program.js\n"
    );
}

#[test]
fn a_program_that_changes_what_everything_uses_hurts_only_itself() {
    let _limit = limit_of(Duration::from_secs(60), "several programs are run");
    let playground = Playground::start();
    let strange = [
        "Object.defineProperty(Error, 'prepareStackTrace', { get() { throw 1; }, set() { throw 2; } }); \
         console.log('a'); setTimeout(() => console.log('b'));",
        "Error.stackTraceLimit = 0; console.log('a'); setTimeout(() => console.log('b'));",
        "globalThis.Error = undefined; console.log('a'); setTimeout(() => console.log('b'));",
        "globalThis.queueMicrotask = undefined; console.log('a'); setTimeout(() => console.log('b'));",
        "Promise.prototype.then = undefined; console.log('a'); setTimeout(() => console.log('b'));",
        "Object.freeze(Error); console.log('a'); setTimeout(() => console.log('b'));",
    ];
    for program in strange {
        let run = playground.run(program);
        assert_eq!(run.text(1), "a\nb\n", "{program}: {}", run.text(2));
    }
    // A line that looks like a mark of the host is a line.
    let forged = playground.run(r"console.log('\u0001end\n1\t1\tx'); console.log('\u0001\u0001');");
    let lines: Vec<_> = forged
        .events()
        .iter()
        .filter(|event| event["e"] == "log")
        .collect();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert_eq!(lines[0]["text"], "\u{1}end\n1\t1\tx");
    assert_eq!(lines[1]["text"], "\u{1}\u{1}");
}
