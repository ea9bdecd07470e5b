//! The example with a server written in Node.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

/// Answers with the request line and 140,000 bytes, without a length.
const SERVER: &str = "
    const server = require('node:http').createServer((request, response) => {
        if (request.url === '/missing') response.statusCode = 404;
        if (request.url === '/broken') return request.socket.destroy();
        response.write(`${request.method} ${request.url} ${request.headers.host.split(':')[0]}\\n`);
        response.end('ä'.repeat(70000));
    });
    server.listen(0, 'localhost', () => console.log(server.address().port));
";

struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn get(url: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_nodeloop-http-get"));
    command.arg(url).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn a_page_of_a_node_server_is_printed() {
    let mut command = Command::new("node");
    command.args(["-e", SERVER]).stdout(Stdio::piped());
    let Ok(child) = command.spawn() else {
        assert!(
            std::env::var_os("NODELOOP_REQUIRE_NODE").is_none(),
            "`node` is not on the PATH"
        );
        return println!("skipped: `node` is not on the PATH");
    };
    let mut server = Server(child);
    let mut port = String::new();
    let mut output = BufReader::new(server.0.stdout.take().unwrap());
    output.read_line(&mut port).unwrap();
    let base = format!("http://localhost:{}", port.trim());

    let page = get(&format!("{base}/a/path?and=query"));
    assert_eq!(text(&page.stderr), "200 OK\n");
    assert!(page.status.success());
    let expected = format!("GET /a/path?and=query localhost\n{}", "ä".repeat(70_000));
    assert!(text(&page.stdout) == expected, "the body differs");

    let page = get(&format!("{base}/missing"));
    assert_eq!(text(&page.stderr), "404 Not Found\n");
    assert_eq!(page.status.code(), Some(1));

    let page = get(&format!("{base}/broken"));
    assert!(!page.status.success());
    drop(server);
    let page = get(&base);
    assert!(
        text(&page.stderr).starts_with(&base),
        "{}",
        text(&page.stderr)
    );
    assert_eq!(page.status.code(), Some(1));
}

#[test]
fn invalid_urls_are_reported() {
    for wrong in ["https://localhost/", "/path", "http://name.invalid/"] {
        let page = get(wrong);
        assert_eq!(page.status.code(), Some(1));
        assert!(
            text(&page.stderr).starts_with(wrong),
            "{}",
            text(&page.stderr)
        );
        assert_eq!(page.stdout, b"");
    }
}
