//! HTTPS on the loop.
//!
//! `futures-rustls` wraps any stream of the `futures` traits in another one. For a server this is the
//! [handshake](nodeloop::hyper::Serve::with_handshake) of each connection; for a client it is a layer
//! between the socket and [`HyperIo`].

use std::error::Error;
use std::sync::Arc;

use bytes::Bytes;
use futures_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use futures_rustls::rustls::{self, ClientConfig, RootCertStore, ServerConfig};
use futures_rustls::{TlsAcceptor, TlsConnector};
use http_body_util::{BodyExt, Empty, Full};
use hyper::service::service_fn;
use hyper::{Request, Response};
use nodeloop::hyper::HyperIo;
use nodeloop::net::{TcpListener, TcpStream};
use nodeloop::spawn;

/// A self-signed certificate and its key.
pub struct Identity {
    /// The certificate in DER form.
    pub certificate: CertificateDer<'static>,
    /// The private key in DER form.
    pub key: PrivateKeyDer<'static>,
    /// The certificate in PEM format, for clients that read it from a file.
    pub pem: String,
}

/// Creates an identity for these names.
pub fn self_signed(names: &[&str]) -> Result<Identity, rcgen::Error> {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let certified = rcgen::generate_simple_self_signed(names)?;
    Ok(Identity {
        certificate: certified.cert.der().clone(),
        key: PrivateKeyDer::Pkcs8(certified.signing_key.serialize_der().into()),
        pem: certified.cert.pem(),
    })
}

/// Serves HTTPS forever. A failed handshake only closes its own connection.
pub async fn serve(listener: TcpListener, identity: Identity) -> Result<(), Box<dyn Error>> {
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate], identity.key)?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    nodeloop::hyper::serve(listener, service_fn(answer))
        .with_handshake(move |stream| acceptor.accept(stream))
        .on_error(|error| eprintln!("{error}"))
        .await?;
    Ok(())
}

/// Echoes the body, or returns a greeting if there is none.
async fn answer(
    request: Request<hyper::body::Incoming>,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let mut body = request.into_body().collect().await?.to_bytes();
    if body.is_empty() {
        body = Bytes::from_static(b"hello over TLS");
    }
    Ok(Response::new(Full::new(body)))
}

/// Gets the page of a server on this machine whose certificate must be for `name` and issued by
/// `trusted`.
pub async fn get(
    port: u16,
    name: &str,
    trusted: CertificateDer<'static>,
) -> Result<Bytes, Box<dyn Error>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted)?;
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(name.to_owned())?;
    let stream = connector.connect(name, stream).await?;
    let (mut client, connection) =
        hyper::client::conn::http1::handshake(HyperIo::new(stream)).await?;
    let connection = spawn(connection);
    let request = Request::get("/")
        .header("host", "localhost")
        .header("connection", "close")
        .body(Empty::<Bytes>::new())?;
    let response = client.send_request(request).await?;
    let body = response.into_body().collect().await?.to_bytes();
    connection.await?;
    Ok(body)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
