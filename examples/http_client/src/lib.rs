//! A client with a pool of connections, for HTTP and HTTPS: hyper-util's `Client` on the loop.
//!
//! hyper-util has the pool. It needs an executor, a timer, and a connector, which is a function from
//! a URI to a stream. It requires futures and streams that are `Send`, so both are in a [`Local`].
//!
//! An idle connection waits for its end, which keeps the loop alive: drop the client when it is no
//! longer needed, or the run ends only when the last connection has been idle for 90 seconds or its
//! server has closed it.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::io::{AsyncRead, AsyncWrite};
use futures_rustls::TlsConnector;
use futures_rustls::rustls::crypto::ring::default_provider;
use futures_rustls::rustls::pki_types::ServerName;
use futures_rustls::rustls::{ClientConfig, RootCertStore};
use hyper::Uri;
use hyper::body::Body;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::{Connected, Connection};
use nodeloop::hyper::{HyperExecutor, HyperIo, HyperTimer, Local};
use nodeloop::net::TcpStream;
use tower_service::Service;

/// Creates a client that trusts the certificates issued by `roots`.
///
/// # Errors
///
/// Returns an error if rustls does not support the configuration.
pub fn client<B>(roots: RootCertStore) -> io::Result<Client<Connector, B>>
where
    B: Body<Data: Send> + Send,
{
    let tls = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let connector = Connector {
        tls: TlsConnector::from(Arc::new(tls)),
    };
    Ok(Client::builder(HyperExecutor)
        .pool_timer(HyperTimer::new().unref())
        .build(connector))
}

/// Connects to the host of a URI.
#[derive(Clone)]
pub struct Connector {
    tls: TlsConnector,
}

impl Service<Uri> for Connector {
    type Response = ClientStream;
    type Error = io::Error;
    type Future = Local<Pin<Box<dyn Future<Output = io::Result<ClientStream>>>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        Local::new(Box::pin(connect(self.tls.clone(), uri)))
    }
}

async fn connect(tls: TlsConnector, uri: Uri) -> io::Result<ClientStream> {
    let is_tls = uri.scheme_str() == Some("https");
    let host = uri.host().unwrap_or_default().trim_matches(['[', ']']);
    let port = uri.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let tcp = TcpStream::connect((host, port)).await?;
    tcp.set_nodelay(true)?;
    let stream: Box<dyn Stream> = match is_tls {
        true => {
            let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
            Box::new(tls.connect(name, tcp).await?)
        }
        false => Box::new(tcp),
    };
    Ok(ClientStream(Local::new(HyperIo::new(stream))))
}

/// A TCP or TLS stream.
trait Stream: AsyncRead + AsyncWrite + Unpin {}

impl<T: AsyncRead + AsyncWrite + Unpin> Stream for T {}

/// A connection of the client.
pub struct ClientStream(Local<HyperIo<Box<dyn Stream>>>);

impl Connection for ClientStream {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl Read for ClientStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buffer)
    }
}

impl Write for ClientStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
