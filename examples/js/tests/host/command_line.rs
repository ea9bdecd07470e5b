//! Options, messages and exit codes.

use std::fs;

use super::{Script, errors_of, host, node_20, run, run_with_stdin, text_of};

#[test]
fn a_missing_file_is_reported_as_node_does() {
    let output = host(&["/no/such/file.js"]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors_of(&output);
    assert!(
        errors.contains("Error: Cannot find module '/no/such/file.js'"),
        "{errors}"
    );
    assert!(errors.contains("code: 'MODULE_NOT_FOUND'"), "{errors}");
    assert!(errors.contains("Node.js v"), "{errors}");
}

#[test]
fn a_syntax_error_names_the_file_and_the_line() {
    let script = Script::new("syntax.js", "const fine = 1;\nlet x = ;\n");
    let output = host(&[script.path()]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors_of(&output);
    assert!(
        errors.starts_with(&format!("{}:2\nlet x = ;\n", script.path())),
        "{errors}"
    );
    assert!(errors.contains("SyntaxError: "), "{errors}");
}

#[test]
fn an_uncaught_error_shows_its_line() {
    let script = Script::new(
        "throw.js",
        "'use strict';\nfunction fail() {\n  throw new TypeError('bad');\n}\nfail();\n",
    );
    let output = host(&[script.path()]);
    assert_eq!(output.status.code(), Some(1));
    let errors = errors_of(&output);
    assert!(
        errors.starts_with(&format!(
            "{}:3\n  throw new TypeError('bad');\n",
            script.path()
        )),
        "{errors}"
    );
    assert!(
        errors.contains("\nTypeError: bad\n    at fail ("),
        "{errors}"
    );
}

#[test]
fn an_error_in_a_listener_of_errors_ends_with_seven() {
    let script = Script::new(
        "seven.js",
        "process.on('uncaughtException', () => { throw new Error('again'); }); throw 1;",
    );
    assert_eq!(host(&[script.path()]).status.code(), Some(7));
}

#[test]
fn virtual_time_takes_no_time() {
    let script = Script::new(
        "virtual.js",
        "const t = performance.now(), d = Date.now();\n\
         setTimeout(() => console.log(performance.now() - t, Date.now() - d, new Date() - d), 3600000);",
    );
    let output = host(&["--virtual-time", script.path()]);
    assert_eq!(text_of(&output), "3600000 3600000 3600000\nexit code 0\n");
}

#[test]
fn a_program_that_waits_by_reading_the_clock_ends_on_virtual_time() {
    let script = Script::new(
        "busy.js",
        "const start = performance.now();\n\
         setImmediate(() => console.log('immediate'));\n\
         setTimeout(() => console.log('timeout'), 3);\n\
         const waits = [() => performance.now(), () => Date.now(), () => new Date().getTime(),\n\
         \x20 () => Number(process.hrtime.bigint()) / 1e6];\n\
         for (const now of waits) for (const end = now() + 5; now() < end;);\n\
         const passed = performance.now() - start;\n\
         console.log(passed >= 18 && passed < 25);\n\
         const end = Date.now() + 5;\n\
         const spin = () => (Date.now() < end ? setImmediate(spin) : console.log('end'));\n\
         setImmediate(spin);\n",
    );
    let output = host(&["--virtual-time", script.path()]);
    let expected = "true\ntimeout\nimmediate\nend\nexit code 0\n";
    assert_eq!(text_of(&output), expected);
}

#[test]
fn readings_do_not_move_the_virtual_clock_of_a_program_that_does_not_wait() {
    let script = Script::new(
        "readings.js",
        "const start = performance.now();\n\
         for (let i = 0; i < 5000; i += 1) performance.now();\n\
         setTimeout(() => {\n\
         \x20 for (let i = 0; i < 5000; i += 1) performance.now();\n\
         \x20 console.log(performance.now() - start);\n\
         }, 10);\n",
    );
    let output = host(&["--virtual-time", script.path()]);
    assert_eq!(text_of(&output), "10\nexit code 0\n");
}

#[test]
fn the_script_receives_its_arguments() {
    let script = Script::new(
        "arguments.js",
        "console.log(process.argv.slice(2), process.argv[1] === __filename);",
    );
    let output = host(&["--node", "22", script.path(), "--node", "x"]);
    assert_eq!(text_of(&output), "[ '--node', 'x' ] true\nexit code 0\n");
}

#[test]
fn help_is_printed() {
    let output = host(&["--help"]);
    let text = text_of(&output);
    assert!(text.contains("\nusage: nodeloop-js"), "{text}");
    assert!(text.ends_with("\nexit code 0\n"), "{text}");
    assert_eq!(errors_of(&output), "");
}

#[test]
fn a_value_may_follow_an_equals_sign() {
    let release = "console.log(nodeHost.release, process.argv.slice(1))";
    let output = host(&["--node=26", &format!("--eval={release}"), "a", "--x=y"]);
    assert_eq!(text_of(&output), "26 [ 'a', '--x=y' ]\nexit code 0\n");
}

#[test]
fn a_text_receives_all_arguments() {
    let printed = "console.log(process.argv.slice(1))";
    let output = host(&["-e", printed, "a", "b", "--c"]);
    assert_eq!(text_of(&output), "[ 'a', 'b', '--c' ]\nexit code 0\n");
}

const HOST: &str = env!("CARGO_BIN_EXE_nodeloop-js");

#[test]
fn a_script_may_come_from_standard_input() {
    let script = "#!/usr/bin/env node\n\
        console.log(process.argv.slice(1), __filename, __dirname, require.main === module);\n\
        setTimeout(() => console.log('timeout'));\n\
        setImmediate(() => console.log('immediate'));\n\
        for (const end = Date.now() + 5; Date.now() < end;);\n\
        Promise.resolve().then(() => console.log('promise'));\n\
        process.nextTick(() => console.log('tick'));\n\
        console.log(require('path').basename('a/b'));\n";
    // Node runs it in the poll phase, so its immediate comes first.
    let expected = "[ '-', 'a', '--node', '-' ] [stdin] . false\n\
        b\ntick\npromise\nimmediate\ntimeout\nexit code 0\n";
    let arguments = ["-", "a", "--node", "-"];
    if let Some(node) = node_20() {
        let printed = run_with_stdin(node, &arguments, script);
        assert_eq!(text_of(&printed), expected, "{}", errors_of(&printed));
    }
    for options in [&["--virtual-time"][..], &["--node", "20"]] {
        let printed = run_with_stdin(HOST, &[options, &arguments].concat(), script);
        assert_eq!(text_of(&printed), expected, "{}", errors_of(&printed));
    }
}

#[test]
fn an_error_of_a_text_shows_its_line() {
    let script = "let x = 1;\nthrow new Error('bad');\n";
    let shown_as = |name: &str, output| {
        let errors = errors_of(&output);
        let shown = format!("{name}:2\nthrow new Error('bad');\n");
        assert!(errors.starts_with(&shown), "{errors}");
        assert!(errors.contains(&format!(" at {name}:2:")), "{errors}");
        assert_eq!(output.status.code(), Some(1));
    };
    shown_as("[stdin]", run_with_stdin(HOST, &["-"], script));
    shown_as("[eval]", host(&["-e", script]));
}

/// With `--eval`, a hyphen is an argument, and nothing is read.
#[test]
fn a_hyphen_after_a_text_is_an_argument() {
    let arguments = ["-e", "console.log(process.argv.slice(1))", "-", "a"];
    let output = run_with_stdin(HOST, &arguments, "console.log('from standard input')");
    assert_eq!(text_of(&output), "[ '-', 'a' ]\nexit code 0\n");
}

#[test]
fn the_version_is_that_of_the_node_whose_order_the_loop_has() {
    for release in ["20", "22", "24", "26"] {
        let output = host(&["--node", release, "-p", "process.version"]);
        let version = text_of(&output);
        assert!(version.starts_with(&format!("v{release}.")), "{version}");
        for arguments in [
            &["--node", release, "--version"][..],
            &["-v", "--node", release, "script.js"],
            &["-v", "--node", release, "-e", "console.log(1)"],
        ] {
            assert_eq!(text_of(&host(arguments)), version, "{arguments:?}");
        }
    }
    let output = host(&["--version"]);
    assert_eq!(text_of(&output), "v24.21.0\nexit code 0\n");
    assert_eq!(host(&["--version", "--unknown"]).status.code(), Some(9));
    if let Some(node) = node_20() {
        let version = text_of(&run(node, &["--version"], &[]));
        assert_eq!(text_of(&host(&["--node=20", "-v"])), version);
    }
}

#[test]
fn the_release_decides_the_order() {
    // What follows a tick that throws (R12, R53) differs from Node 26 on.
    let script = Script::new(
        "release.js",
        "process.on('uncaughtException', () => console.log('uncaught'));\n\
         process.nextTick(() => { throw 1; });\n\
         process.nextTick(() => console.log('tick'));\n\
         setImmediate(() => console.log('immediate'));",
    );
    let printed = |release| text_of(&host(&["--virtual-time", "--node", release, script.path()]));
    assert_eq!(printed("24"), "uncaught\ntick\nimmediate\nexit code 0\n");
    assert_eq!(printed("26"), "uncaught\nimmediate\ntick\nexit code 0\n");
}

#[test]
fn wrong_options_are_explained() {
    for arguments in [&["--node", "21", "x.js"][..], &["--unknown"], &[]] {
        let output = host(arguments);
        assert_eq!(output.status.code(), Some(9), "{arguments:?}");
        assert!(
            errors_of(&output).contains("usage: nodeloop-js"),
            "{arguments:?}"
        );
    }
}

#[test]
fn node_options_choose_the_mode_of_unhandled_rejections() {
    let script = Script::new(
        "modes.js",
        "process.on('uncaughtException', (e, origin) => console.log('uncaught', e.message, origin));\n\
         process.on('warning', (w) => console.log(w.name));\n\
         const p = Promise.reject(new Error('x'));\n\
         setTimeout(() => p.catch(() => {}), 1);",
    );
    let printed = |mode: &str| {
        let options = format!("--unhandled-rejections={mode}");
        let program = env!("CARGO_BIN_EXE_nodeloop-js");
        text_of(&run(
            program,
            &["--virtual-time", script.path()],
            &[("NODE_OPTIONS", options.as_str())],
        ))
    };
    let uncaught = "uncaught x unhandledRejection\n";
    let unhandled = "UnhandledPromiseRejectionWarning\n";
    let late = "PromiseRejectionHandledWarning\n";
    assert_eq!(printed("throw"), format!("{uncaught}{late}exit code 0\n"));
    assert_eq!(
        printed("strict"),
        format!("{uncaught}{unhandled}{unhandled}{late}exit code 0\n")
    );
    assert_eq!(
        printed("warn"),
        format!("{unhandled}{unhandled}{late}exit code 0\n")
    );
    assert_eq!(
        printed("warn-with-error-code"),
        format!("{unhandled}{unhandled}{late}exit code 1\n")
    );
    assert_eq!(printed("none"), format!("{late}exit code 0\n"));
}

#[test]
fn a_wrong_mode_of_unhandled_rejections_is_refused() {
    let with = |options: &str, arguments: &[&str]| {
        let program = env!("CARGO_BIN_EXE_nodeloop-js");
        let output = run(program, arguments, &[("NODE_OPTIONS", options)]);
        (output.status.code(), errors_of(&output))
    };
    let invalid = "invalid value for --unhandled-rejections\n";
    let missing = "--unhandled-rejections requires an argument\n";
    for (options, message) in [
        ("--unhandled-rejections=foo", invalid),
        ("--no-warnings --unhandled-rejections bar", invalid),
        ("--unhandled-rejections=warn-with-error-codes", invalid),
        ("--unhandled-rejections=", missing),
        ("--unhandled-rejections", missing),
    ] {
        let (code, errors) = with(options, &["-e", "console.log(1)"]);
        assert_eq!(code, Some(9), "{options}");
        assert!(errors.starts_with(message), "{options}: {errors}");
        let arguments: Vec<&str> = options.split(' ').collect();
        // The next argument is the mode.
        if !options.ends_with("rejections") {
            let (code, errors) = with("", &[&arguments[..], &["-e", "1"]].concat());
            assert_eq!(code, Some(9), "{options}");
            assert!(errors.starts_with(message), "{options}: {errors}");
        }
    }
    let rejected = "Promise.reject(1)";
    let warn = "--no-warnings --unhandled-rejections warn";
    assert_eq!(with("", &["-e", rejected]).0, Some(1));
    assert_eq!(with(warn, &["-e", rejected]).0, Some(0));
    assert_eq!(with("--max-old-space-size=100", &["-e", "1"]).0, Some(0));
}

#[test]
fn a_run_can_be_replayed() {
    let script = Script::new("page.js", "setTimeout(() => console.log('x'), 5);");
    let page = Script::new("page.html", "");
    let output = host(&["--virtual-time", "--html", page.path(), script.path()]);
    assert_eq!(text_of(&output), "x\nexit code 0\n");
    let page = fs::read_to_string(&page.0).unwrap();
    assert!(page.starts_with("<!doctype html>"));
}

#[test]
fn a_page_that_cannot_be_written_is_a_failure() {
    let code_of = |option: &str, text: &str| {
        let script = Script::new("unwritten.js", text);
        let output = host(&["--virtual-time", option, "/nonexistent/page", script.path()]);
        let errors = errors_of(&output);
        assert!(
            errors.contains("/nonexistent/page could not be written: "),
            "{errors}"
        );
        output.status.code()
    };
    assert_eq!(code_of("--html", "console.log(1);"), Some(70));
    assert_eq!(code_of("--trace", "process.exit();"), Some(70));
    assert_eq!(code_of("--html", "process.exit(3);"), Some(3));
}

#[test]
fn a_page_and_a_trace_show_the_lines_of_the_script() {
    let script = Script::new(
        "places.js",
        "setTimeout(() => console.log('timeout'), 5);\n\
         setImmediate(() => {});\n\
         process.nextTick(() => {});\n\
         queueMicrotask(() => {});\n\
         Promise.resolve()\n\
         \x20 .then(() => {});\n\
         (async () => {\n\
         \x20 await null;\n\
         \x20 console.log('continued');\n\
         })();\n",
    );
    let (page, trace) = (
        Script::new("places.html", ""),
        Script::new("places.json", ""),
    );
    let output = host(&[
        "--virtual-time",
        "--html",
        page.path(),
        "--trace",
        trace.path(),
        script.path(),
    ]);
    assert_eq!(text_of(&output), "continued\ntimeout\nexit code 0\n");
    let page = fs::read_to_string(&page.0).unwrap();
    let data = page.split_once("id=\"recording\">").unwrap().1;
    let data = data.split_once("</script>").unwrap().0;
    let data: serde_json::Value = serde_json::from_str(data).unwrap();
    let places: Vec<String> = data["events"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|event| {
            let place = &data["locations"][event["loc"].as_u64()? as usize];
            assert_eq!(place[0], script.path());
            let what = event["text"].as_str().or(event["k"].as_str())?;
            Some(format!(
                "{} {what} {}:{}",
                event["e"].as_str()?,
                place[1],
                place[2]
            ))
        })
        .collect();
    let expected = [
        "call main 1:1",
        "add set_timeout 1:1",
        "add set_immediate 2:1",
        "add next_tick 3:9",
        "call next_tick 3:9",
        "call queue_microtask 4:1",
        "call queue_microtask 6:4",
        "call queue_microtask 9:11",
        "log continued 9:11",
        "call set_immediate 2:1",
        "call set_timeout 1:1",
        "log timeout 1:25",
    ];
    assert_eq!(places, expected);
    assert_eq!(data["sources"].as_object().unwrap().len(), 1);
    let trace = fs::read_to_string(&trace.0).unwrap();
    assert!(trace.contains("places.js:6\""), "{trace}");
}

#[test]
fn reports_show_the_lines_of_the_script() {
    let script = Script::new(
        "alive.js",
        "setTimeout(() => {}, 5);\nsetImmediate(() => {}); console.log(nodeHost.whyAlive());\n",
    );
    let output = host(&["--virtual-time", "--places", script.path()]);
    let file = script.path();
    let expected = format!(
        "the loop is alive:\n  a timer, due in 5ms, created at {file}:1:1\n  \
         an immediate, created at {file}:2:1\nexit code 0\n"
    );
    assert_eq!(text_of(&output), expected);
}

#[test]
fn the_columns_of_the_first_line_are_those_of_the_script() {
    let script = Script::new("column.js", "const x = 1; throw new Error('bad');\n");
    let errors = errors_of(&host(&[script.path()]));
    let mark = format!(
        "{}:1\nconst x = 1; throw new Error('bad');\n",
        script.path()
    );
    assert!(errors.starts_with(&mark), "{errors}");
    assert!(
        errors.contains(&format!("{}:1:24", script.path())),
        "{errors}"
    );
}
