//! Gets a page: resolves the name, connects, sends a request, and prints the body as it arrives.
//!
//! ```text
//! cargo run -p nodeloop-http-get -- http://example.com/
//! ```
//!
//! The status is printed to standard error. Redirects are not followed, and TLS is not supported;
//! `examples/tls` shows how to add it.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use http_body_util::{BodyExt, Empty};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{CONNECTION, HOST};
use hyper::{Request, StatusCode, Uri};
use nodeloop::hyper::HyperIo;
use nodeloop::net::TcpStream;
use nodeloop::spawn;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [url] = &*arguments else {
        eprintln!("usage: nodeloop-http-get http://host[:port]/path");
        return ExitCode::from(2);
    };
    match nodeloop::run(get(url.clone())) {
        Ok(status) => {
            eprintln!("{status}");
            ExitCode::from(u8::from(!status.is_success()))
        }
        Err(error) => {
            eprintln!("{url}: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn get(url: String) -> Result<StatusCode, Box<dyn Error>> {
    let url: Uri = url.parse()?;
    let authority = url.authority().ok_or("the URL has no host")?.clone();
    if url.scheme_str() != Some("http") {
        return Err("the URL does not begin with http://".into());
    }
    let port = authority.port_u16().unwrap_or(80);
    let host = authority.host().trim_matches(['[', ']']);

    // The name is resolved by a job of the pool (R60); the addresses are tried in order.
    let stream = TcpStream::connect((host, port)).await?;
    let (mut client, connection) = http1::handshake(HyperIo::new(stream)).await?;
    // The connection is a task of its own; its errors are also returned by the request.
    let connection = spawn(connection);

    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let request = Request::get(path)
        .header(HOST, authority.as_str())
        .header(CONNECTION, "close")
        .body(Empty::<Bytes>::new())?;
    let mut response = client.send_request(request).await?;
    while let Some(frame) = response.frame().await {
        if let Ok(data) = frame?.into_data() {
            io::stdout().write_all(&data)?;
        }
    }
    connection.await?;
    Ok(response.status())
}
