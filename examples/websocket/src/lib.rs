//! WebSockets on the loop, with async-tungstenite, which accepts any stream of the `futures` traits.
//!
//! | | |
//! |---|---|
//! | [`talk`] | a client |
//! | [`serve_sockets`] | a server that speaks nothing but WebSocket |
//! | [`router`] | a route of an axum router, which upgrades the connection |
//!
//! Both servers send every message back.

use std::io;

use async_tungstenite::tungstenite::handshake::server::create_response;
use async_tungstenite::tungstenite::protocol::Role;
use async_tungstenite::tungstenite::{Error, Message};
use async_tungstenite::{WebSocketStream, accept_async, client_async};
use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::{AsyncRead, AsyncWrite, StreamExt};
use nodeloop::hyper::FuturesIo;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::spawn;

/// Sends words to a server, one after the other, and returns the answers.
///
/// # Errors
///
/// Returns an error if the connection or the protocol fails.
pub async fn talk(url: &str, words: &[&str]) -> Result<Vec<String>, Error> {
    let authority = url.strip_prefix("ws://").unwrap_or(url);
    let authority = authority.split('/').next().unwrap_or_default();
    let stream = TcpStream::connect(authority).await?;
    let (mut socket, _response) = client_async(url, stream).await?;
    let mut answers = Vec::new();
    for word in words {
        socket.send(Message::text(*word)).await?;
        if let Some(answer) = socket.next().await {
            answers.push(answer?.into_text()?.to_string());
        }
    }
    socket.close(None).await?;
    while socket.next().await.is_some() {} // until the server has confirmed
    Ok(answers)
}

/// Accepts connections forever, each of which is a WebSocket.
///
/// # Errors
///
/// Returns an error if the listener fails.
pub async fn serve_sockets(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, client) = listener.accept().await?;
        drop(spawn(async move {
            let served = async { echo(accept_async(stream).await?).await };
            if let Err(error) = served.await {
                eprintln!("{client}: {error}");
            }
        }));
    }
}

/// A router with a page at `/` and a WebSocket at `/socket`. Serve it
/// [with upgrades](nodeloop::hyper::Serve::with_upgrades).
pub fn router() -> Router {
    Router::new()
        .route("/", get(async || "a WebSocket is at /socket\n"))
        .route("/socket", get(upgrade))
}

/// Accepts the handshake. The task of the socket starts when the response was sent.
async fn upgrade(mut request: Request) -> Response {
    let upgraded = hyper::upgrade::on(&mut request);
    let (head, _body) = request.into_parts();
    let response = match create_response(&Request::from_parts(head, ())) {
        Ok(response) => response,
        Err(error) => return (StatusCode::BAD_REQUEST, error.to_string()).into_response(),
    };
    drop(spawn(async move {
        let served = async {
            let stream = FuturesIo::new(upgraded.await.map_err(io::Error::other)?);
            echo(WebSocketStream::from_raw_socket(stream, Role::Server, None).await).await
        };
        if let Err(error) = served.await {
            eprintln!("{error}");
        }
    }));
    response.map(|()| Body::empty())
}

/// Sends every message back until the client closes the socket.
async fn echo<S>(mut socket: WebSocketStream<S>) -> Result<(), Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    while let Some(message) = socket.next().await {
        let message = message?;
        if message.is_text() || message.is_binary() {
            socket.send(message).await?;
        }
    }
    Ok(())
}
