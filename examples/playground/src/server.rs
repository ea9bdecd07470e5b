//! The server: the page, its programs, and runs.
//!
//! Only this machine reaches it, but the browser of this machine has pages of others, too. So the server
//! answers only requests that are addressed to it by its own names, which a page under another name cannot
//! send (its `Host` would be that name), and it runs only programs that its own page or a program without a
//! browser has sent: a page of another origin tells its `Origin`, and cannot send JSON without asking first.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use nodeloop::net::TcpListener;
use nodeloop::time::timeout;

use crate::runs::{Failure, Runs};
use crate::{child, page, programs};

/// The longest body of a request: a program whose every character has six in JSON.
const MAX_BODY: usize = 6 * child::MAX_SOURCE + 1024;
/// The time in which a body has to arrive.
const BODY_TIME: Duration = Duration::from_secs(10);
/// The connections at the same time.
const MAX_CONNECTIONS: usize = 64;

type Reply = Response<Full<Bytes>>;

/// Serves until `shutdown` completes.
pub(crate) async fn serve(
    listener: TcpListener,
    port: u16,
    shutdown: impl Future<Output = ()> + 'static,
) -> io::Result<()> {
    let runs = Runs::default();
    let service = service_fn(move |request: Request<Incoming>| {
        let runs = runs.clone();
        async move {
            let mut reply = match check(request.headers(), port) {
                Ok(()) => answer(request, &runs).await,
                Err(reason) => text(StatusCode::FORBIDDEN, reason),
            };
            protect(reply.headers_mut());
            Ok::<Reply, Infallible>(reply)
        }
    });
    nodeloop::hyper::serve(listener, service)
        .header_timeout(Duration::from_secs(10))
        .max_connections(MAX_CONNECTIONS)
        .with_graceful_shutdown(shutdown)
        .shutdown_timeout(Duration::from_millis(500))
        .http1(|http| {
            http.max_buf_size(64 * 1024);
        })
        .await
}

/// Refuses what a page of another origin sends.
fn check(headers: &HeaderMap, port: u16) -> Result<(), &'static str> {
    let names = [format!("127.0.0.1:{port}"), format!("localhost:{port}")];
    let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
    if !names.iter().any(|name| host == Some(name.as_bytes())) {
        return Err(
            "the host of the request is not the playground: open the address that it printed",
        );
    }
    if let Some(origin) = headers.get(header::ORIGIN) {
        let is_own = |name: &String| origin.as_bytes() == format!("http://{name}").as_bytes();
        if !names.iter().any(is_own) {
            return Err("the origin of the request is not the playground");
        }
    }
    Ok(())
}

async fn answer(request: Request<Incoming>, runs: &Runs) -> Reply {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/") => reply("text/html; charset=utf-8", page::html()),
        (&Method::GET, "/programs") => reply("application/json", programs::json()),
        (&Method::POST, "/run") => run(request, runs).await,
        (_, "/" | "/programs" | "/run") => text(
            StatusCode::METHOD_NOT_ALLOWED,
            "this method is not allowed here",
        ),
        _ => text(StatusCode::NOT_FOUND, "there is no such page"),
    }
}

async fn run(request: Request<Incoming>, runs: &Runs) -> Reply {
    let headers = request.headers();
    let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    if site.is_some_and(|site| site != b"same-origin") {
        return text(StatusCode::FORBIDDEN, "another page must not run programs");
    }
    let content = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    if content != Some(b"application/json") {
        return text(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "send `application/json`",
        );
    }
    let body = Limited::new(request.into_body(), MAX_BODY).collect();
    let body = match timeout(BODY_TIME, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return text(StatusCode::PAYLOAD_TOO_LARGE, "the request is too long"),
        Err(_) => {
            return text(
                StatusCode::REQUEST_TIMEOUT,
                "the request did not arrive in time",
            );
        }
    };
    let Ok(body) = std::str::from_utf8(&body) else {
        return text(StatusCode::BAD_REQUEST, "the request is not UTF-8");
    };
    match runs.run(body).await {
        Ok(answer) => reply("application/json", answer),
        Err(Failure::Request(message)) => text(StatusCode::BAD_REQUEST, message),
        Err(Failure::Busy) => text(
            StatusCode::SERVICE_UNAVAILABLE,
            "other programs run: try again",
        ),
        Err(Failure::Start(error)) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("the process of the program could not be started: {error}"),
        ),
    }
}

fn reply(kind: &'static str, content: impl Into<Bytes>) -> Reply {
    let mut reply = Response::new(Full::new(content.into()));
    let kind = HeaderValue::from_static(kind);
    reply.headers_mut().insert(header::CONTENT_TYPE, kind);
    reply
}

fn text(status: StatusCode, message: impl Into<String>) -> Reply {
    let mut reply = reply("text/plain; charset=utf-8", message.into());
    *reply.status_mut() = status;
    reply
}

/// No other page may contain this one or read its answers.
fn protect(headers: &mut HeaderMap) {
    let protections = [
        ("content-security-policy", page::POLICY),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cache-control", "no-store"),
    ];
    for (name, value) in protections {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
